//! Matrix products of prepacked operands.

use std::ops::Range;

use img2tokens_vision::Dtype;

use super::functions::gelu;
use super::isa::{Isa, Kernel};
use super::lanes::{LANES, Lanes};
use super::panels::{DEPTH, Line, PANEL, Panels, round};
use super::view::{View, ViewMut};

/// How far apart rows of the left operand lie once copied: one cache line more than a block of steps, so that they
/// do not fall into one set of the first-level cache.
const STRIDE: usize = DEPTH + LANES;
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

/// `a b`: each element one chain of fused multiply-adds in the order of k, beginning at 0; then the epilogue.
pub(crate) struct Product<'a> {
    /// `[rows, depth]`, rounded to `dtype` on its way.
    pub a: View<'a>,
    pub b: &'a Panels,
    pub dtype: Dtype,
    pub epilogue: Epilogue<'a>,
}

impl Product<'_> {
    /// Writes `[rows, outputs]`; `copy` is room for a copy of `a`'s rows, for reuse.
    pub(crate) fn write(self, isa: Isa, out: ViewMut<'_>, copy: &mut Vec<f32>) {
        debug_assert_eq!(self.a.width(), self.b.depth());
        isa.run(Write {
            product: self,
            out,
            copy,
        });
    }
}

struct Write<'a, 'b> {
    product: Product<'a>,
    out: ViewMut<'b>,
    copy: &'b mut Vec<f32>,
}

impl Kernel for Write<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(mut self) {
        let (rows, depth, panels) = (
            self.product.a.rows(),
            self.product.b.depth(),
            self.product.b.panels(),
        );
        self.copy.resize(self.copy.len().max(rows * STRIDE), 0.0);
        for start in (0..depth).step_by(DEPTH) {
            let steps = start..depth.min(start + DEPTH);
            self.copy_rows(steps.clone());
            for group in (0..panels).step_by(PANELS) {
                for row in (0..rows).step_by(V::TILE_ROWS) {
                    for panel in group..panels.min(group + PANELS) {
                        self.tile::<V>(&steps, row..rows.min(row + V::TILE_ROWS), panel);
                    }
                }
            }
        }
    }
}

impl Write<'_, '_> {
    /// Copies a block of steps of all rows, rounded.
    fn copy_rows(&mut self, steps: Range<usize>) {
        let Product { a, dtype, .. } = self.product;
        for row in 0..a.rows() {
            let copy = &mut self.copy[row * STRIDE..][..steps.len()];
            copy.copy_from_slice(&a.row(row)[steps.clone()]);
            round(copy, dtype);
        }
    }

    /// Some rows of one panel, over a block of steps, and after the last block the epilogue.
    #[inline(always)]
    fn tile<V: Lanes>(&mut self, steps: &Range<usize>, rows: Range<usize>, panel: usize) {
        let (product, stride) = (&self.product, self.out.stride);
        let columns = panel * PANEL..product.b.outputs().min((panel + 1) * PANEL);
        let a = &self.copy[rows.start * STRIDE..];
        let b = product.b.panel(steps.start, panel);
        let out = &mut self.out.values[rows.start * stride + columns.start..];
        let mut tile = Tile {
            a,
            b,
            from_zero: steps.start == 0,
            narrow: columns.len() <= LANES,
        };
        if matches!(columns.len(), LANES | PANEL) {
            tile.rows::<V>(rows.len(), out, stride);
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
            tile.rows::<V>(rows.len(), &mut whole, PANEL);
            for (whole, out) in whole
                .chunks_exact(PANEL)
                .zip(out.chunks_mut(stride))
                .take(rows.len())
            {
                out[..columns.len()].copy_from_slice(&whole[..columns.len()]);
            }
        }
        if steps.end == product.b.depth() {
            for row in rows.clone() {
                let out = &mut out[(row - rows.start) * stride..][..columns.len()];
                product.epilogue.apply::<V>(out, row, columns.clone());
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

/// A tile's operands: rows of `a` lie [`STRIDE`] apart, steps of `b` two lines.
struct Tile<'a> {
    a: &'a [f32],
    b: &'a [Line],
    /// Whether sums begin at 0, and not at what was written before.
    from_zero: bool,
    /// Whether the second line of every step is of no use.
    narrow: bool,
}

impl Tile<'_> {
    /// As many registers as there are rows: their number must be known when compiling.
    #[inline(always)]
    fn rows<V: Lanes>(&mut self, rows: usize, out: &mut [f32], stride: usize) {
        match rows {
            1 => self.panel::<V, 1>(out, stride),
            2 => self.panel::<V, 2>(out, stride),
            3 => self.panel::<V, 3>(out, stride),
            4 => self.panel::<V, 4>(out, stride),
            5 => self.panel::<V, 5>(out, stride),
            6 => self.panel::<V, 6>(out, stride),
            7 => self.panel::<V, 7>(out, stride),
            8 => self.panel::<V, 8>(out, stride),
            9 => self.panel::<V, 9>(out, stride),
            10 => self.panel::<V, 10>(out, stride),
            11 => self.panel::<V, 11>(out, stride),
            12 => self.panel::<V, 12>(out, stride),
            _ => unreachable!("a tile has 1 to 12 rows"),
        }
    }

    #[inline(always)]
    fn panel<V: Lanes, const ROWS: usize>(&mut self, out: &mut [f32], stride: usize) {
        if ROWS > V::TILE_ROWS {
            unreachable!("a tile has no more rows than registers");
        }
        if self.narrow {
            self.vectors::<V, ROWS, 1>(0, out, stride);
        } else if V::TILE_VECTORS == 2 {
            self.vectors::<V, ROWS, 2>(0, out, stride);
        } else {
            self.vectors::<V, ROWS, 1>(0, out, stride);
            self.vectors::<V, ROWS, 1>(1, out, stride);
        }
    }

    /// `COUNT` vectors from the `first` on of each of `ROWS` rows.
    #[expect(
        clippy::needless_range_loop,
        reason = "sums stay in registers where every index is known"
    )]
    #[inline(always)]
    fn vectors<V: Lanes, const ROWS: usize, const COUNT: usize>(
        &mut self,
        first: usize,
        out: &mut [f32],
        stride: usize,
    ) {
        let steps = self.b.len() / 2;
        assert!(first + COUNT <= 2 && self.a.len() >= (ROWS - 1) * STRIDE + steps);
        assert!(out.len() >= (ROWS - 1) * stride + (first + COUNT) * LANES);
        let (a, b, out) = (
            self.a.as_ptr(),
            self.b[first.min(self.b.len())..].as_ptr().cast::<f32>(),
            out[first * LANES..].as_mut_ptr(),
        );
        let mut sums = [[V::splat(0.0); COUNT]; ROWS];
        if !self.from_zero {
            for row in 0..ROWS {
                for vector in 0..COUNT {
                    // SAFETY: within `out`, by its length and `first`.
                    sums[row][vector] = unsafe { V::load(out.add(row * stride + vector * LANES)) };
                }
            }
        }
        for step in 0..steps {
            let mut right = [V::splat(0.0); COUNT];
            for vector in 0..COUNT {
                // SAFETY: within `b`, which has two lines a step.
                right[vector] = unsafe { V::load(b.add(step * PANEL + vector * LANES)) };
            }
            for row in 0..ROWS {
                // SAFETY: within `a`, by its length.
                let left = V::splat(unsafe { *a.add(row * STRIDE + step) });
                for vector in 0..COUNT {
                    sums[row][vector] = left.fma(right[vector], sums[row][vector]);
                }
            }
        }
        for row in 0..ROWS {
            for vector in 0..COUNT {
                // SAFETY: within `out`, by its length and `first`.
                unsafe { sums[row][vector].store(out.add(row * stride + vector * LANES)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers that look random.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let scramble = |at: usize| ((at as u32 ^ seed).wrapping_mul(0x9e37_79b9) ^ (at as u32) << 7) >> 8;
        (0..count)
            .map(|at| scramble(at) as f32 / 8_388_608.0 - 1.0)
            .collect()
    }

    struct Case {
        rows: usize,
        depth: usize,
        outputs: usize,
        a: Vec<f32>,
        b: Vec<f32>,
        bias: Vec<f32>,
        residual: Vec<f32>,
    }

    impl Case {
        fn new(rows: usize, depth: usize, outputs: usize) -> Self {
            Self {
                rows,
                depth,
                outputs,
                a: numbers(rows * (depth + 3), 1),
                b: numbers(outputs * depth, 2),
                bias: numbers(outputs, 3),
                residual: numbers(rows * outputs, 4),
            }
        }

        fn write(&self, isa: Isa, b: &Panels, epilogue: Epilogue<'_>) -> Vec<f32> {
            let product = Product {
                a: View::new(&self.a, self.rows, self.depth, self.depth + 3),
                b,
                dtype: Dtype::F32,
                epilogue,
            };
            let stride = self.outputs + 1;
            let mut out = vec![f32::NAN; self.rows * stride];
            let view = ViewMut {
                values: &mut out,
                stride,
            };
            product.write(isa, view, &mut Vec::new());
            assert!(
                out.iter()
                    .skip(self.outputs)
                    .step_by(stride)
                    .all(|gap| gap.is_nan())
            );
            out.chunks(stride)
                .flat_map(|row| row[..self.outputs].to_vec())
                .collect()
        }

        /// One chain of fused multiply-adds, written down.
        fn chain(&self, row: usize, output: usize) -> f32 {
            let a = &self.a[row * (self.depth + 3)..][..self.depth];
            let b = &self.b[output * self.depth..][..self.depth];
            a.iter().zip(b).fold(0.0, |sum, (a, b)| a.mul_add(*b, sum))
        }
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn a_product_is_the_chain_in_the_order_of_k_on_every_instruction_set(
            rows in 1..40_usize, depth in prop_oneof![1..80_usize, 500..530_usize, Just(1030)], outputs in 1..150_usize,
        ) {
            let case = Case::new(rows, depth, outputs);
            let panels = Panels::of_transposed(View::new(&case.b, outputs, depth, depth), Dtype::F32);
            let expected: Vec<f32> = (0..rows * outputs).map(|at| case.chain(at / outputs, at % outputs)).collect();
            for isa in Isa::vectors().into_iter().chain([Isa::SCALAR]) {
                prop_assert_eq!(bits(&case.write(isa, &panels, Epilogue::default())), bits(&expected));
            }
        }

        #[test]
        fn the_epilogue_is_the_same_on_every_instruction_set(
            rows in 1..30_usize, depth in 1..80_usize, outputs in 1..100_usize, gelu in any::<bool>(),
        ) {
            let case = Case::new(rows, depth, outputs);
            let panels = Panels::of_transposed(View::new(&case.b, outputs, depth, depth), Dtype::F32);
            let epilogue = Epilogue {
                bias: Some(&case.bias),
                gelu,
                residual: Some(View::new(&case.residual, rows, outputs, outputs)),
            };
            let expected = case.write(Isa::SCALAR, &panels, epilogue);
            for isa in Isa::vectors() {
                prop_assert_eq!(bits(&case.write(isa, &panels, epilogue)), bits(&expected));
            }
            if !gelu {
                for (at, found) in expected.iter().enumerate() {
                    let chain = case.chain(at / outputs, at % outputs);
                    prop_assert_eq!(*found, chain + case.bias[at % outputs] + case.residual[at]);
                }
            }
        }

        #[test]
        fn both_ways_of_packing_agree(depth in 1..600_usize, outputs in 1..100_usize) {
            let case = Case::new(3, depth, outputs);
            let across: Vec<f32> = (0..depth * outputs)
                .map(|at| case.b[at % outputs * depth + at / outputs])
                .collect();
            let stored = Panels::of_transposed(View::new(&case.b, outputs, depth, depth), Dtype::F32);
            let mut straight = Panels::of_transposed(View::new(&case.a, 3, 2, 2), Dtype::F32);
            straight.fill(View::new(&across, depth, outputs, outputs), Dtype::F32);
            let write = |panels| case.write(Isa::best(), panels, Epilogue::default());
            prop_assert_eq!(write(&stored), write(&straight));
        }
    }
}
