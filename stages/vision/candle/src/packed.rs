//! The token merger over kept patches only.
//!
//! Dropped patches reach a kept one through cross-attention, whose keys and values come from the features, not from
//! the blocks before: so a dropped patch need not pass through the blocks at all. What remains of it there is the
//! smoothing of self-attention, about 1e-6 of the mean value of all patches, for which the mean over the kept ones
//! stands in, and the maximum that scores are reduced by, likewise taken over kept keys. Cross-attention is exact: its
//! maximum is over all keys, and its smoothing the mean value of all.

use candle_core::{Device, Result, Tensor};
use img2tokens_schemas::KeepMask;

use crate::attention::MeanValues;
use crate::encoder::split_qkv;
use crate::merger::{Block, Merger, dropped_mask};

/// What all blocks share.
struct Shared {
    /// All features, normalised, `[N, D]`.
    origin: Tensor,
    /// Those of dropped patches, `[N - T, D]`.
    dropped: Tensor,
    /// Their mean over all patches, `[1, D]`.
    mean: Tensor,
    /// `[N - T]`
    dropped_places: Tensor,
    /// `[1, N]`
    dropped_mask: Tensor,
    /// 1 where key `j <= i`, `[T, T]`.
    causal: Tensor,
}

impl Merger {
    /// `x`: features `[N, D]`, of which at least one is kept; gives the merged ones of kept patches, `[T, D]`.
    pub(crate) fn forward_packed(&self, x: &Tensor, kept: &KeepMask) -> Result<Tensor> {
        let places = |wanted: bool| -> Result<Tensor> {
            let places = (0..kept.patches()).filter(|patch| kept.is_kept(*patch) == wanted);
            let places: Vec<u32> = places.map(|patch| patch as u32).collect();
            Tensor::from_vec(places.clone(), places.len(), &Device::Cpu)
        };
        let origin = self.ln_vision.forward(x)?;
        let dropped_places = places(false)?;
        let shared = Shared {
            dropped: origin.index_select(&dropped_places, 0)?,
            mean: origin.mean_keepdim(0)?,
            origin,
            dropped_places,
            dropped_mask: dropped_mask(kept)?,
            causal: Tensor::tril2(kept.kept(), candle_core::DType::F32, &Device::Cpu)?,
        };
        let mut x = x.index_select(&places(true)?, 0)?;
        for block in &self.blocks {
            x = block.forward_packed(&x, &shared)?;
        }
        self.norm.forward(&x)
    }
}

impl Block {
    /// `x`: `[T, D]`; gives the same shape.
    fn forward_packed(&self, x: &Tensor, shared: &Shared) -> Result<Tensor> {
        let [q, k, v] = split_qkv(&self.causal_qkv.forward(&self.norm0.forward(x)?)?)?;
        let x = (x + self
            .causal_proj
            .forward(&self.heads.smoothed(&q, &k, &v, &shared.causal)?)?)?;
        let q = self.query.forward(&self.norm1.forward(&x)?)?;
        let values = MeanValues {
            of_allowed: &self.value.forward(&shared.dropped)?,
            allowed_keys: &shared.dropped_places,
            mean: &self.value.forward(&shared.mean)?,
        };
        let key = self.key.forward(&shared.origin)?;
        let merged = self
            .heads
            .smoothed_by_mean(&q, &key, &shared.dropped_mask, &values)?;
        let x = (&x + self.cross_proj.forward(&merged)?)?;
        &x + self.mlp.forward(&self.norm2.forward(&x)?)?
    }
}
