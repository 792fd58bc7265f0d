//! A Parquet file that grows row group by row group.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::ShardError;
use crate::hashed_file::{HashedFile, WrittenFile};

/// A table while it is written. Encoded pages of the current row group are in memory, the row
/// groups before it in the file.
pub(crate) struct TableFile<W: Write + Send> {
    table: &'static str,
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> TableFile<W> {
    pub(crate) fn new(
        table: &'static str,
        file: W,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self, ShardError> {
        let writer =
            ArrowWriter::try_new(file, schema, Some(properties)).map_err(|error| failed(table, error))?;
        Ok(Self { table, writer })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ShardError> {
        self.writer
            .write(batch)
            .map_err(|error| failed(self.table, error))
    }

    /// Writes what is left and the footer.
    pub(crate) fn into_file(self) -> Result<W, ShardError> {
        let table = self.table;
        self.writer.into_inner().map_err(|error| failed(table, error))
    }
}

impl TableFile<HashedFile> {
    /// Writes what is left and the footer, and waits until all of it is on the disk.
    pub(crate) fn finish(self) -> Result<WrittenFile, ShardError> {
        let table = self.table;
        self.into_file()?.finish(table)
    }
}

/// The encoder wraps what the file system says; callers need it bare, to tell a full disk from a bug.
fn failed(table: &'static str, error: ParquetError) -> ShardError {
    let ParquetError::External(source) = error else {
        return ShardError::Encode { table, source: error };
    };
    match source.downcast::<std::io::Error>() {
        Ok(source) => ShardError::io("write the table", table)(*source),
        Err(source) => ShardError::Encode {
            table,
            source: ParquetError::External(source),
        },
    }
}
