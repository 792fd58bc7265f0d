//! Committed shards in the formats that other trainers read (spec/sequences.md, "Readers to serve").
//!
//! One row is one sequence is one document, but in the format `packed`, where a row is a context of many. Rows are streamed in the order of units and rows, so that the same shards
//! give the same bytes. Everything is written into a hidden folder beside the destination, which takes the
//! destination's name at the end: an export that was interrupted leaves nothing under that name, and the next one
//! starts over.
//!
//! [`Format`] names what can be written; [`export()`] writes it. The formats with flat files of ids differ in their
//! `Sidecar` only.

mod datatrove;
mod error;
mod flat;
mod format;
mod ids;
mod mds;
mod megatron;
mod olmo;
mod packed;
mod staging;
mod stream;

pub use error::ExportError;
pub use format::Format;
pub use stream::{Exported, export};
