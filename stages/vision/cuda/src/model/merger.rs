//! The token merger (spec section 4), over every patch or packed: over kept ones only.
//!
//! Both are one computation over rows. Packed, a picture's rows are its kept patches: self-attention is among them,
//! with the maximum and the smoothing over them, about 1e-6 of a mean value away from those over all patches.
//! Cross-attention is the same in both: keys and values come from the features of all patches.

use img2tokens_vision::{Merger as Mode, ModelConfig, VisionError};

use super::encoder::Mlp;
use super::kept::Kept;
use super::room::Room;
use super::weights::Weights;
use crate::device::{Attention, Columns, Device, Norm, Shape, Sight};
use crate::error::Fault;
use crate::machine::Linear;
use crate::number::Element;

const EPS: f32 = 1e-5;

/// Rows of a product are a multiple of it, as far as there is room: few shapes, whatever the pictures keep.
const ROWS: usize = 128;

/// Puts what dropped patches hold into the kept ones.
pub(super) struct Merger<D: Device, E: Element> {
    config: ModelConfig,
    mode: Mode,
    /// Where each picture's patches begin, `[B + 1]`.
    starts: D::Array<i32>,
    ln_vision: Norm<D>,
    blocks: Vec<Block<D, E>>,
    norm: Norm<D>,
}

impl<D: Device, E: Element> Merger<D, E> {
    pub(super) fn new(
        device: &D,
        config: &ModelConfig,
        mode: Mode,
        weights: &Weights<'_, D>,
        pictures: usize,
    ) -> Result<Self, VisionError> {
        let patches = config.patches();
        let starts: Vec<i32> = (0..=pictures).map(|picture| (picture * patches) as i32).collect();
        Ok(Self {
            config: config.clone(),
            mode,
            starts: device.upload(&starts)?,
            ln_vision: weights.norm("ln_vision", config.width, EPS)?,
            blocks: (0..config.merger_depth)
                .map(|block| Block::new(config, &weights.under("blocks").under(block)))
                .collect::<Result<_, _>>()?,
            norm: weights.norm("norm", config.width, EPS)?,
        })
    }

    /// From `room.features` to the merged ones of kept patches, `[kept.merged(), D]`, at the front of `room.narrow`.
    /// Something must be kept.
    pub(super) fn forward(&self, device: &D, room: &mut Room<D, E>, kept: &Kept) -> Result<(), Fault> {
        let d = self.config.width;
        let patches = room.pictures * self.config.patches();
        let nothing: Option<&D::Array<E>> = None;
        kept.write(device, &mut room.kept)?;
        device.add_norm(
            &mut room.features,
            nothing,
            &self.ln_vision,
            patches,
            &mut room.origin,
        )?;
        let rows = Shape {
            rows: kept.rows(),
            width: d,
        };
        device.take_rows(&room.features, nothing, &room.kept.rows, rows, &mut room.x)?;
        let rows = product_rows(kept.rows(), patches);
        let mut added = false;
        for block in &self.blocks {
            self.attend_to_own(block, device, room, kept, (rows, added))?;
            self.attend_to_dropped(block, device, room, kept, rows)?;
            device.add_norm(&mut room.x, Some(&room.out), &block.norm2, rows, &mut room.narrow)?;
            block
                .mlp
                .forward(device, rows, &room.narrow, &mut room.hidden, &mut room.out)?;
            added = true;
        }
        let merged = Shape {
            rows: kept.merged(),
            width: d,
        };
        // The selector has served: its room takes the rows that are kept.
        device.take_rows(
            &room.x,
            Some(&room.out),
            &room.kept.merged,
            merged,
            &mut room.selector.normed,
        )?;
        device.add_norm(
            &mut room.selector.normed,
            nothing,
            &self.norm,
            merged.rows,
            &mut room.narrow,
        )
    }

    /// Causal self-attention; what it gives stands in `room.out`, for the next norm to add.
    fn attend_to_own(
        &self,
        block: &Block<D, E>,
        device: &D,
        room: &mut Room<D, E>,
        kept: &Kept,
        (rows, add): (usize, bool),
    ) -> Result<(), Fault> {
        let d = self.config.width;
        let before = add.then_some(&room.out);
        device.add_norm(&mut room.x, before, &block.norm0, rows, &mut room.narrow)?;
        device.product(&block.qkv, &room.narrow, rows, &mut room.wide)?;
        let [q, k, v] = Columns::side_by_side(&room.wide, d);
        let attention = Attention {
            q,
            k,
            v,
            query_starts: &room.kept.starts,
            key_starts: &room.kept.starts,
            // Packed, all that are there are kept.
            kept: (self.mode == Mode::Full).then_some(&room.kept.mask),
            sight: Sight::Earlier,
            pictures: room.pictures,
            most_queries: kept.most_rows,
            most_keys: kept.most_rows,
            heads: self.config.heads,
            head_dim: self.config.head_dim(),
        };
        device.attend(&attention, &mut room.narrow)?;
        device.product(&block.self_proj, &room.narrow, rows, &mut room.out)
    }

    /// Cross-attention to the dropped patches, likewise.
    fn attend_to_dropped(
        &self,
        block: &Block<D, E>,
        device: &D,
        room: &mut Room<D, E>,
        kept: &Kept,
        rows: usize,
    ) -> Result<(), Fault> {
        let (d, patches) = (self.config.width, self.config.patches());
        device.add_norm(&mut room.x, Some(&room.out), &block.norm1, rows, &mut room.narrow)?;
        device.product(&block.query, &room.narrow, rows, &mut room.out)?;
        device.product(
            &block.key_value,
            &room.origin,
            room.pictures * patches,
            &mut room.seen,
        )?;
        let [q] = Columns::side_by_side(&room.out, d);
        let [k, v] = Columns::side_by_side(&room.seen, d);
        let attention = Attention {
            q,
            k,
            v,
            query_starts: &room.kept.starts,
            key_starts: &self.starts,
            kept: Some(&room.kept.mask),
            sight: Sight::Dropped,
            pictures: room.pictures,
            most_queries: kept.most_rows,
            most_keys: patches,
            heads: self.config.heads,
            head_dim: self.config.head_dim(),
        };
        device.attend(&attention, &mut room.narrow)?;
        device.product(&block.cross_proj, &room.narrow, rows, &mut room.out)
    }
}

/// Rows that products compute for so many, of a room for `most`.
pub(super) fn product_rows(rows: usize, most: usize) -> usize {
    rows.next_multiple_of(ROWS).min(most)
}

/// Self-attention, cross-attention and MLP, a norm before each.
struct Block<D: Device, E: Element> {
    norm0: Norm<D>,
    qkv: Linear<D, E>,
    self_proj: Linear<D, E>,
    norm1: Norm<D>,
    query: Linear<D, E>,
    /// Keys, then values.
    key_value: Linear<D, E>,
    cross_proj: Linear<D, E>,
    norm2: Norm<D>,
    mlp: Mlp<D, E>,
}

impl<D: Device, E: Element> Block<D, E> {
    fn new(config: &ModelConfig, weights: &Weights<'_, D>) -> Result<Self, VisionError> {
        let d = config.width;
        let (own, cross) = (
            weights.under("token_causal_attn"),
            weights.under("token_cross_attn"),
        );
        Ok(Self {
            norm0: weights.norm("norm0", d, EPS)?,
            qkv: own.linear("qkv", 3 * d, d)?,
            self_proj: own.linear("proj", d, d)?,
            norm1: weights.norm("norm1", d, EPS)?,
            query: cross.linear("query", d, d)?,
            key_value: cross.joined(&["key", "value"], d, d)?,
            cross_proj: cross.linear("proj", d, d)?,
            norm2: weights.norm("norm2", d, EPS)?,
            mlp: Mlp::new(config, &weights.under("mlp"))?,
        })
    }
}
