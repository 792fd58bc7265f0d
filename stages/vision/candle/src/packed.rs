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
use crate::block::Block;
use crate::encoder::split_qkv;
use crate::merger::{Merger, dropped_mask};

/// What all blocks share.
struct Shared {
    /// All features, normalised, `[N, D]`.
    origin: Tensor,
    /// Those of dropped patches, and last the mean over all patches, `[N - T + 1, D]`.
    dropped_and_mean: Tensor,
    /// `[N - T]`
    dropped_places: Vec<usize>,
    /// `[1, N]`
    dropped_mask: Tensor,
    /// 1 where key `j <= i`, `[T, T]`.
    causal: Tensor,
}

impl Merger {
    /// `x`: features `[N, D]`, of which at least one is kept; gives the merged ones of kept patches, `[T, D]`.
    pub(crate) fn forward_packed(&self, x: &Tensor, kept: &KeepMask) -> Result<Tensor> {
        let origin = self.ln_vision.forward(x)?;
        let dropped_places: Vec<usize> = (0..kept.patches())
            .filter(|patch| !kept.is_kept(*patch))
            .collect();
        let mean = origin.mean_keepdim(0)?;
        let shared = Shared {
            dropped_and_mean: Tensor::cat(&[&rows_at(&origin, dropped_places.iter().copied())?, &mean], 0)?,
            origin,
            dropped_places,
            dropped_mask: dropped_mask(kept)?,
            causal: Tensor::tril2(kept.kept(), candle_core::DType::F32, &Device::Cpu)?,
        };
        let mut x = rows_at(x, kept.kept_patches())?;
        for block in &self.blocks {
            x = block.forward_packed(&x, &shared)?;
        }
        self.norm.forward(&x)
    }
}

impl Block {
    /// `x`: `[T, D]`; gives the same shape.
    fn forward_packed(&self, x: &Tensor, shared: &Shared) -> Result<Tensor> {
        let [q, k, v] = split_qkv(&self.qkv.forward(&self.norm0.forward(x)?)?)?;
        let seen = self.heads.smoothed(&q, &k, &v, &shared.causal)?;
        let x = self.self_proj.forward_onto(x, &seen)?;
        let q = self.query.forward(&self.norm1.forward(&x)?)?;
        let values = MeanValues {
            of_allowed_and_mean: &self.value.forward(&shared.dropped_and_mean)?,
            allowed_keys: &shared.dropped_places,
        };
        let key = self.key.forward(&shared.origin)?;
        let seen = self
            .heads
            .smoothed_by_mean(&q, &key, &shared.dropped_mask, &values)?;
        let x = self.cross_proj.forward_onto(&x, &seen)?;
        self.mlp.forward_onto(&x, &self.norm2.forward(&x)?)
    }
}

/// Some rows of `x`.
fn rows_at(x: &Tensor, places: impl Iterator<Item = usize>) -> Result<Tensor> {
    let places: Vec<u32> = places.map(|place| place as u32).collect();
    let count = places.len();
    x.index_select(&Tensor::from_vec(places, count, &Device::Cpu)?, 0)
}
