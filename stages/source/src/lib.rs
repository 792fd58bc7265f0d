//! Rows of image-text pairs from tables and tars, local or in an object store.
//!
//! The first room of the flow. Three verbs: [`expand`] turns what a user wrote into files, [`Source::survey`] learns what
//! a plan must know of each (version, rows, columns, and the extents that become units), and [`Source::rows`] streams
//! one extent as [`RowBatch`]es. Parquet, CSV, TSV, JSONL (plain, `.gz`, `.zst`), WebDataset tars (`.tar`, `.tar.gz`,
//! `.tar.zst`) and Parquet with embedded pictures come out alike. Rows of Parquet and JSONL may also be documents, of many
//! texts and images in their order (OBELICS, MMC4).
//!
//! What holds for every format:
//! - **Every record is accounted for.** `rows_read` = filtered + yielded. A record that cannot be read alone is yielded
//!   as an [`Outcome`](img2tokens_schemas::Outcome) that has failed and costs none of its neighbours.
//! - **Memory is bounded** by batches (in rows and in bytes), by windows onto the file, and
//!   by limits on records and members; never by the size of the file.
//! - **The file is the one that was surveyed**, or reading it is an error: every request compares size and etag.
//!
//! Decoding runs on a thread that may block, one a stream, with at most two batches ahead of the reader; dropping the
//! stream stops it.

mod columns;
mod config;
mod document;
mod draft;
mod error;
mod expand;
mod format;
mod glob;
mod kept;
mod listing;
mod object;
mod parquet;
mod records;
mod source;
mod survey;
mod unpack;

pub use columns::{Columns, DocumentColumns};
pub use config::{Filter, Quoting, SourceConfig};
pub use draft::RowBatch;
pub use error::SourceError;
pub use expand::{Input, expand};
pub use format::{Compression, InputFormat};
pub use kept::unify_kept;
pub use source::{RowStream, Source};
pub use survey::{Extent, Survey};
