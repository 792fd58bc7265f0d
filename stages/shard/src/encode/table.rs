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
    writer: ArrowWriter<Held<W>>,
}

/// A file that is taken out when all is written. The encoder's own way to give it back makes text of what the file
/// system says to the last bytes, and callers would not know a full disk.
struct Held<W>(Option<W>);

impl<W> Held<W> {
    fn file(&mut self) -> std::io::Result<&mut W> {
        let taken = || std::io::Error::other("the table is finished");
        self.0.as_mut().ok_or_else(taken)
    }
}

impl<W: Write> Write for Held<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file()?.flush()
    }
}

impl<W: Write + Send> TableFile<W> {
    pub(crate) fn new(
        table: &'static str,
        file: W,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self, ShardError> {
        let writer = ArrowWriter::try_new(Held(Some(file)), schema, Some(properties))
            .map_err(|error| failed(table, error))?;
        Ok(Self { table, writer })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ShardError> {
        self.writer
            .write(batch)
            .map_err(|error| failed(self.table, error))
    }

    /// Writes what is left and the footer.
    pub(crate) fn into_file(mut self) -> Result<W, ShardError> {
        let table = self.table;
        self.writer.finish().map_err(|error| failed(table, error))?;
        let file = self.writer.inner_mut().0.take();
        file.ok_or_else(|| failed(table, ParquetError::General("the file is gone".to_owned())))
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
