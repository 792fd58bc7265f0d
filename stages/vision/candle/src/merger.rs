//! The token merger over every patch, as the published code computes it (spec section 4).

use candle_core::{Device, Result, Tensor};
use img2tokens_schemas::KeepMask;
use img2tokens_vision::{ModelConfig, VisionError};

use crate::attention::Heads;
use crate::encoder::split_qkv;
use crate::layers::{LayerNorm, Linear, Mlp};
use crate::weights::Weights;

const EPS: f32 = 1e-5;

/// Puts what dropped patches hold into the kept ones.
pub(crate) struct Merger {
    pub(crate) ln_vision: LayerNorm,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: LayerNorm,
}

/// Causal self-attention, cross-attention to dropped patches, MLP.
pub(crate) struct Block {
    pub(crate) heads: Heads,
    pub(crate) norm0: LayerNorm,
    pub(crate) causal_qkv: Linear,
    pub(crate) causal_proj: Linear,
    pub(crate) norm1: LayerNorm,
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) cross_proj: Linear,
    pub(crate) norm2: LayerNorm,
    pub(crate) mlp: Mlp,
}

impl Merger {
    pub(crate) fn new(config: &ModelConfig, weights: &Weights<'_>) -> std::result::Result<Self, VisionError> {
        Ok(Self {
            ln_vision: weights.norm("ln_vision", config.width, EPS)?,
            blocks: (0..config.merger_depth)
                .map(|block| Block::new(config, &weights.under("blocks").under(block)))
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
            x = block.forward(&x, &origin, &causal, &dropped)?;
        }
        self.norm.forward(&x)
    }
}

impl Block {
    fn new(config: &ModelConfig, weights: &Weights<'_>) -> std::result::Result<Self, VisionError> {
        let d = config.width;
        let (causal, cross) = (
            weights.under("token_causal_attn"),
            weights.under("token_cross_attn"),
        );
        Ok(Self {
            heads: Heads {
                count: config.heads,
                dtype: weights.dtype(),
            },
            norm0: weights.norm("norm0", d, EPS)?,
            causal_qkv: causal.linear("qkv", 3 * d, d)?,
            causal_proj: causal.linear("proj", d, d)?,
            norm1: weights.norm("norm1", d, EPS)?,
            query: cross.linear("query", d, d)?,
            key: cross.linear("key", d, d)?,
            value: cross.linear("value", d, d)?,
            cross_proj: cross.linear("proj", d, d)?,
            norm2: weights.norm("norm2", d, EPS)?,
            mlp: weights.mlp("mlp", d, config.mlp_hidden())?,
        })
    }

    /// `x`, `origin`: `[N, D]`; masks: `[N, N]` and `[1, N]`.
    fn forward(&self, x: &Tensor, origin: &Tensor, causal: &Tensor, dropped: &Tensor) -> Result<Tensor> {
        let [q, k, v] = split_qkv(&self.causal_qkv.forward(&self.norm0.forward(x)?)?)?;
        let seen = self.heads.smoothed(&q, &k, &v, causal)?;
        let x = self.causal_proj.forward_onto(x, &seen)?;
        let q = self.query.forward(&self.norm1.forward(&x)?)?;
        let (k, v) = (self.key.forward(origin)?, self.value.forward(origin)?);
        let seen = self.heads.smoothed(&q, &k, &v, dropped)?;
        let x = self.cross_proj.forward_onto(&x, &seen)?;
        self.mlp.forward_onto(&x, &self.norm2.forward(&x)?)
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
