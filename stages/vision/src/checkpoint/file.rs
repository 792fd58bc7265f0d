//! One file of weights: its bytes, and where in them each tensor lies.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use img2tokens_schemas::open_regular;
use memmap2::{Mmap, UncheckedAdvice};

use super::{CheckpointError, Tensor, TensorDtype};

/// What a file says of the type of a tensor's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoredDtype {
    Float(TensorDtype),
    Other(String),
}

/// Where a tensor says it lies. Nothing of it is believed before [`WeightFile::tensor`] has checked it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub dtype: StoredDtype,
    pub shape: Vec<usize>,
    /// In elements; none where the format knows row-major order only.
    pub strides: Option<Vec<usize>>,
    /// The bytes in the file, from the tensor's first number on, as far as they may be its own.
    pub bytes: Range<usize>,
}

/// The bytes of a file.
pub(super) enum Bytes {
    Mapped(Mmap),
    Generated(Vec<u8>),
}

impl Bytes {
    /// Whether they lie in a file.
    pub(super) const fn is_mapped(&self) -> bool {
        matches!(self, Self::Mapped(_))
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Generated(bytes) => bytes,
        }
    }
}

/// A file and its table of tensors.
pub(super) struct WeightFile {
    pub path: PathBuf,
    pub bytes: Bytes,
    pub entries: HashMap<String, Entry>,
}

/// Maps a file for reading.
#[expect(
    unsafe_code,
    reason = "memory-mapping is how gigabytes of weights are opened without being read twice"
)]
pub(super) fn map(path: &Path) -> Result<Bytes, CheckpointError> {
    let failed = |source| CheckpointError::Read {
        path: path.to_owned(),
        source,
    };
    let file = open_regular(path).map_err(failed)?;
    // SAFETY: the map is read-only and private to us. A file that another process changes or truncates meanwhile would
    // break it; model files are immutable once written, as every loader of weights that maps them presumes.
    let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
    Ok(Bytes::Mapped(map))
}

impl WeightFile {
    /// Drops the pages of a tensor from this process; the system's cache keeps them as long as it likes.
    #[expect(
        unsafe_code,
        reason = "pages of a model that is being loaded would count twice"
    )]
    pub(super) fn release(&self, key: &str) {
        let (Bytes::Mapped(map), Some(entry)) = (&self.bytes, self.entries.get(key)) else {
            return;
        };
        let end = entry.bytes.end.min(map.len());
        let Some(length) = end.checked_sub(entry.bytes.start).filter(|length| *length > 0) else {
            return;
        };
        // SAFETY: the map is of a file and never written to, so that pages come back as they were.
        let advised =
            unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, entry.bytes.start, length) };
        // Advice that is not taken costs memory, nothing else.
        drop(advised);
    }

    /// The tensor of this key, if it is whole, of this shape, contiguous and of a float type.
    pub(super) fn tensor(&self, key: &str, expected: &[usize]) -> Result<Tensor<'_>, CheckpointError> {
        let (path, key_owned) = (|| self.path.clone(), || key.to_owned());
        let entry = self.entries.get(key).ok_or_else(|| CheckpointError::Missing {
            path: path(),
            key: key_owned(),
            expected: expected.to_vec(),
        })?;
        let shape = || entry.shape.clone();
        if entry.shape != expected {
            return Err(CheckpointError::Shape {
                path: path(),
                key: key_owned(),
                expected: expected.to_vec(),
                found: shape(),
            });
        }
        let dtype = match &entry.dtype {
            StoredDtype::Float(dtype) => *dtype,
            StoredDtype::Other(found) => {
                return Err(CheckpointError::Dtype {
                    path: path(),
                    key: key_owned(),
                    found: found.clone(),
                });
            }
        };
        if let Some(strides) = entry
            .strides
            .as_ref()
            .filter(|strides| !is_row_major(&entry.shape, strides))
        {
            return Err(CheckpointError::Strided {
                path: path(),
                key: key_owned(),
                shape: shape(),
                strides: strides.clone(),
            });
        }
        // The expected shape comes from a validated config, so its product does not overflow.
        let needed = expected.iter().product::<usize>() * dtype.size();
        let stored = self.bytes.get(entry.bytes.clone()).unwrap_or_default();
        let bytes = stored.get(..needed).ok_or_else(|| CheckpointError::Truncated {
            path: path(),
            key: key_owned(),
            shape: shape(),
            needed,
            found: stored
                .len()
                .min(self.bytes.len().saturating_sub(entry.bytes.start)),
        })?;
        Ok(Tensor::new(dtype, &entry.shape, bytes))
    }
}

/// Whether elements lie in row-major order; the stride of a dimension of one does not matter.
fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1_usize;
    shape.len() == strides.len()
        && shape.iter().zip(strides).rev().all(|(size, stride)| {
            let fits = *size == 1 || *stride == expected;
            expected = expected.saturating_mul(*size);
            fits
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_major_order_is_told_from_others() {
        assert!(is_row_major(&[2, 3], &[3, 1]));
        assert!(is_row_major(&[2, 1, 3], &[3, 99, 1]));
        assert!(!is_row_major(&[3, 2], &[1, 3]));
        assert!(!is_row_major(&[2, 3], &[1]));
    }
}
