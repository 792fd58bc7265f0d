//! Both passes in plain code, for any machine.

use std::borrow::Cow;

use super::kernel::kernels;
use super::{RGB, Task, round};

/// Values of a row that the column filter takes at once: a length the compiler can spread over vector registers.
const BLOCK: usize = 32;

pub(super) fn resize(task: Task<'_>) -> Vec<u8> {
    let Task {
        rgb,
        columns,
        rows,
        side,
    } = task;
    let narrow = if columns == side {
        Cow::Borrowed(rgb)
    } else {
        filter_rows(rgb, columns, side).into()
    };
    if rows == side {
        narrow.into_owned()
    } else {
        filter_columns(&narrow, side * RGB, rows, side)
    }
}

/// `[rows, columns, 3]` to `[rows, side, 3]`.
fn filter_rows(rgb: &[u8], columns: usize, side: usize) -> Vec<u8> {
    let kernels = kernels(columns, side);
    let mut narrow = Vec::with_capacity(rgb.len() / columns * side);
    for row in rgb.chunks_exact(columns * RGB) {
        let (row, _) = row.as_chunks::<RGB>();
        for kernel in &kernels {
            let mut sums = [0; RGB];
            for (pixel, weight) in row.iter().skip(kernel.first).zip(&kernel.weights) {
                sums.iter_mut()
                    .zip(pixel)
                    .for_each(|(sum, value)| *sum += i32::from(*value) * weight);
            }
            narrow.extend(sums.map(round));
        }
    }
    narrow
}

/// `[rows, stride]` to `[side, stride]`.
#[inline(always)]
pub(super) fn filter_columns(narrow: &[u8], stride: usize, rows: usize, side: usize) -> Vec<u8> {
    let mut square = vec![0; stride * side];
    for (kernel, target) in kernels(rows, side).iter().zip(square.chunks_exact_mut(stride)) {
        let rows = narrow.get(kernel.first * stride..).unwrap_or_default();
        let (blocks, rest) = target.as_chunks_mut::<BLOCK>();
        for (place, block) in blocks.iter_mut().enumerate() {
            let mut sums = [0; BLOCK];
            for (row, weight) in rows.chunks_exact(stride).zip(&kernel.weights) {
                if let Some(values) = row.get(place * BLOCK..).and_then(<[u8]>::first_chunk::<BLOCK>) {
                    for lane in 0..BLOCK {
                        sums[lane] += i32::from(values[lane]) * weight;
                    }
                }
            }
            *block = sums.map(round);
        }
        let done = stride - rest.len();
        for (column, value) in rest.iter_mut().enumerate() {
            let taps = rows.chunks_exact(stride).zip(&kernel.weights);
            let weighted =
                taps.filter_map(|(row, weight)| Some(i32::from(*row.get(done + column)?) * weight));
            *value = round(weighted.sum());
        }
    }
    square
}
