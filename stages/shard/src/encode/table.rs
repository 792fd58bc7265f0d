//! A Parquet file that grows row group by row group, and knows its size and hash when it is done.

use std::io::{BufWriter, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::destination::StagedFile;
use crate::{FileChecksum, ShardError};

/// One of a unit's two tables while it is written. Encoded pages of the current row group are in memory, the row
/// groups before it in the file.
pub(crate) struct TableFile {
    table: &'static str,
    writer: ArrowWriter<HashingFile>,
}

/// A table that is written to its end, not yet in its place.
pub(crate) struct StagedTable {
    pub(crate) file: StagedFile,
    pub(crate) checksum: FileChecksum,
}

impl TableFile {
    pub(crate) fn new(
        table: &'static str,
        file: StagedFile,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self, ShardError> {
        let file = HashingFile {
            file: BufWriter::new(file),
            hasher: blake3::Hasher::new(),
            size: 0,
        };
        let writer =
            ArrowWriter::try_new(file, schema, Some(properties)).map_err(|error| failed(table, error))?;
        Ok(Self { table, writer })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ShardError> {
        self.writer
            .write(batch)
            .map_err(|error| failed(self.table, error))
    }

    /// Writes what is left and the footer, and waits until all of it is on the disk.
    pub(crate) fn finish(self) -> Result<StagedTable, ShardError> {
        let HashingFile { file, hasher, size } = self
            .writer
            .into_inner()
            .map_err(|error| failed(self.table, error))?;
        let flushed = file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = flushed
            .and_then(|file| file.flush_to_disk().map(|()| file))
            .map_err(ShardError::io("write the table", self.table))?;
        Ok(StagedTable {
            file,
            checksum: FileChecksum {
                size,
                blake3: hasher.finalize().to_hex().to_string(),
            },
        })
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

struct HashingFile {
    file: BufWriter<StagedFile>,
    hasher: blake3::Hasher,
    size: u64,
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
