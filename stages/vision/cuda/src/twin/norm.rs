//! kernels/norm.cu

use super::{LANES, Twin, warp_sum};
use crate::device::Norm;
use crate::number::Element;

/// A warp a row, four neighbouring values a lane at a time.
pub(super) fn add_norm<E: Element>(
    x: &mut [f32],
    y: Option<&[E]>,
    norm: &Norm<Twin>,
    rows: usize,
    out: &mut [E],
) {
    let width = norm.width;
    for row in 0..rows {
        let own = row * width..(row + 1) * width;
        let (x, out) = (&mut x[own.clone()], &mut out[own.clone()]);
        if let Some(y) = y {
            for (x, y) in x.iter_mut().zip(&y[own]) {
                *x += y.wide();
            }
        }
        let over_lanes = |each: &dyn Fn(f32, f32) -> f32| {
            let mut lanes = [0.0; LANES];
            for (column, value) in x.iter().enumerate() {
                let lane = &mut lanes[column / 4 % LANES];
                *lane = each(*lane, *value);
            }
            warp_sum(lanes)
        };
        let mean = over_lanes(&|sum, value| sum + value) / width as f32;
        let squares = over_lanes(&|sum, value| (value - mean).mul_add(value - mean, sum));
        let scale = 1.0 / (squares / width as f32 + norm.eps).sqrt();
        for (column, (x, out)) in x.iter().zip(out).enumerate() {
            *out = E::of(((x - mean) * scale).mul_add(norm.weight[column], norm.bias[column]));
        }
    }
}
