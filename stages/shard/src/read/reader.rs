//! A Parquet file of a shard, opened and checked, batch by batch.

use std::fs::File;
use std::marker::PhantomData;

use arrow_array::RecordBatch;
use arrow_schema::{Fields, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::ShardMetadata;
use crate::{Destination, ShardError, UnitId};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1024;

/// One of the tables of a unit, by the type of its batches. Only this crate has any.
pub trait Table: sealed::Sealed + Sized + 'static {
    #[doc(hidden)]
    const PROJECTION: Option<&'static [&'static str]>;

    #[doc(hidden)]
    fn file(unit: UnitId) -> String;

    #[doc(hidden)]
    fn fields() -> Fields;

    #[doc(hidden)]
    fn of(batch: RecordBatch, first_row: u64) -> Result<Self, String>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::read::DataBatch {}
    impl Sealed for crate::read::SampleBatch {}
    impl Sealed for crate::read::FailureBatch {}
    impl Sealed for crate::read::ContextBatch {}
    impl Sealed for crate::read::SubjectBatch {}
}

/// Reads a table of a unit: an iterator of its batches, of at most 1,024 rows each.
///
/// Memory: the open pages of one row group and one batch. Iterating reads and decompresses: do it on a thread that may
/// block. After an error there are no more batches.
pub struct Reader<B> {
    name: String,
    schema: Schema,
    metadata: ShardMetadata,
    rows: u64,
    next_row: u64,
    batches: Option<ParquetRecordBatchReader>,
    table: PhantomData<fn() -> B>,
}

impl<B: Table> Reader<B> {
    /// Opens a unit's file; none if there is no such file. Whether the unit is committed is not looked at.
    ///
    /// # Errors
    /// If the file cannot be read, is not Parquet, or has other columns or another schema version.
    pub async fn open(destination: &Destination, unit: UnitId) -> Result<Option<Self>, ShardError> {
        let name = B::file(unit);
        let Some(file) = destination.open(&name).await? else {
            return Ok(None);
        };
        tokio::task::spawn_blocking(move || Self::of_file(name, file))
            .await?
            .map(Some)
    }

    /// Reads an open file. `name` is for messages. Blocks.
    ///
    /// # Errors
    /// If the file cannot be read, is not Parquet, or has other columns or another schema version.
    pub fn of_file(name: String, file: File) -> Result<Self, ShardError> {
        let decode = |source| ShardError::Decode {
            name: name.clone(),
            source,
        };
        let foreign = |problem| ShardError::Foreign {
            name: name.clone(),
            problem,
        };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(decode)?;
        let schema = builder.schema().as_ref().clone();
        let file_metadata = builder.metadata().file_metadata();
        let metadata = ShardMetadata::of(file_metadata).map_err(foreign)?;
        check_fields(&B::fields(), &schema).map_err(foreign)?;
        let rows = file_metadata.num_rows().try_into().unwrap_or(0);
        let mask = B::PROJECTION.map_or_else(ProjectionMask::all, |columns| {
            ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied())
        });
        let batches = builder
            .with_batch_size(BATCH_ROWS)
            .with_projection(mask)
            .build()
            .map_err(decode)?;
        Ok(Self {
            name,
            schema,
            metadata,
            rows,
            next_row: 0,
            batches: Some(batches),
            table: PhantomData,
        })
    }

    /// What the file says of itself.
    #[must_use]
    pub const fn metadata(&self) -> &ShardMetadata {
        &self.metadata
    }

    /// The schema of the whole file, kept columns included.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The number of rows in the file.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn read(&mut self, batch: RecordBatch) -> Result<B, ShardError> {
        let first_row = self.next_row;
        self.next_row += batch.num_rows() as u64;
        let last_row = self.next_row.saturating_sub(1);
        B::of(batch, first_row).map_err(|problem| ShardError::Foreign {
            name: self.name.clone(),
            problem: format!("in rows {first_row} to {last_row}, {problem}"),
        })
    }
}

impl<B: Table> Iterator for Reader<B> {
    type Item = Result<B, ShardError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.as_mut()?.next()?;
        let name = || self.name.clone();
        let batch = batch
            .map_err(|error| ShardError::Decode {
                name: name(),
                source: ParquetError::from(error),
            })
            .and_then(|batch| self.read(batch));
        if batch.is_err() {
            self.batches = None;
        }
        Some(batch)
    }
}

/// The file's first columns must be the fixed ones; what follows is the input's.
fn check_fields(fixed: &Fields, schema: &Schema) -> Result<(), String> {
    for (place, expected) in fixed.iter().enumerate() {
        match schema.fields().get(place) {
            Some(found) if found.name() == expected.name() && found.data_type() == expected.data_type() => {
                // A column that may not be null in the schema is none of ours if it may be null in the file.
                if found.is_nullable() && !expected.is_nullable() {
                    return Err(format!("column `{}` may be null", found.name()));
                }
            }
            Some(found) => {
                let (name, data_type) = (found.name(), found.data_type());
                return Err(format!(
                    "column {place} is `{name}` of type {data_type}, not `{}` of type {}",
                    expected.name(),
                    expected.data_type()
                ));
            }
            None => return Err(format!("it has no column `{}`", expected.name())),
        }
    }
    Ok(())
}
