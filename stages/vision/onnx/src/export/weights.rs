//! The file of a graph's weights: tensors one after the other, each from the checkpoint's map to the disk.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use img2tokens_vision::SaveError;

use super::proto::{EXTERNAL, FLOAT, StringStringEntryProto, TensorProto};

/// Where a tensor may begin, in bytes: at a page, so that readers can map it.
const ALIGNMENT: u64 = 4096;

/// Bytes collected before they are written.
const BUFFER: usize = 1 << 20;

/// A file of float32 tensors on its way to the disk.
pub(super) struct WeightsFile {
    path: PathBuf,
    /// As the graph refers to it: it lies beside the graph.
    name: String,
    file: BufWriter<File>,
    /// Bytes written.
    end: u64,
}

impl WeightsFile {
    /// A new file of this name in a directory.
    pub(super) fn create(directory: &Path, name: String) -> Result<Self, SaveError> {
        let path = directory.join(&name);
        let file = File::create_new(&path).map_err(|source| SaveError::Write {
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            path,
            name,
            file: BufWriter::with_capacity(BUFFER, file),
            end: 0,
        })
    }

    /// Appends a tensor, row-major, and gives the entry by which a graph refers to it.
    pub(super) fn append(
        &mut self,
        name: &str,
        shape: &[usize],
        values: &[f32],
    ) -> Result<TensorProto, SaveError> {
        let offset = self.end.next_multiple_of(ALIGNMENT);
        let padding = vec![0; (offset - self.end) as usize];
        let bytes = || values.iter().map(|value| value.to_le_bytes());
        self.file
            .write_all(&padding)
            .and_then(|()| bytes().try_for_each(|bytes| self.file.write_all(&bytes)))
            .map_err(|source| self.refused(source))?;
        let length = size_of_val(values) as u64;
        self.end = offset + length;
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: key.to_owned(),
            value,
        };
        Ok(TensorProto {
            name: name.to_owned(),
            dims: shape.iter().map(|size| *size as i64).collect(),
            data_type: FLOAT,
            external_data: vec![
                entry("location", self.name.clone()),
                entry("offset", offset.to_string()),
                entry("length", length.to_string()),
            ],
            data_location: Some(EXTERNAL),
            ..TensorProto::default()
        })
    }

    /// Brings all of it onto the disk.
    pub(super) fn finish(mut self) -> Result<(), SaveError> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(|source| self.refused(source))
    }

    fn refused(&self, source: std::io::Error) -> SaveError {
        SaveError::Write {
            path: self.path.clone(),
            source,
        }
    }
}
