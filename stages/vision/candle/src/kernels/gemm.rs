//! Matrix products of prepacked operands.

use std::ops::Range;

use super::format::pack;
use super::functions::gelu;
use super::isa::{Isa, Kernel};
use super::lanes::{LANES, Lanes};
use super::panels::{DEPTH, Line, PANEL, Panels};
use super::tile::{STRIDE, Tile};
use super::view::{View, ViewMut};

/// Panels that all rows are computed with before the next ones: 256 KiB, half of a small second-level cache.
const PANELS: usize = 4;

/// What follows a product, in this order.
#[derive(Default, Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// Added to every row, `[outputs]`.
    pub bias: Option<&'a [f32]>,
    pub gelu: bool,
    /// Added at last, `[rows, outputs]`.
    pub residual: Option<View<'a>>,
}

/// `a b`: each element one chain of fused multiply-adds, beginning at 0, in the order of k (of bf16 in pairs, the odd
/// step before the even one); then the epilogue.
pub(crate) struct Product<'a> {
    /// `[rows, depth]`, rounded to the dtype of `b` on its way.
    pub a: View<'a>,
    pub b: &'a Panels,
    pub epilogue: Epilogue<'a>,
}

/// Room that products need, for reuse.
#[derive(Default)]
pub(crate) struct Scratch {
    /// A block of lanes of all rows of the left operand.
    copy: Vec<f32>,
    /// Some panels of the right one, widened.
    widened: Vec<Line>,
}

impl Product<'_> {
    /// Writes `[rows, outputs]`.
    pub(crate) fn write(self, isa: Isa, out: ViewMut<'_>, scratch: &mut Scratch) {
        debug_assert_eq!(self.a.width(), self.b.depth());
        isa.run(Write {
            product: self,
            out,
            scratch,
        });
    }
}

struct Write<'a, 'b> {
    product: Product<'a>,
    out: ViewMut<'b>,
    scratch: &'b mut Scratch,
}

impl Kernel for Write<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self {
            product,
            mut out,
            scratch: Scratch { copy, widened },
        } = self;
        let (rows, lanes, panels) = (product.a.rows(), product.b.lanes(), product.b.panels());
        copy.resize(copy.len().max(rows * STRIDE), 0.0);
        for start in (0..lanes).step_by(DEPTH) {
            let block = Block {
                product: &product,
                lanes: start..lanes.min(start + DEPTH),
                last: start + DEPTH >= lanes,
            };
            block.copy_rows::<V>(copy);
            for first in (0..panels).step_by(PANELS) {
                let group = first..panels.min(first + PANELS);
                let lines = product.b.group(start, group.clone(), widened);
                for row in (0..rows).step_by(V::TILE_ROWS) {
                    let tile_rows = row..rows.min(row + V::TILE_ROWS);
                    for (panel, b) in group.clone().zip(lines.chunks_exact(2 * block.lanes.len())) {
                        block.tile::<V>(&copy[row * STRIDE..], b, tile_rows.clone(), panel, &mut out);
                    }
                }
            }
        }
    }
}

/// Some lanes along k.
struct Block<'a, 'b> {
    product: &'b Product<'a>,
    lanes: Range<usize>,
    last: bool,
}

impl Block<'_, '_> {
    /// Copies this block of all rows of the left operand, rounded.
    #[inline(always)]
    fn copy_rows<V: Lanes>(&self, copy: &mut [f32]) {
        let (a, steps) = (self.product.a, self.product.b.format().steps());
        let steps = self.lanes.start * steps..a.width().min(self.lanes.end * steps);
        for row in 0..a.rows() {
            let lanes = &mut copy[row * STRIDE..][..self.lanes.len()];
            pack::<V>(&a.row(row)[steps.clone()], self.product.b.dtype(), lanes);
        }
    }

    /// Some rows of one panel, and after the last block the epilogue.
    #[inline(always)]
    fn tile<V: Lanes>(&self, a: &[f32], b: &[Line], rows: Range<usize>, panel: usize, out: &mut ViewMut<'_>) {
        let stride = out.stride;
        let columns = panel * PANEL..self.product.b.outputs().min((panel + 1) * PANEL);
        let out = &mut out.values[rows.start * stride + columns.start..];
        let tile = Tile {
            a,
            b,
            format: self.product.b.format(),
            from_zero: self.lanes.start == 0,
            narrow: columns.len() <= LANES,
        };
        if matches!(columns.len(), LANES | PANEL) {
            tile.write::<V>(rows.len(), out, stride);
        } else {
            // The panel's zeros have no place in the output: a whole tile is computed beside it.
            let mut whole = [0.0; 12 * PANEL];
            for (whole, out) in whole
                .chunks_exact_mut(PANEL)
                .zip(out.chunks(stride))
                .take(rows.len())
            {
                whole[..columns.len()].copy_from_slice(&out[..columns.len()]);
            }
            tile.write::<V>(rows.len(), &mut whole, PANEL);
            for (whole, out) in whole
                .chunks_exact(PANEL)
                .zip(out.chunks_mut(stride))
                .take(rows.len())
            {
                out[..columns.len()].copy_from_slice(&whole[..columns.len()]);
            }
        }
        if self.last {
            for row in rows.clone() {
                let out = &mut out[(row - rows.start) * stride..][..columns.len()];
                self.product.epilogue.apply::<V>(out, row, columns.clone());
            }
        }
    }
}

impl Epilogue<'_> {
    /// To one row of a tile.
    #[inline(always)]
    fn apply<V: Lanes>(&self, out: &mut [f32], row: usize, columns: Range<usize>) {
        let mut at = 0;
        while at < out.len() {
            let column = columns.start + at;
            let mut x = V::load_or(&out[at..], 0.0);
            if let Some(bias) = self.bias {
                x = x.add(V::load_or(&bias[column..], 0.0));
            }
            if self.gelu {
                x = gelu(x);
            }
            if let Some(residual) = self.residual {
                x = x.add(V::load_or(&residual.row(row)[column..], 0.0));
            }
            let end = out.len().min(at + LANES);
            x.store_within(&mut out[at..end]);
            at = end;
        }
    }
}

#[cfg(test)]
mod tests;
