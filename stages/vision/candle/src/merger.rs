//! The token merger over every patch, as the published code computes it (spec section 4).

use candle_core::{Device, Result, Tensor};
use img2tokens_schemas::KeepMask;
use img2tokens_vision::{ModelConfig, VisionError};

use crate::block::Block;
use crate::layers::LayerNorm;
use crate::weights::Weights;

const EPS: f32 = 1e-5;
/// Causal self-attention, cross-attention to dropped patches.
const ATTENTIONS: [&str; 2] = ["token_causal_attn", "token_cross_attn"];

/// Puts what dropped patches hold into the kept ones.
pub(crate) struct Merger {
    pub(crate) ln_vision: LayerNorm,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: LayerNorm,
}

impl Merger {
    pub(crate) fn new(config: &ModelConfig, weights: &Weights<'_>) -> std::result::Result<Self, VisionError> {
        Ok(Self {
            ln_vision: weights.norm("ln_vision", config.width, EPS)?,
            blocks: (0..config.merger_depth)
                .map(|block| Block::new(config, &weights.under("blocks").under(block), ATTENTIONS, EPS))
                .collect::<std::result::Result<_, _>>()?,
            norm: weights.norm("norm", config.width, EPS)?,
        })
    }

    /// `x`: features `[N, D]`; gives the merged ones of every patch, `[N, D]`. Only those of kept patches mean
    /// anything.
    pub(crate) fn forward(&self, x: &Tensor, kept: &KeepMask) -> Result<Tensor> {
        let origin = self.ln_vision.forward(x)?;
        let (causal, dropped) = (causal_mask(kept)?, dropped_mask(kept)?);
        let mut x = x.clone();
        for block in &self.blocks {
            let own = |q: &Tensor, k: &Tensor, v: &Tensor| block.heads.smoothed(q, k, v, &causal);
            let cross = |q: &Tensor, k: &Tensor, v: &Tensor| block.heads.smoothed(q, k, v, &dropped);
            x = block.forward(&x, &origin, own, cross)?;
        }
        self.norm.forward(&x)
    }
}

/// 1 where token i may see key j: `j <= i`, and j is kept or is i. `[N, N]`
fn causal_mask(kept: &KeepMask) -> Result<Tensor> {
    let n = kept.patches();
    let allowed = |i: usize, j: usize| j <= i && (kept.is_kept(j) || j == i);
    let mask = (0..n * n)
        .map(|at| f32::from(u8::from(allowed(at / n, at % n))))
        .collect();
    Tensor::from_vec(mask, (n, n), &Device::Cpu)
}

/// 1 where key j is dropped. `[1, N]`
pub(crate) fn dropped_mask(kept: &KeepMask) -> Result<Tensor> {
    let n = kept.patches();
    let mask = (0..n).map(|j| f32::from(u8::from(!kept.is_kept(j)))).collect();
    Tensor::from_vec(mask, (1, n), &Device::Cpu)
}
