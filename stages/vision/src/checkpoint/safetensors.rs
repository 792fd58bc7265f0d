//! The table of a safetensors file.
//!
//! The header is parsed by the `safetensors` crate; its offsets are checked tensor by tensor when one is asked for
//! ([`WeightFile::tensor`]), so that a truncated file's error names the tensor that is cut.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata};

use super::CheckpointError;
use super::TensorDtype;
use super::file::{Entry, StoredDtype, WeightFile, map};

/// The length of the field that holds the header's length.
const LENGTH_FIELD: usize = 8;

/// The format's own limit on the header.
const MAX_HEADER: usize = 100_000_000;

/// Opens a safetensors file.
pub(super) fn open(path: &Path) -> Result<WeightFile, CheckpointError> {
    let bytes = map(path)?;
    let entries = table(&bytes).map_err(|reason| CheckpointError::Safetensors {
        path: path.to_owned(),
        reason: reason.to_string(),
    })?;
    Ok(WeightFile {
        path: path.to_owned(),
        bytes,
        entries,
    })
}

fn table(bytes: &[u8]) -> Result<HashMap<String, Entry>, Box<dyn std::error::Error>> {
    let (length, rest) = bytes
        .split_first_chunk::<LENGTH_FIELD>()
        .ok_or("the file is shorter than 8 bytes")?;
    let length = usize::try_from(u64::from_le_bytes(*length))?;
    if length > MAX_HEADER {
        return Err(format!("the header is {length} bytes long, more than {MAX_HEADER}").into());
    }
    let header = rest.get(..length).ok_or("the file ends within the header")?;
    let metadata: Metadata = serde_json::from_slice(header)?;
    let data = LENGTH_FIELD + length;
    let entry = |(key, info): (String, &safetensors::tensor::TensorInfo)| {
        let (start, end) = info.data_offsets;
        let bytes = data.saturating_add(start)..data.saturating_add(end).min(bytes.len());
        (
            key,
            Entry {
                dtype: stored(info.dtype),
                shape: info.shape.clone(),
                strides: None,
                bytes,
            },
        )
    };
    Ok(metadata.tensors().into_iter().map(entry).collect())
}

fn stored(dtype: Dtype) -> StoredDtype {
    match dtype {
        Dtype::F64 => StoredDtype::Float(TensorDtype::F64),
        Dtype::F32 => StoredDtype::Float(TensorDtype::F32),
        Dtype::F16 => StoredDtype::Float(TensorDtype::F16),
        Dtype::BF16 => StoredDtype::Float(TensorDtype::Bf16),
        other => StoredDtype::Other(format!("{other:?}")),
    }
}
