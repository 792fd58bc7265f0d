//! The block that merger and decoder are made of: self-attention, cross-attention, MLP, a norm before each.

use candle_core::{Result, Tensor};
use img2tokens_vision::{ModelConfig, VisionError};

use crate::attention::Heads;
use crate::encoder::split_qkv;
use crate::layers::{LayerNorm, Linear, Mlp};
use crate::weights::Weights;

/// What both have; they differ in whom a token may see.
pub(crate) struct Block {
    pub(crate) heads: Heads,
    pub(crate) norm0: LayerNorm,
    pub(crate) qkv: Linear,
    pub(crate) self_proj: Linear,
    pub(crate) norm1: LayerNorm,
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) cross_proj: Linear,
    pub(crate) norm2: LayerNorm,
    pub(crate) mlp: Mlp,
}

impl Block {
    /// `attentions`: what the checkpoint calls self-attention and cross-attention; `eps` is that of the norms.
    pub(crate) fn new(
        config: &ModelConfig,
        weights: &Weights<'_>,
        attentions: [&str; 2],
        eps: f32,
    ) -> std::result::Result<Self, VisionError> {
        let d = config.width;
        let [own, cross] = attentions.map(|name| weights.under(name));
        Ok(Self {
            heads: Heads {
                count: config.heads,
                dtype: weights.dtype(),
            },
            norm0: weights.norm("norm0", d, eps)?,
            qkv: own.linear("qkv", 3 * d, d)?,
            self_proj: own.linear("proj", d, d)?,
            norm1: weights.norm("norm1", d, eps)?,
            query: cross.linear("query", d, d)?,
            key: cross.linear("key", d, d)?,
            value: cross.linear("value", d, d)?,
            cross_proj: cross.linear("proj", d, d)?,
            norm2: weights.norm("norm2", d, eps)?,
            mlp: weights.mlp("mlp", d, config.mlp_hidden())?,
        })
    }

    /// `x`: `[rows, D]`, `seen`: what cross-attention looks at, `[others, D]`; `own` and `cross` attend from q to k and v.
    /// Gives the shape of `x`.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        seen: &Tensor,
        own: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>,
        cross: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let [q, k, v] = split_qkv(&self.qkv.forward(&self.norm0.forward(x)?)?)?;
        let x = self.self_proj.forward_onto(x, &own(&q, &k, &v)?)?;
        let q = self.query.forward(&self.norm1.forward(&x)?)?;
        let (k, v) = (self.key.forward(seen)?, self.value.forward(seen)?);
        let x = self.cross_proj.forward_onto(&x, &cross(&q, &k, &v)?)?;
        self.mlp.forward_onto(&x, &self.norm2.forward(&x)?)
    }
}
