//! Committed shards in the formats that other trainers read (docs/spec/sequences.md, "Readers to serve").
//!
//! One row is one sequence is one document, but in the format `packed`, where a row is a context of many.
//!
//! ```text
//! Input           which units there are, and a hash of what they hold
//! UnitReader  ..  a unit each, on threads of their own: rows to chunks of ids in the format's width
//! SequenceWriter  one, in the order of units and rows: so the same shards give the same bytes, whatever the readers
//! Staging         a hidden folder beside the destination, which takes the destination's name at the end
//! ```
//!
//! After each unit the writer brings its files to the disk, and the staged folder's journal says how long they are then
//! and how many units are in them. An export that was stopped or killed at any moment goes on from there: files are cut
//! to what the journal says of them, and the units that are in them are not read again. What they hold then is what one
//! that was never interrupted would have written. If anything has changed that the files depend on (a shard, what is taken
//! down, the format's options, the program), the export is begun anew.
//!
//! [`Format`] names what can be written; [`Export`] writes it. The formats with flat files of ids differ in a constant
//! and a function only; a further order needs nothing here.

mod chunk;
mod datatrove;
mod error;
mod flat;
mod format;
mod ids;
mod input;
mod journal;
mod mds;
mod megatron;
mod meter;
mod olmo;
mod packed;
mod read;
mod staging;
mod stream;

pub use error::ExportError;
pub use format::{Format, FormatOptions};
pub use meter::{Meter, Reading};
pub use stream::{Export, Exported};
