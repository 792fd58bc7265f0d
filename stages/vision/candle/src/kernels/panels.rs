//! A product's right operand, in the order in which the product reads it.

use half::f16;
use half::slice::HalfFloatSliceExt;
use img2tokens_vision::Dtype;

use super::format::{Format, pair};
use super::lanes::LANES;
use super::view::View;

/// Outputs in a panel.
pub(super) const PANEL: usize = 2 * LANES;
/// Lanes along k that are computed together: a panel's share, 64 KiB, stays in the second-level cache. A lane holds one
/// step of k, or two of bf16.
pub(super) const DEPTH: usize = 512;

/// Sixteen lanes in a cache line of their own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; LANES]);

impl Line {
    pub(super) const ZERO: Self = Self([0.0; LANES]);
}

/// A matrix `[depth, outputs]`: for every [`DEPTH`] lanes along k, for every [`PANEL`] outputs, for every lane along k,
/// the numbers of those outputs, two lines of them. What does not fill a line or a pair is filled up with zeros.
#[derive(Default)]
pub(crate) struct Panels {
    lines: Lines,
    dtype: Dtype,
    depth: usize,
    outputs: usize,
}

enum Lines {
    /// As the product reads them.
    Ready(Vec<Line>),
    /// In half precision, widened panel by panel when they are used: what comes from memory is half as much.
    Narrow(Vec<[f16; LANES]>),
}

impl Default for Lines {
    fn default() -> Self {
        Self::Ready(Vec::new())
    }
}

impl Panels {
    /// From `[outputs, depth]`, as weights are stored, to be kept: f16 stays as small as it is.
    pub(crate) fn of_weight(matrix: View<'_>, dtype: Dtype) -> Self {
        let mut panels = Self::default();
        panels.fill_transposed(matrix, dtype);
        if let (Dtype::F16, Lines::Ready(lines)) = (dtype, &panels.lines) {
            panels.lines = Lines::Narrow(lines.iter().map(|line| line.0.map(f16::from_f32)).collect());
        }
        panels
    }

    /// From `[outputs, depth]`, in the place of what was there.
    pub(crate) fn fill_transposed(&mut self, matrix: View<'_>, dtype: Dtype) {
        let lanes = self.clear(matrix.width(), matrix.rows(), dtype);
        let (format, panels, outputs) = (self.format(), self.panels(), self.outputs);
        let lines = self.ready();
        for start in (0..lanes).step_by(DEPTH) {
            let count = DEPTH.min(lanes - start);
            for output in 0..outputs {
                let (line, lane) = (output % PANEL / LANES, output % LANES);
                let from = 2 * start * panels + output / PANEL * 2 * count;
                let panel = &mut lines[from..from + 2 * count];
                let row = &matrix.row(output)[start * format.steps()..];
                match format {
                    Format::Single => {
                        for (pair, value) in panel.chunks_exact_mut(2).zip(row) {
                            pair[line].0[lane] = *value;
                        }
                    }
                    Format::Pairs => {
                        for (lines, steps) in panel.chunks_exact_mut(2).zip(row.chunks(2)) {
                            lines[line].0[lane] = pair(steps[0], steps.get(1).copied().unwrap_or(0.0));
                        }
                    }
                }
            }
        }
        self.round();
    }

    /// From `[depth, outputs]`, in the place of what was there.
    pub(crate) fn fill(&mut self, matrix: View<'_>, dtype: Dtype) {
        let lanes = self.clear(matrix.rows(), matrix.width(), dtype);
        let (format, panels, depth) = (self.format(), self.panels(), self.depth);
        let lines = self.ready();
        for start in (0..lanes).step_by(DEPTH) {
            let count = DEPTH.min(lanes - start);
            for (number, panel) in lines[2 * start * panels..][..2 * count * panels]
                .chunks_exact_mut(2 * count)
                .enumerate()
            {
                for (lane, lines) in panel.chunks_exact_mut(2).enumerate() {
                    let step = (start + lane) * format.steps();
                    let even = &matrix.row(step)[number * PANEL..];
                    match format {
                        Format::Single => {
                            for (line, values) in lines.iter_mut().zip(even.chunks(LANES)) {
                                line.0[..values.len()].copy_from_slice(values);
                            }
                        }
                        Format::Pairs => {
                            let odd = if step + 1 < depth {
                                &matrix.row(step + 1)[number * PANEL..]
                            } else {
                                &[]
                            };
                            fill_pairs(lines, even, odd);
                        }
                    }
                }
            }
        }
        self.round();
    }

    pub(crate) const fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) const fn outputs(&self) -> usize {
        self.outputs
    }

    /// What the left operand is rounded to as well.
    pub(super) const fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub(super) const fn format(&self) -> Format {
        Format::of(self.dtype)
    }

    pub(super) const fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// Lanes along k.
    pub(super) const fn lanes(&self) -> usize {
        self.depth.div_ceil(self.format().steps())
    }

    /// Some panels of a block of lanes, two lines a lane; `widened` is room for reuse.
    pub(super) fn group<'a>(
        &'a self,
        start: usize,
        panels: std::ops::Range<usize>,
        widened: &'a mut Vec<Line>,
    ) -> &'a [Line] {
        let lines = 2 * DEPTH.min(self.lanes() - start);
        let from = 2 * start * self.panels() + panels.start * lines;
        let range = from..from + panels.len() * lines;
        match &self.lines {
            Lines::Ready(lines) => &lines[range],
            Lines::Narrow(lines) => {
                widened.resize(range.len(), Line::ZERO);
                for (wide, narrow) in widened.iter_mut().zip(&lines[range]) {
                    narrow.convert_to_f32_slice(&mut wide.0);
                }
                widened
            }
        }
    }

    /// Gives the number of lanes along k.
    fn clear(&mut self, depth: usize, outputs: usize, dtype: Dtype) -> usize {
        (self.depth, self.outputs, self.dtype) = (depth, outputs, dtype);
        let (lanes, panels) = (self.lanes(), self.panels());
        let lines = self.ready();
        lines.clear();
        lines.resize(2 * lanes * panels, Line::ZERO);
        lanes
    }

    fn ready(&mut self) -> &mut Vec<Line> {
        if let Lines::Narrow(_) = self.lines {
            self.lines = Lines::default();
        }
        match &mut self.lines {
            Lines::Ready(lines) => lines,
            Lines::Narrow(_) => unreachable!("they were replaced"),
        }
    }

    fn round(&mut self) {
        if self.dtype == Dtype::F16 {
            for value in self.ready().iter_mut().flat_map(|line| &mut line.0) {
                *value = f16::from_f32(*value).to_f32();
            }
        }
    }
}

/// Two rows of `[depth, outputs]`, number by number; after the last row comes an empty one.
fn fill_pairs(lines: &mut [Line], even: &[f32], odd: &[f32]) {
    let number = |row: &[f32], at: usize| row.get(at).copied().unwrap_or(0.0);
    for (at, lane) in lines.iter_mut().flat_map(|line| &mut line.0).enumerate() {
        *lane = pair(number(even, at), number(odd, at));
    }
}
