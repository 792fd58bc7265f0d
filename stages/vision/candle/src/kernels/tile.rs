//! The inner loop of a product: some rows of one panel, their sums in registers.

use super::format::Format;
use super::lanes::{LANES, Lanes};
use super::panels::{DEPTH, Line, PANEL};

/// How far apart rows of the left operand lie once copied: one cache line more than a block of lanes, so that they
/// do not fall into one set of the first-level cache.
pub(super) const STRIDE: usize = DEPTH + LANES;

/// A tile's operands: rows of `a` lie [`STRIDE`] apart, lanes along k of `b` two lines.
pub(super) struct Tile<'a> {
    pub a: &'a [f32],
    pub b: &'a [Line],
    pub format: Format,
    /// Whether sums begin at 0, and not at what was written before.
    pub from_zero: bool,
    /// Whether the second line of every lane along k is of no use.
    pub narrow: bool,
}

impl Tile<'_> {
    /// As many registers as there are rows: their number must be known when compiling.
    #[inline(always)]
    pub(super) fn write<V: Lanes>(&self, rows: usize, out: &mut [f32], stride: usize) {
        match self.format {
            Format::Single => self.rows::<V, false>(rows, out, stride),
            Format::Pairs => self.rows::<V, true>(rows, out, stride),
        }
    }

    #[inline(always)]
    fn rows<V: Lanes, const PAIRS: bool>(&self, rows: usize, out: &mut [f32], stride: usize) {
        match rows {
            1 => self.panel::<V, PAIRS, 1>(out, stride),
            2 => self.panel::<V, PAIRS, 2>(out, stride),
            3 => self.panel::<V, PAIRS, 3>(out, stride),
            4 => self.panel::<V, PAIRS, 4>(out, stride),
            5 => self.panel::<V, PAIRS, 5>(out, stride),
            6 => self.panel::<V, PAIRS, 6>(out, stride),
            7 => self.panel::<V, PAIRS, 7>(out, stride),
            8 => self.panel::<V, PAIRS, 8>(out, stride),
            9 => self.panel::<V, PAIRS, 9>(out, stride),
            10 => self.panel::<V, PAIRS, 10>(out, stride),
            11 => self.panel::<V, PAIRS, 11>(out, stride),
            12 => self.panel::<V, PAIRS, 12>(out, stride),
            _ => unreachable!("a tile has 1 to 12 rows"),
        }
    }

    #[inline(always)]
    fn panel<V: Lanes, const PAIRS: bool, const ROWS: usize>(&self, out: &mut [f32], stride: usize) {
        if ROWS > V::TILE_ROWS {
            unreachable!("a tile has no more rows than registers");
        }
        if self.narrow {
            self.vectors::<V, PAIRS, ROWS, 1>(0, out, stride);
        } else if V::TILE_VECTORS == 2 {
            self.vectors::<V, PAIRS, ROWS, 2>(0, out, stride);
        } else {
            self.vectors::<V, PAIRS, ROWS, 1>(0, out, stride);
            self.vectors::<V, PAIRS, ROWS, 1>(1, out, stride);
        }
    }

    /// `COUNT` vectors from the `first` on of each of `ROWS` rows.
    #[expect(
        clippy::needless_range_loop,
        reason = "sums stay in registers where every index is known"
    )]
    #[inline(always)]
    fn vectors<V: Lanes, const PAIRS: bool, const ROWS: usize, const COUNT: usize>(
        &self,
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
                    let sum = sums[row][vector];
                    sums[row][vector] = if PAIRS {
                        left.dot_pairs(right[vector], sum)
                    } else {
                        left.fma(right[vector], sum)
                    };
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
