//! Both passes in plain code, for any machine.

use super::kernel::kernels;
use super::{RGB, Task, both_passes, round};

pub(super) fn resize(task: Task<'_>) -> Vec<u8> {
    both_passes(
        task,
        |rgb| filter_rows(rgb, task.columns, task.side),
        |narrow| filter_columns(narrow, task.side * RGB, task.rows, task.side),
    )
}

/// `[rows, columns, 3]` to `[rows, side, 3]`.
pub(super) fn filter_rows(rgb: &[u8], columns: usize, side: usize) -> Vec<u8> {
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
    let mut sums = vec![0; stride];
    for (kernel, target) in kernels(rows, side).iter().zip(square.chunks_exact_mut(stride)) {
        // Loops over whole rows: the form in which compilers spread code over vector registers most surely.
        sums.fill(0);
        let rows = narrow.get(kernel.first * stride..).unwrap_or_default();
        for (row, weight) in rows.chunks_exact(stride).zip(&kernel.weights) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += i32::from(*value) * weight;
            }
        }
        for (value, sum) in target.iter_mut().zip(&sums) {
            *value = round(*sum);
        }
    }
    square
}
