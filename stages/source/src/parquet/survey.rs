//! What a Parquet file's footer says.

use std::sync::Arc;

use arrow_schema::Fields;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::chunks::Chunks;
use super::thrift;
use crate::columns::{Available, Kind, Table};
use crate::object::Object;
use crate::{Columns, SourceConfig, SourceError};

/// The most rows that a byte of a file can stand for. What repeats in every row takes next to nothing, but a table of
/// pairs has more to say: a file that states more would make units and failures of nothing.
const MAX_ROWS_A_BYTE: u64 = 1 << 10;
/// The most bytes of a value in a column where all have the same length.
const MAX_WIDTH: i32 = 64 << 10;

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

/// The footer, without page indexes. Its counts are checked before the library makes room by them.
pub(super) fn footer(chunks: &Chunks, object: &Object) -> Result<ArrowReaderMetadata, SourceError> {
    let metadata = chunks.footer().and_then(|bytes| {
        thrift::check_footer(&bytes).map_err(|problem| ParquetError::General(problem.to_owned()))?;
        let metadata = ParquetMetaDataReader::decode_metadata(&bytes)?;
        check_widths(&metadata)?;
        ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new())
    });
    metadata.map_err(|source| match chunks.take_failure() {
        Some(failure) => failure,
        None => SourceError::Parquet {
            input: object.name.to_string(),
            source,
        },
    })
}

/// Refuses columns whose values all have the same length if that is no value's.
fn check_widths(metadata: &ParquetMetaData) -> Result<(), ParquetError> {
    let columns = metadata.file_metadata().schema_descr().columns().iter();
    let mut fixed = columns.filter(|column| column.physical_type() == PhysicalType::FIXED_LEN_BYTE_ARRAY);
    match fixed.find(|column| column.type_length() > MAX_WIDTH) {
        Some(column) => Err(ParquetError::General(format!(
            "the values of column `{}` have {} bytes each",
            column.path().string(),
            column.type_length()
        ))),
        None => Ok(()),
    }
}

/// The sum of the row groups' rows, if the file is large enough to hold as many.
fn row_count(metadata: &ArrowReaderMetadata, object: &Object) -> Result<u64, SourceError> {
    let groups = metadata.metadata().row_groups().iter();
    let rows = groups
        .map(|group| u64::try_from(group.num_rows()).ok())
        .try_fold(0_u64, |sum, rows| sum.checked_add(rows?));
    let problem = match rows {
        None => "a row group has a negative number of rows".to_owned(),
        Some(rows) if rows / MAX_ROWS_A_BYTE > object.size => {
            format!("it states {rows} rows in {} bytes", object.size)
        }
        Some(rows) => return Ok(rows),
    };
    Err(SourceError::Parquet {
        input: object.name.to_string(),
        source: ParquetError::General(problem),
    })
}
