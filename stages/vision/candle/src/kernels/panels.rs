//! A product's right operand, in the order in which the product reads it.

use half::{bf16, f16};
use img2tokens_vision::Dtype;

use super::lanes::LANES;
use super::view::View;

/// Outputs in a panel.
pub(super) const PANEL: usize = 2 * LANES;
/// Steps of k that are computed together: a panel's share, 64 KiB, stays in the second-level cache.
pub(super) const DEPTH: usize = 512;

/// Sixteen numbers in a cache line of their own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; LANES]);

/// A matrix `[depth, outputs]`: for every [`DEPTH`] steps of k, for every [`PANEL`] outputs, for every step, the
/// numbers of those outputs, two lines of them. Outputs are filled up with zeros.
#[derive(Default)]
pub(crate) struct Panels {
    lines: Vec<Line>,
    depth: usize,
    outputs: usize,
}

impl Panels {
    /// From `[outputs, depth]`, as weights are stored.
    pub(crate) fn of_transposed(matrix: View<'_>, dtype: Dtype) -> Self {
        let mut panels = Self::default();
        panels.fill_transposed(matrix, dtype);
        panels
    }

    /// The same, in the place of what was there.
    pub(crate) fn fill_transposed(&mut self, matrix: View<'_>, dtype: Dtype) {
        self.clear(matrix.width(), matrix.rows());
        for start in (0..self.depth).step_by(DEPTH) {
            let steps = start..self.depth.min(start + DEPTH);
            for output in 0..self.outputs {
                let (line, lane) = (output % PANEL / LANES, output % LANES);
                let panel = self.panel_mut(start, output / PANEL);
                let row = &matrix.row(output)[steps.clone()];
                for (pair, value) in panel.chunks_exact_mut(2).zip(row) {
                    pair[line].0[lane] = *value;
                }
            }
        }
        self.round(dtype);
    }

    /// From `[depth, outputs]`, in the place of what was there.
    pub(crate) fn fill(&mut self, matrix: View<'_>, dtype: Dtype) {
        self.clear(matrix.rows(), matrix.width());
        for start in (0..self.depth).step_by(DEPTH) {
            for number in 0..self.panels() {
                let panel = self.panel_mut(start, number);
                for (step, pair) in panel.chunks_exact_mut(2).enumerate() {
                    let row = &matrix.row(start + step)[number * PANEL..];
                    for (line, values) in pair.iter_mut().zip(row.chunks(LANES)) {
                        line.0[..values.len()].copy_from_slice(values);
                    }
                }
            }
        }
        self.round(dtype);
    }

    pub(crate) const fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) const fn outputs(&self) -> usize {
        self.outputs
    }

    pub(super) const fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// The panel of a block of steps: two lines a step.
    pub(super) fn panel(&self, start: usize, number: usize) -> &[Line] {
        let (from, lines) = self.place(start, number);
        &self.lines[from..from + lines]
    }

    fn panel_mut(&mut self, start: usize, number: usize) -> &mut [Line] {
        let (from, lines) = self.place(start, number);
        &mut self.lines[from..from + lines]
    }

    fn place(&self, start: usize, number: usize) -> (usize, usize) {
        let lines = 2 * DEPTH.min(self.depth - start);
        (2 * start * self.panels() + number * lines, lines)
    }

    fn clear(&mut self, depth: usize, outputs: usize) {
        (self.depth, self.outputs) = (depth, outputs);
        self.lines.clear();
        self.lines.resize(2 * depth * self.panels(), Line([0.0; LANES]));
    }

    fn round(&mut self, dtype: Dtype) {
        if dtype != Dtype::F32 {
            self.lines.iter_mut().for_each(|line| round(&mut line.0, dtype));
        }
    }
}

/// Rounds an operand's numbers to the model's dtype.
pub(super) fn round(values: &mut [f32], dtype: Dtype) {
    match dtype {
        Dtype::F32 => {}
        Dtype::Bf16 => values
            .iter_mut()
            .for_each(|value| *value = bf16::from_f32(*value).to_f32()),
        Dtype::F16 => values
            .iter_mut()
            .for_each(|value| *value = f16::from_f32(*value).to_f32()),
    }
}
