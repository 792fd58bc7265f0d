//! 8-bit pixels to the network's input (spec section 1).

use img2tokens_schemas::Pixels;

/// CLIP's mean of red, green and blue, of values in 0..=1.
pub const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];

/// CLIP's standard deviation of red, green and blue.
#[expect(clippy::excessive_precision, reason = "the digits that CLIP publishes")]
pub const STD: [f32; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

/// The value of each of the 256 levels of each channel: `(level / 255 - mean) / std`, each step rounded to float32 as
/// torchvision does.
#[must_use]
pub fn levels() -> [[f32; 256]; 3] {
    let mut levels = [[0.0; 256]; 3];
    for (channel, (mean, std)) in levels.iter_mut().zip(MEAN.into_iter().zip(STD)) {
        for (level, value) in channel.iter_mut().enumerate() {
            *value = (level as f32 / 255.0 - mean) / std;
        }
    }
    levels
}

/// The picture as channels of rows, `[3, S, S]`.
#[must_use]
pub fn to_channels(pixels: &Pixels) -> Vec<f32> {
    let levels = levels();
    let rgb = pixels.rgb();
    levels
        .iter()
        .enumerate()
        .flat_map(|(channel, levels)| {
            rgb.iter()
                .skip(channel)
                .step_by(3)
                .map(|level| levels[usize::from(*level)])
        })
        .collect()
}

/// The picture cut into its patches, `[N, 3 * P * P]`: patches in raster order, each as channels of rows, so that the
/// patch embedding is one matrix product. Rows and columns past the last whole patch are left out.
#[must_use]
pub fn to_patches(pixels: &Pixels, patch: usize) -> Vec<f32> {
    let levels = levels();
    let side = pixels.size() as usize;
    let grid = side.checked_div(patch).unwrap_or(0);
    let mut patches = Vec::with_capacity(grid * grid * 3 * patch * patch);
    for (top, left) in (0..grid).flat_map(|row| (0..grid).map(move |column| (row * patch, column * patch))) {
        for (channel, levels) in levels.iter().enumerate() {
            for row in top..top + patch {
                let start = (row * side + left) * 3;
                let row = &pixels.rgb()[start..start + patch * 3];
                patches.extend(
                    row.chunks_exact(3)
                        .map(|pixel| levels[usize::from(pixel[channel])]),
                );
            }
        }
    }
    patches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_hold_the_same_values_as_channels() {
        let (side, patch, grid) = (6, 3, 2);
        let rgb = (0..side * side * 3).map(|at| (at * 7 % 256) as u8).collect();
        let pixels = Pixels::new(side as u32, rgb).unwrap();
        let (channels, patches) = (to_channels(&pixels), to_patches(&pixels, patch));
        assert_eq!(patches.len(), channels.len());
        for (at, value) in patches.iter().enumerate() {
            let (column, row, channel) = (at % patch, at / patch % patch, at / (patch * patch) % 3);
            let which = at / (patch * patch * 3);
            let (y, x) = (which / grid * patch + row, which % grid * patch + column);
            assert_eq!(*value, channels[(channel * side + y) * side + x]);
        }
    }
}
