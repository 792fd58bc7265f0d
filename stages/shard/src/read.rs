//! Shards read back, row by row in bounded memory: for verification, inspection and export.
//!
//! ```no_run
//! # async fn lengths(destination: img2tokens_shard::Destination) -> Result<(), img2tokens_shard::ShardError> {
//! use img2tokens_shard::{UnitId, read::SampleReader};
//!
//! if let Some(samples) = SampleReader::open(&destination, UnitId(0)).await? {
//!     for batch in samples {
//!         for sample in batch?.samples() {
//!             println!("{} {} {}", sample.key, sample.order, sample.input_ids.len());
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`SampleReader`] decodes only the columns of a [`Sample`], which is what exporters need; a [`DataReader`] all of
//! them; a [`FailureReader`] the failures. Each is an iterator of batches that lend their rows.

mod cells;
mod data;
mod documents;
mod failures;
mod metadata;
mod packed;
mod reader;
mod subjects;

pub use data::{DataBatch, DataRow, Sample, SampleBatch};
pub use documents::{DocumentParts, DroppedItem, ImageItem, TextItem};
pub use failures::{FailureBatch, FailureRow};
pub use metadata::ShardMetadata;
pub(crate) use packed::Segment;
pub use packed::{Context, ContextBatch};
pub use reader::{Reader, Table};
use subjects::SubjectBatch;

/// Reads `data/part-NNNNN.parquet`, all columns.
pub type DataReader = Reader<DataBatch>;
/// Reads `data/part-NNNNN.parquet`, only the columns of a [`Sample`].
pub type SampleReader = Reader<SampleBatch>;
/// Reads `failures/part-NNNNN.parquet`.
pub type FailureReader = Reader<FailureBatch>;
/// Reads `packed/part-NNNNN.parquet`.
pub type ContextReader = Reader<ContextBatch>;
/// Reads `data/part-NNNNN.parquet`, only what names its pairs.
pub(crate) type SubjectReader = Reader<SubjectBatch>;
