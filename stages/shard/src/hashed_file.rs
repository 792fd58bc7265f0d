//! A file of a unit that knows its size and hash when it is done.

use std::io::{BufWriter, Write};

use crate::destination::StagedFile;
use crate::{FileChecksum, ShardError};

/// A staged file while it is written.
pub(crate) struct HashedFile {
    file: BufWriter<StagedFile>,
    hasher: blake3::Hasher,
    size: u64,
}

/// A file that is written to its end, not yet in its place.
pub(crate) struct WrittenFile {
    pub(crate) file: StagedFile,
    pub(crate) checksum: FileChecksum,
}

impl HashedFile {
    pub(crate) fn new(file: StagedFile) -> Self {
        Self {
            file: BufWriter::new(file),
            hasher: blake3::Hasher::new(),
            size: 0,
        }
    }

    /// Waits until all of it is on the disk. `what` it is stands in the error.
    pub(crate) fn finish(self, what: &'static str) -> Result<WrittenFile, ShardError> {
        let Self { file, hasher, size } = self;
        let flushed = file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = flushed
            .and_then(|file| file.flush_to_disk().map(|()| file))
            .map_err(ShardError::io("write", what))?;
        Ok(WrittenFile {
            file,
            checksum: FileChecksum {
                size,
                blake3: hasher.finalize().to_hex().to_string(),
            },
        })
    }
}

impl Write for HashedFile {
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
