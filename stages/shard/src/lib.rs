//! Sequences to Parquet shards, failures and stats, committed atomically and once; and shards read back.
//!
//! A unit of the plan becomes three files, or up to five, under the output root ([`Destination`]):
//! `data/part-00000.parquet`, `failures/part-00000.parquet`, if pictures are kept `images/part-00000.tar.zst`, if sequences
//! are packed `packed/part-00000.parquet`, and, last of all, `stats/part-00000.json`, the commit marker. A [`ShardWriter`] takes a unit's outcomes in row order, holds one row group in memory, and writes to
//! temporary files that nobody reads; [`ShardWriter::commit`] puts them in place. Any number of writers may work at
//! the same unit, on any machines, and die at any moment: one of them is elected, its files are the unit's,
//! and a dead winner's work is finished by the next writer (the protocol is told in `commit.rs`).
//!
//! The same outcomes give the same bytes in all files but the stats: fixed writer properties, no clock, no chance.
//! [`mod@read`] opens the files again, [`mod@verify`] proves that they are whole, and [`mod@takedown`] takes pairs out of
//! them.

mod census;
mod commit;
mod committed;
mod config;
mod cosine;
mod destination;
mod distribution;
mod encode;
mod error;
mod features;
mod hashed_file;
mod images;
mod packed;
pub mod read;
mod set_aside;
mod staged;
mod stats;
mod sweep;
pub mod takedown;
mod unit;
pub mod verify;
mod writer;

pub use committed::committed;
pub use config::{Compression, Encoding, ShardConfig, UnknownCompression};
pub use cosine::CosineSummary;
pub use destination::{Destination, Entry, Lock};
pub use distribution::Distribution;
pub use error::ShardError;
pub use images::{ImageArchive, ImageSample, KeptImage};
pub use packed::{PackedConfig, PackedWriter};
pub use set_aside::{living_attempt, set_aside};
pub use stats::{FileChecksum, MAX_STATS_BYTES, PackedSummary, ShardStats, Timings, UnitCounts, read_stats};
pub use sweep::sweep;
pub use unit::UnitId;
pub use writer::ShardWriter;
