//! The token selector: for every patch, how likely it is kept (spec section 3). Float32 whatever the model's dtype.

use candle_core::{D, Result, Tensor};
use img2tokens_vision::{ModelConfig, VisionError};

use crate::layers::{LayerNorm, Linear};
use crate::weights::Weights;

const EPS: f32 = 1e-5;

/// Features to log-probabilities of keeping and dropping.
pub(crate) struct Selector {
    norm: LayerNorm,
    in_conv: Linear,
    out_conv: [Linear; 3],
}

impl Selector {
    pub(crate) fn new(config: &ModelConfig, weights: &Weights<'_>) -> std::result::Result<Self, VisionError> {
        let (d, weights) = (config.width, weights.in_f32());
        let (in_conv, out_conv) = (weights.under("in_conv"), weights.under("out_conv"));
        Ok(Self {
            norm: in_conv.norm("0", d, EPS)?,
            in_conv: in_conv.linear("1", d, d)?,
            out_conv: [
                out_conv.linear("0", d / 2, d)?,
                out_conv.linear("2", d / 4, d / 2)?,
                out_conv.linear("4", 2, d / 4)?,
            ],
        })
    }

    /// `x`: features `[N, D]`; gives `[N, 2]`, class 0 = keep.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Vec<[f32; 2]>> {
        let (patches, d) = x.dims2()?;
        let hidden = self.in_conv.forward_gelu(&self.norm.forward(x)?)?;
        let local = hidden.narrow(1, 0, d / 2)?;
        // [1, D / 2], the same for every patch
        let global = hidden.narrow(1, d / 2, d / 2)?.mean_keepdim(0)?;
        let joined = Tensor::cat(&[&local, &global.broadcast_as((patches, d / 2))?], 1)?;
        let [first, second, third] = &self.out_conv;
        let logits = third.forward(&second.forward_gelu(&first.forward_gelu(&joined)?)?)?;
        let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
        let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
        let flat = shifted.broadcast_sub(&log_sum)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(flat.as_chunks().0.to_vec())
    }
}
