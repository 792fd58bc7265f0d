//! kernels/nearest.cu

use super::Twin;
use crate::device::{Codes, Shape};
use crate::number::Element;

fn square_sum(row: impl Iterator<Item = f32>) -> f32 {
    row.fold(0.0, |sum: f32, value| value.mul_add(value, sum))
}

pub(super) fn normalise<E: Element>(
    z: &[E],
    stride: usize,
    Shape { rows, width }: Shape,
    unit: &mut [f32],
    squared: &mut [f32],
) {
    for row in 0..rows {
        let z = &z[row * stride..row * stride + width];
        let unit = &mut unit[row * width..(row + 1) * width];
        let length = square_sum(z.iter().map(|value| value.wide())).sqrt().max(1e-12);
        for (unit, z) in unit.iter_mut().zip(z) {
            *unit = z.wide() / length;
        }
        let finite = z.iter().all(|value| value.wide().is_finite());
        squared[row] = if finite {
            square_sum(unit.iter().copied())
        } else {
            f32::NAN
        };
    }
}

/// The code of least distance, of equals the lowest; -1 where no distance is a number.
pub(super) fn nearest(unit: &[f32], squared: f32, codes: &Codes<Twin>) -> i32 {
    let mut least = (f32::INFINITY, -1);
    for (code, row) in codes.rows.chunks_exact(codes.width).enumerate() {
        let product = unit
            .iter()
            .zip(row)
            .fold(0.0, |sum: f32, (a, b)| a.mul_add(*b, sum));
        let distance = squared + codes.squared[code] - 2.0 * product;
        if distance < least.0 {
            least = (distance, code as i32);
        }
    }
    least.1
}
