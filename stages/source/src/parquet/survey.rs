//! What a Parquet file's footer says.

use arrow_schema::Fields;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;

use super::chunks::Chunks;
use crate::columns::{Available, Kind, Table};
use crate::object::Object;
use crate::{Columns, SourceConfig, SourceError};

/// The rows, the columns that will be read, and the kept ones.
pub(crate) fn survey(object: &Object, config: &SourceConfig) -> Result<(u64, Columns, Fields), SourceError> {
    let metadata = footer(&Chunks::open(object)?, object)?;
    let fields = metadata.schema().fields();
    let available: Vec<Available> = fields
        .iter()
        .map(|field| Available {
            name: field.name().clone(),
            kind: Kind::of(field.data_type()),
            shown: field.data_type().to_string(),
        })
        .collect();
    let columns = Table {
        input: &object.name,
        columns: &available,
    }
    .resolve(config)?;
    let keep = |name: &String| fields.iter().find(|field| field.name() == name).cloned();
    let kept: Fields = config.keep_columns.iter().filter_map(keep).collect();
    Ok((row_count(&metadata, object)?, columns, kept))
}

/// The footer, without page indexes.
pub(super) fn footer(chunks: &Chunks, object: &Object) -> Result<ArrowReaderMetadata, SourceError> {
    let metadata = ArrowReaderMetadata::load(chunks, ArrowReaderOptions::new());
    metadata.map_err(|source| match chunks.take_failure() {
        Some(failure) => failure,
        None => SourceError::Parquet {
            input: object.name.to_string(),
            source,
        },
    })
}

/// The sum of the row groups' rows.
fn row_count(metadata: &ArrowReaderMetadata, object: &Object) -> Result<u64, SourceError> {
    let groups = metadata.metadata().row_groups().iter();
    let rows = groups
        .map(|group| u64::try_from(group.num_rows()).ok())
        .try_fold(0_u64, |sum, rows| sum.checked_add(rows?));
    rows.ok_or_else(|| {
        let source = ParquetError::General("a row group has a negative number of rows".to_owned());
        SourceError::Parquet {
            input: object.name.to_string(),
            source,
        }
    })
}
