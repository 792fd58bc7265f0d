//! Multi-head attention, plain and smoothed: a head at a time, some queries at a time, so that scores stay in cache.

use candle_core::{Device, Result, Tensor, bail};
use img2tokens_vision::Dtype;

use crate::kernels::{Epilogue, Isa, Panels, Product, Scratch, SoftmaxRow, View, ViewMut};
use crate::rows::Rows;

/// The smoothed softmax's epsilon (spec section 4).
pub(crate) const SMOOTHING: f32 = 1e-6;
/// Queries whose scores are held at once: whole tiles of every instruction set.
const QUERIES: usize = 48;

/// How attention is cut into heads, and the dtype of its products.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub count: usize,
    pub dtype: Dtype,
}

impl Heads {
    /// Attention under the ordinary softmax: every query sees every key.
    pub(crate) fn softmax(self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let isa = Isa::best();
        self.attend(q, k, v, |_, scores| {
            isa.run(SoftmaxRow {
                scores,
                allowed: None,
                shift: 0.0,
                smoothing: 0.0,
            });
        })
    }

    /// Attention under the smoothed, masked softmax: `allowed` is `[queries, keys]` (or `[1, keys]`, the same for all)
    /// of 0 and 1, and forbidden keys keep a weight of about eps / keys. The maximum is that of all keys.
    pub(crate) fn smoothed(self, q: &Tensor, k: &Tensor, v: &Tensor, allowed: &Tensor) -> Result<Tensor> {
        let isa = Isa::best();
        let allowed = Rows::of(allowed);
        let allowed = mask(allowed.view()?, q, k)?;
        let shift = SMOOTHING / k.dim(0)? as f32;
        self.attend(q, k, v, |query, scores| {
            isa.run(SoftmaxRow {
                scores,
                allowed: Some(allowed(query)),
                shift,
                smoothing: SMOOTHING,
            });
        })
    }

    /// The same where the values of forbidden keys are not at hand, but only the mean value of all keys, which is all
    /// that the smoothing needs.
    pub(crate) fn smoothed_by_mean(
        self,
        q: &Tensor,
        k: &Tensor,
        allowed: &Tensor,
        values: &MeanValues<'_>,
    ) -> Result<Tensor> {
        let isa = Isa::best();
        let allowed = Rows::of(allowed);
        let allowed = mask(allowed.view()?, q, k)?;
        let keys = values.allowed_keys;
        self.attend(q, k, values.of_allowed_and_mean, |query, scores| {
            let divisor = isa.run(SoftmaxRow {
                scores,
                allowed: Some(allowed(query)),
                shift: 0.0,
                smoothing: SMOOTHING,
            });
            // Keys ascend: no weight is overwritten before it is moved.
            for (to, from) in keys.iter().enumerate() {
                scores[to] = scores[*from];
            }
            scores[keys.len()] = SMOOTHING / divisor;
        })
    }

    /// `weigh` turns the scores of a query, by its number, into the weights of `v`'s rows, of which there are no more
    /// than keys. `q`: `[queries, count * head_dim]`; `k`, `v` likewise; gives the shape of `q`.
    fn attend(self, q: &Tensor, k: &Tensor, v: &Tensor, weigh: impl Fn(usize, &mut [f32])) -> Result<Tensor> {
        let (q, k, v) = (Rows::of(q), Rows::of(k), Rows::of(v));
        let (q, k, v) = (q.view()?, k.view()?, v.view()?);
        let (queries, width) = (q.rows(), q.width());
        if k.width() != width || v.width() != width || v.rows() > k.rows() {
            bail!("queries, keys and values do not fit each other");
        }
        let head_dim = width / self.count;
        let mut head = Head {
            keys: Panels::default(),
            values: Panels::default(),
            scale: (head_dim as f32).sqrt().recip(),
            queries: Vec::new(),
            scores: Vec::new(),
            scratch: Scratch::default(),
        };
        let mut out = vec![0.0; queries * width];
        for number in 0..self.count {
            let columns = number * head_dim..(number + 1) * head_dim;
            head.keys.fill_transposed(k.columns(columns.clone()), self.dtype);
            head.values.fill(v.columns(columns.clone()), self.dtype);
            let q = q.columns(columns.clone());
            for first in (0..queries).step_by(QUERIES) {
                let out = ViewMut {
                    values: &mut out[first * width + columns.start..],
                    stride: width,
                };
                let rows = QUERIES.min(queries - first);
                head.attend(q, first..first + rows, out, &weigh);
            }
        }
        Tensor::from_vec(out, (queries, width), &Device::Cpu)
    }
}

/// One head: its keys and values, and room for some queries.
struct Head {
    keys: Panels,
    values: Panels,
    scale: f32,
    /// `[rows, head_dim]`, scaled.
    queries: Vec<f32>,
    /// `[rows, keys]`
    scores: Vec<f32>,
    scratch: Scratch,
}

impl Head {
    /// Writes what some of the queries `q` see.
    fn attend(
        &mut self,
        q: View<'_>,
        some: std::ops::Range<usize>,
        out: ViewMut<'_>,
        weigh: impl Fn(usize, &mut [f32]),
    ) {
        let (rows, keys, isa) = (some.len(), self.keys.outputs(), Isa::best());
        self.queries.clear();
        for query in some.clone() {
            let scaled = q.row(query).iter().map(|value| value * self.scale);
            self.queries.extend(scaled);
        }
        self.scores.resize(rows * keys, 0.0);
        let product = Product {
            a: View::new(&self.queries, rows, q.width(), q.width()),
            b: &self.keys,
            epilogue: Epilogue::default(),
        };
        let scores = ViewMut {
            values: &mut self.scores,
            stride: keys,
        };
        product.write(isa, scores, &mut self.scratch);
        for (query, scores) in some.zip(self.scores.chunks_exact_mut(keys)) {
            weigh(query, scores);
        }
        let product = Product {
            a: View::new(&self.scores, rows, self.values.depth(), keys),
            b: &self.values,
            epilogue: Epilogue::default(),
        };
        product.write(isa, out, &mut self.scratch);
    }
}

/// The values of those keys that some query may see, and the mean over all keys.
pub(crate) struct MeanValues<'a> {
    /// `[allowed keys + 1, width]`, the mean the last; fewer than all keys are allowed.
    pub of_allowed_and_mean: &'a Tensor,
    /// Which keys are allowed, ascending.
    pub allowed_keys: &'a [usize],
}

/// A mask's row by the number of the query.
fn mask<'a>(allowed: View<'a>, q: &Tensor, k: &Tensor) -> Result<impl Fn(usize) -> &'a [f32]> {
    let (rows, queries) = (allowed.rows(), q.dim(0)?);
    if allowed.width() != k.dim(0)? || rows != 1 && rows != queries {
        bail!("a mask of {rows} rows for {queries} queries");
    }
    Ok(move |query: usize| allowed.row(query % rows))
}
