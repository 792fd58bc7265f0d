//! Multi-head attention, plain and smoothed.

use candle_core::{D, Result, Tensor};
use img2tokens_vision::Dtype;

use crate::layers::operand;

/// The smoothed softmax's epsilon (spec section 4).
pub(crate) const SMOOTHING: f64 = 1e-6;

/// How attention is cut into heads, and the dtype of its products.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub count: usize,
    pub dtype: Dtype,
}

impl Heads {
    /// `[rows, count * head_dim]` to `[count, rows, head_dim]`.
    fn split(self, x: &Tensor) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        x.reshape((rows, self.count, width / self.count))?
            .transpose(0, 1)?
            .contiguous()
    }

    /// `[count, rows, head_dim]` to `[rows, count * head_dim]`.
    fn join(self, x: &Tensor) -> Result<Tensor> {
        let (count, rows, head_dim) = x.dims3()?;
        x.transpose(0, 1)?.reshape((rows, count * head_dim))
    }

    /// `q k^T / sqrt(head_dim)`: `[count, queries, keys]`.
    fn scores(self, q: &Tensor, k: &Tensor) -> Result<Tensor> {
        let scale = ((q.dim(1)? / self.count) as f64).powf(-0.5);
        let (q, k) = (self.split(&(q * scale)?)?, self.split(k)?);
        operand(&q, self.dtype)?.matmul(&operand(&k, self.dtype)?.t()?)
    }

    /// `weights`: `[count, queries, keys]`, `v`: `[keys, width]`; gives `[queries, width]`.
    fn mix(self, weights: &Tensor, v: &Tensor) -> Result<Tensor> {
        let v = operand(&self.split(v)?, self.dtype)?;
        self.join(&operand(weights, self.dtype)?.matmul(&v)?)
    }

    /// Attention under the ordinary softmax: every query sees every key.
    pub(crate) fn softmax(self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let scores = self.scores(q, k)?;
        let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let weights = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?;
        self.mix(&weights, v)
    }

    /// Attention under the smoothed, masked softmax: `allowed` is `[queries, keys]` of 0 and 1, and forbidden keys
    /// keep a weight of about eps / keys. The maximum is that of all keys.
    pub(crate) fn smoothed(self, q: &Tensor, k: &Tensor, v: &Tensor, allowed: &Tensor) -> Result<Tensor> {
        let (exp, sum) = self.allowed_exp(q, k, allowed)?;
        let weights = (exp + SMOOTHING / k.dim(0)? as f64)?.broadcast_div(&(sum + SMOOTHING)?)?;
        self.mix(&weights, v)
    }

    /// The same where the values of forbidden keys are not at hand: `v` and `visible` are those of the allowed keys,
    /// and `mean` `[1, width]` stands for the mean value of all of them, which is all that the smoothing needs.
    pub(crate) fn smoothed_by_mean(
        self,
        q: &Tensor,
        k: &Tensor,
        allowed: &Tensor,
        values: &MeanValues<'_>,
    ) -> Result<Tensor> {
        let (exp, sum) = self.allowed_exp(q, k, allowed)?;
        let total = (sum + SMOOTHING)?;
        // [count, queries, 1] x [count, 1, head_dim]: every query's share of the mean
        let share = (total.recip()? * SMOOTHING)?.broadcast_matmul(&self.split(values.mean)?)?;
        let share = self.join(&share)?;
        if values.of_allowed.dim(0)? == 0 {
            return Ok(share);
        }
        let weights = exp
            .broadcast_div(&total)?
            .index_select(values.allowed_keys, D::Minus1)?;
        self.mix(&weights, values.of_allowed)? + share
    }

    /// `exp(scores - max)` where allowed and 0 elsewhere, and its sum over keys.
    fn allowed_exp(self, q: &Tensor, k: &Tensor, allowed: &Tensor) -> Result<(Tensor, Tensor)> {
        let scores = self.scores(q, k)?;
        let exp = scores
            .broadcast_sub(&scores.max_keepdim(D::Minus1)?)?
            .exp()?
            .broadcast_mul(allowed)?;
        let sum = exp.sum_keepdim(D::Minus1)?;
        Ok((exp, sum))
    }
}

/// The values of those keys that some query may see, and the mean over all keys.
pub(crate) struct MeanValues<'a> {
    /// `[allowed keys, width]`
    pub of_allowed: &'a Tensor,
    /// `[allowed keys]`: which keys they belong to.
    pub allowed_keys: &'a Tensor,
    /// `[1, width]`
    pub mean: &'a Tensor,
}
