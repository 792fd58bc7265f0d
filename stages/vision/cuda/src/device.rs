//! The kernels: everything that is not a matrix product. What each computes, and in which order, stands in kernels/.

use crate::error::Fault;
use crate::machine::Machine;
use crate::number::Element;

/// A machine that has the kernels. Rows are those of a matrix, its width the length of one.
pub(crate) trait Device: Machine {
    /// Pictures `[pictures, S, S, 3]` to patches `[pictures * N, padded]`; `levels` are `[3, 256]`.
    fn cut_patches<E: Element>(
        &self,
        pixels: &Self::Array<u8>,
        levels: &Self::Array<f32>,
        cut: Cut,
        out: &mut Self::Array<E>,
    ) -> Result<(), Fault>;

    /// Embedded patches `[pictures * N, D]` to tokens `[pictures, 1 + N, D]`.
    fn embed<E: Element>(
        &self,
        patches: &Self::Array<E>,
        places: &Places<Self>,
        pictures: usize,
        x: &mut Self::Array<f32>,
    ) -> Result<(), Fault>;

    /// Adds `y`, if given, to `x`, and norms that.
    fn add_norm<E: Element>(
        &self,
        x: &mut Self::Array<f32>,
        y: Option<&Self::Array<E>>,
        norm: &Norm<Self>,
        rows: usize,
        out: &mut Self::Array<E>,
    ) -> Result<(), Fault>;

    /// The exact GELU of the first `count` numbers.
    fn gelu<E: Element>(&self, x: &mut Self::Array<E>, count: usize) -> Result<(), Fault>;

    /// The hyperbolic tangent of the first `count` numbers.
    fn tanh<E: Element>(&self, x: &mut Self::Array<E>, count: usize) -> Result<(), Fault>;

    /// Rows of `x`, and of `y` added if given, by their numbers.
    fn take_rows<E: Element>(
        &self,
        x: &Self::Array<f32>,
        y: Option<&Self::Array<E>>,
        numbers: &Self::Array<i32>,
        shape: Shape,
        out: &mut Self::Array<f32>,
    ) -> Result<(), Fault>;

    /// What every query sees.
    fn attend<E: Element>(
        &self,
        attention: &Attention<'_, Self, E>,
        out: &mut Self::Array<E>,
    ) -> Result<(), Fault>;

    /// Replaces the second half of every row by its mean over the picture's `patches` rows.
    fn share_mean(
        &self,
        h: &mut Self::Array<f32>,
        pictures: usize,
        patches: usize,
        width: usize,
    ) -> Result<(), Fault>;

    /// `h` through a last layer of two outputs, and their log-softmax: `[rows, 2]`.
    fn log_probabilities(
        &self,
        h: &Self::Array<f32>,
        choice: &Choice<Self>,
        rows: usize,
        out: &mut Self::Array<f32>,
    ) -> Result<(), Fault>;

    /// `z`, rows `stride` numbers apart, to rows of length one, and the squares of those lengths.
    fn normalise<E: Element>(
        &self,
        z: &Self::Array<E>,
        stride: usize,
        shape: Shape,
        unit: &mut Self::Array<f32>,
        squared: &mut Self::Array<f32>,
    ) -> Result<(), Fault>;

    /// The nearest code of each row, -1 of one that is not finite.
    fn nearest(
        &self,
        unit: &Self::Array<f32>,
        squared: &Self::Array<f32>,
        codes: &Codes<Self>,
        rows: usize,
        out: &mut Self::Array<i32>,
    ) -> Result<(), Fault>;
}

/// How pictures are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub pictures: usize,
    /// S, the side of a picture in pixels.
    pub side: usize,
    /// The side of a patch in pixels.
    pub patch: usize,
    /// The width of a row: 3 channels of a patch's pixels, and zeros.
    pub padded: usize,
}

/// So many rows of this width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub rows: usize,
    pub width: usize,
}

/// What stands before the patches, and what is added by place.
pub(crate) struct Places<M: Machine> {
    /// `[D]`
    pub class_token: M::Array<f32>,
    /// `[1 + N, D]`
    pub positions: M::Array<f32>,
    /// 1 + N
    pub tokens: usize,
    /// D
    pub width: usize,
}

/// LayerNorm.
pub(crate) struct Norm<M: Machine> {
    /// `[width]`
    pub weight: M::Array<f32>,
    /// `[width]`
    pub bias: M::Array<f32>,
    pub width: usize,
    pub eps: f32,
}

/// The selector's last layer.
pub(crate) struct Choice<M: Machine> {
    /// `[2, width]`
    pub weight: M::Array<f32>,
    /// `[2]`
    pub bias: M::Array<f32>,
    pub width: usize,
}

/// A codebook.
pub(crate) struct Codes<M: Machine> {
    /// `[count, width]`
    pub rows: M::Array<f32>,
    /// Their squared lengths, `[count]`.
    pub squared: M::Array<f32>,
    pub count: usize,
    pub width: usize,
}

/// Which keys a query sees: `kept` is [`Attention::kept`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All of them, under the ordinary softmax.
    Everything,
    /// Key j <= query i that is kept, or is i; smoothed.
    Earlier,
    /// Those not kept; smoothed.
    Dropped,
}

/// Rows in an array: columns from `first` on, `stride` numbers from one row to the next.
pub(crate) struct Columns<'a, M: Machine, E: Element> {
    pub array: &'a M::Array<E>,
    pub first: usize,
    pub stride: usize,
}

impl<'a, M: Machine, E: Element> Columns<'a, M, E> {
    /// The matrices of this width that stand side by side in an array.
    pub(crate) fn side_by_side<const N: usize>(array: &'a M::Array<E>, width: usize) -> [Self; N] {
        std::array::from_fn(|number| Self {
            array,
            first: number * width,
            stride: N * width,
        })
    }
}

/// Who attends to whom. Queries and keys of a picture are consecutive rows; a head is `head_dim` columns.
pub(crate) struct Attention<'a, M: Machine, E: Element> {
    pub q: Columns<'a, M, E>,
    /// Of the stride of `v`.
    pub k: Columns<'a, M, E>,
    pub v: Columns<'a, M, E>,
    /// Where each picture's queries begin, and where the last one's end: `[pictures + 1]`.
    pub query_starts: &'a M::Array<i32>,
    /// Likewise of keys.
    pub key_starts: &'a M::Array<i32>,
    /// 1 for each key that is kept, 0 for others; all are without it.
    pub kept: Option<&'a M::Array<u8>>,
    pub sight: Sight,
    pub pictures: usize,
    /// Queries of a picture, at most.
    pub most_queries: usize,
    /// Keys of a picture, at most.
    pub most_keys: usize,
    pub heads: usize,
    pub head_dim: usize,
}

/// The smoothed softmax's epsilon (spec section 4).
pub(crate) const SMOOTHING: f32 = 1e-6;

impl<M: Machine, E: Element> Attention<'_, M, E> {
    pub(crate) const fn smoothing(&self) -> f32 {
        match self.sight {
            Sight::Everything => 0.0,
            Sight::Earlier | Sight::Dropped => SMOOTHING,
        }
    }

    pub(crate) fn scale(&self) -> f32 {
        (self.head_dim as f32).sqrt().recip()
    }
}
