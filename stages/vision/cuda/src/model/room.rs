//! Where a step keeps what it computes: allocated once, for as many pictures as a batch may hold.

use img2tokens_vision::ModelConfig;

use crate::error::Fault;
use crate::machine::{Linear, Machine};
use crate::number::Element;

/// The arrays of a step over at most B pictures: N patches each, 1 + N tokens, D wide, an MLP of H.
pub(crate) struct Room<M: Machine, E: Element> {
    /// B
    pub pictures: usize,
    /// `[B, S, S, 3]`
    pub pixels: M::Array<u8>,
    /// `[B * N, 3 * P * P]`, padded.
    pub patches: M::Array<E>,
    /// The residual stream, `[B * (1 + N), D]`.
    pub x: M::Array<f32>,
    /// The encoder's features, `[B * N, D]`.
    pub features: M::Array<f32>,
    /// What a norm or attention gives, `[B * (1 + N), D]`.
    pub narrow: M::Array<E>,
    /// What a layer of D outputs gives, likewise.
    pub out: M::Array<E>,
    /// Queries, keys and values, `[B * (1 + N), 3 D]`; z at the end.
    pub wide: M::Array<E>,
    /// Inside an MLP, `[B * (1 + N), H]`.
    pub hidden: M::Array<E>,
    /// The features as cross-attention sees them, `[B * N, D]`.
    pub origin: M::Array<E>,
    /// Their keys and values, `[B * N, 2 D]`.
    pub seen: M::Array<E>,
    pub selector: SelectorRoom<M>,
    pub kept: KeptRoom<M>,
    pub codes: CodesRoom<M>,
}

/// What the selector computes, in float32.
pub(crate) struct SelectorRoom<M: Machine> {
    /// `[B * N, D]`
    pub normed: M::Array<f32>,
    /// `[B * N, D]`
    pub hidden: M::Array<f32>,
    /// `[B * N, D / 2]`
    pub half: M::Array<f32>,
    /// `[B * N, D / 4]`
    pub quarter: M::Array<f32>,
    /// `[B * N, 2]`
    pub log_probabilities: M::Array<f32>,
}

/// Which patches are kept, and where they stand.
pub(crate) struct KeptRoom<M: Machine> {
    /// 1 or 0 for every patch, `[B * N]`.
    pub mask: M::Array<u8>,
    /// The rows that the merger computes, as numbers of patches, `[B * N]`.
    pub rows: M::Array<i32>,
    /// Where those of each picture begin, `[B + 1]`.
    pub starts: M::Array<i32>,
    /// Those of them that are kept, as numbers of rows, `[B * N]`.
    pub merged: M::Array<i32>,
}

/// From merged features to codes.
pub(crate) struct CodesRoom<M: Machine> {
    /// `[B * N, d]`
    pub unit: M::Array<f32>,
    /// `[B * N]`
    pub squared: M::Array<f32>,
    /// `[B * N]`
    pub nearest: M::Array<i32>,
}

impl<M: Machine, E: Element> Room<M, E> {
    /// Room for so many pictures at a time.
    pub(crate) fn new(machine: &M, config: &ModelConfig, pictures: usize) -> Result<Self, Fault> {
        let (d, n, step) = (config.width, config.patches(), Linear::<M, E>::STEP);
        let (patches, tokens) = (pictures * n, pictures * (n + 1));
        let inputs = (3 * config.patch_size.pow(2)).next_multiple_of(step);
        let quarter = (d / 4).next_multiple_of(step);
        let half = (d / 2).next_multiple_of(step);
        Ok(Self {
            pictures,
            pixels: machine.room(pictures * 3 * config.image_size.pow(2))?,
            patches: machine.room(patches * inputs)?,
            x: machine.room(tokens * d)?,
            features: machine.room(patches * d)?,
            narrow: machine.room(tokens * d)?,
            out: machine.room(tokens * d)?,
            wide: machine.room(tokens * (3 * d).max(config.code_dim.next_multiple_of(step)))?,
            hidden: machine.room(tokens * config.mlp_hidden().next_multiple_of(step))?,
            origin: machine.room(patches * d)?,
            seen: machine.room(patches * 2 * d)?,
            selector: SelectorRoom {
                normed: machine.room(patches * d)?,
                hidden: machine.room(patches * d)?,
                half: machine.room(patches * half)?,
                quarter: machine.room(patches * quarter)?,
                log_probabilities: machine.room(patches * 2)?,
            },
            kept: KeptRoom {
                mask: machine.room(patches)?,
                rows: machine.room(patches)?,
                starts: machine.room(pictures + 1)?,
                merged: machine.room(patches)?,
            },
            codes: CodesRoom {
                unit: machine.room(patches * config.code_dim)?,
                squared: machine.room(patches)?,
                nearest: machine.room(patches)?,
            },
        })
    }
}
