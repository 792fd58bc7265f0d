//! Formats whose records come one by one: CSV, TSV, JSONL and WebDataset tars.
//!
//! A reader gives [`Record`]s, broken ones included; [`assemble`] makes rows of them, whatever the format.
//!
//! A unit of a plain table begins by seeking to its first record. A compressed one streams from the start and skips:
//! one unit a file would give up the units' bounds on shard size, memory and lost work for files of any length, and
//! inflating is a hundred times cheaper than the downloads of the rows skipped. A table of many units is better plain
//! or Parquet. A tar is one unit: its pictures would have to be read once more to count it.

mod archive;
mod assemble;
mod delimited;
mod document;
mod jsonl;
mod lines;
mod survey;
mod webdataset;

use img2tokens_schemas::{Failure, FailureReason};
use serde_json::{Map, Value};

use crate::draft::failure;
use crate::object::Object;
use crate::{Compression, Extent, InputFormat, SourceConfig, SourceError, Survey};

pub(crate) use assemble::batches;
pub(crate) use survey::{format_of_content, survey};

/// The longest line or caption, in bytes: no caption needs more, and what one record costs is bounded.
pub(crate) const MAX_RECORD_BYTES: usize = 1 << 20;

/// One record as its format gives it.
#[derive(Debug, Default)]
struct Record {
    /// Its columns.
    fields: Map<String, Value>,
    /// What a tar has as members of their own.
    member: webdataset::Members,
    /// How many bytes of the file it holds.
    bytes: usize,
    /// Why the record cannot be read, if it cannot.
    failure: Option<Failure>,
}

impl Record {
    fn broken(detail: impl Into<String>) -> Self {
        Self {
            failure: Some(failure(FailureReason::CorruptRow, detail)),
            ..Self::default()
        }
    }
}

/// A format's reader.
trait ReadRecords {
    /// The next record, or none at the end.
    fn next_record(&mut self) -> Result<Option<Record>, SourceError>;

    /// Passes over the next record; false at the end.
    fn skip_record(&mut self) -> Result<bool, SourceError> {
        Ok(self.next_record()?.is_some())
    }
}

/// The records of an extent: a reader, and how many records it has to pass over before the first.
fn open(
    object: &Object,
    survey: &Survey,
    config: &SourceConfig,
    extent: &Extent,
) -> Result<(Box<dyn ReadRecords>, u64), SourceError> {
    let (range, skip) = match &extent.bytes {
        Some(bytes) => (bytes.clone(), 0),
        None => (0..object.size, extent.first_row),
    };
    let reader = object.open_decompressed(range.clone(), survey.compression)?;
    let name = object.name.clone();
    Ok(match dialect(survey.format, config) {
        Some(dialect) => {
            let lines = dialect.split(reader, range.start);
            let mut records = delimited::Records::new(name, lines, dialect, survey.header.clone());
            if extent.bytes.is_none() {
                records.pass_header()?;
            }
            (Box::new(records), skip)
        }
        None if survey.format == InputFormat::Jsonl => (
            Box::new(jsonl::Records::new(
                name,
                lines::Splitter::new(reader, range.start, None),
            )),
            skip,
        ),
        None => (
            Box::new(webdataset::Samples::new(name, reader, config.max_image_bytes)),
            skip,
        ),
    })
}

fn dialect(format: InputFormat, config: &SourceConfig) -> Option<delimited::Dialect> {
    let delimiter = match format {
        InputFormat::Csv => b',',
        InputFormat::Tsv => b'\t',
        _ => return None,
    };
    Some(delimited::Dialect {
        delimiter,
        quoting: config.quoting,
    })
}

/// Whether units may begin in the middle of the file.
fn can_seek(format: InputFormat, compression: Option<Compression>) -> bool {
    compression.is_none() && format != InputFormat::WebDataset
}
