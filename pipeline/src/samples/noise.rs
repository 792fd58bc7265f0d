//! Value noise: random heights on a lattice, smoothly joined. Several octaves of it look like nature.

use super::draws::{draw, unit};

/// One field of noise over the plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValueNoise {
    key: u64,
}

impl ValueNoise {
    /// The field `key`.
    pub(super) const fn new(key: u64) -> Self {
        Self { key }
    }

    /// The height at a point, in `0..=1`; lattice points lie at whole numbers.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let (column, row) = (x.floor(), y.floor());
        let (across, down) = (smooth(x - column), smooth(y - row));
        let (column, row) = (column as i32, row as i32);
        let edge = |row| {
            mix(
                self.lattice(column, row),
                self.lattice(column.wrapping_add(1), row),
                across,
            )
        };
        mix(edge(row), edge(row.wrapping_add(1)), down)
    }

    /// The sum of `octaves` fields, each twice as fine and half as high as the one before, in `0..=1`.
    pub(super) fn fractal(&self, x: f32, y: f32, octaves: u32) -> f32 {
        let (mut sum, mut total, mut height, mut scale) = (0.0, 0.0, 1.0, 1.0);
        for octave in 0..octaves {
            let field = Self::new(self.key ^ u64::from(octave));
            sum += height * field.at(x * scale, y * scale);
            total += height;
            height *= 0.5;
            scale *= 2.0;
        }
        sum / total
    }

    fn lattice(&self, column: i32, row: i32) -> f32 {
        let place = u64::from(column.cast_unsigned()) << 32 | u64::from(row.cast_unsigned());
        unit(draw(self.key, place))
    }
}

/// From `a` (share 0) to `b` (share 1).
pub(super) fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// The step from 0 to 1 with flat ends: 3t² - 2t³, t clamped to `0..=1`.
pub(super) fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_continuous_across_lattice_lines_and_stays_in_range() {
        let noise = ValueNoise::new(11);
        for step in -400..400 {
            let x = step as f32 * 0.05;
            let (here, there) = (
                noise.fractal(x, -x * 0.7, 5),
                noise.fractal(x + 1e-3, -x * 0.7, 5),
            );
            assert!((0.0..=1.0).contains(&here));
            assert!((here - there).abs() < 0.05, "a jump at {x}: {here} to {there}");
        }
    }

    #[test]
    fn fields_of_other_keys_differ() {
        assert_ne!(ValueNoise::new(1).at(0.5, 0.5), ValueNoise::new(2).at(0.5, 0.5));
    }
}
