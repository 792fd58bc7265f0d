//! Matrices as they lie in others: rows at a stride.

use std::ops::Range;

/// A matrix of `rows` by `width`, row-major, a row beginning every `stride` numbers.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    values: &'a [f32],
    rows: usize,
    width: usize,
    stride: usize,
}

impl<'a> View<'a> {
    /// Numbers whose rows lie `stride` apart; `stride` is at least `width`.
    pub(crate) const fn new(values: &'a [f32], rows: usize, width: usize, stride: usize) -> Self {
        Self {
            values,
            rows,
            width,
            stride,
        }
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.stride..][..self.width]
    }

    /// Some of the columns.
    pub(crate) fn columns(&self, columns: Range<usize>) -> Self {
        Self {
            values: &self.values[columns.start..],
            width: columns.len(),
            ..*self
        }
    }
}

/// Where a matrix is to be written: rows at a stride.
pub(crate) struct ViewMut<'a> {
    pub values: &'a mut [f32],
    pub stride: usize,
}
