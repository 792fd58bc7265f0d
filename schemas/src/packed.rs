//! Sequences packed to contexts of one length, for trainers that want rows as long as their model's context.

use serde::{Deserialize, Serialize};

use crate::Order;

/// How contexts were filled: what a packed file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packing {
    /// `concat` or `best_fit`.
    pub method: String,
    /// The most ids of a context.
    pub length: u32,
}

/// One context: ids of one or more sequences, without padding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackedRow {
    /// The ids, at least one.
    pub input_ids: Vec<u32>,
    /// Which stretch is of which sequence; together they are all of `input_ids`, in order.
    pub segments: Vec<PackedSegment>,
}

/// A sequence, or a part of one, in a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedSegment {
    /// The index in the context of its first id; it ends where the next begins. Attention that must not see across
    /// sequences is cut here.
    pub start: u32,
    /// The index in its sequence of its first id: 0 unless the sequence began in another context.
    pub offset: u32,
    /// The sequence's key.
    pub key: String,
    /// The sequence's order.
    pub order: Order,
}
