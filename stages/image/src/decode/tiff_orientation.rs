//! The orientation of a TIFF, which Pillow applies when it loads one (of a JPEG it only reports it).

use super::Raster;
use crate::ImageError;
use crate::limits::reserve;

/// Turns a raster as tag 274 says: 1 is upright; from 5 on, rows and columns are exchanged.
pub(crate) fn upright(raster: Raster, orientation: u16) -> Result<Raster, ImageError> {
    let Raster { width, height, rgb } = raster;
    if !(2..=8).contains(&orientation) {
        return Ok(Raster { width, height, rgb });
    }
    let exchanged = orientation >= 5;
    let (columns, rows) = if exchanged {
        (height, width)
    } else {
        (width, height)
    };
    let (pixels, _) = rgb.as_chunks::<3>();
    let mut turned = reserve(rgb.len(), width, height)?;
    for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
        let (from_right, from_bottom) = (columns - 1 - x, rows - 1 - y);
        let (x, y) = match orientation {
            2 => (from_right, y),
            3 => (from_right, from_bottom),
            4 => (x, from_bottom),
            5 => (y, x),
            6 => (y, from_right),
            7 => (from_bottom, from_right),
            _ => (from_bottom, x),
        };
        turned.extend(
            pixels
                .get(y as usize * width as usize + x as usize)
                .copied()
                .unwrap_or_default(),
        );
    }
    Ok(Raster {
        width: columns,
        height: rows,
        rgb: turned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_orientation_puts_the_first_row_and_column_where_tiff_says() {
        // Letters of a 3 x 2 picture; what ImageOps.exif_transpose makes of it.
        let upright_as = |orientation| {
            let rgb = b"abcdef".iter().flat_map(|letter| [*letter; 3]).collect();
            let turned = upright(
                Raster {
                    width: 3,
                    height: 2,
                    rgb,
                },
                orientation,
            )
            .unwrap();
            let letters: String = turned
                .rgb
                .iter()
                .step_by(3)
                .map(|letter| char::from(*letter))
                .collect();
            (turned.width, letters)
        };
        let expected = [
            "abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead",
        ];
        for (orientation, letters) in (1..).zip(expected) {
            let width = if orientation >= 5 { 2 } else { 3 };
            assert_eq!(
                upright_as(orientation),
                (width, letters.to_owned()),
                "orientation {orientation}"
            );
        }
    }
}
