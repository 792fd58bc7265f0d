//! The table of a safetensors file, read and written.
//!
//! The header is parsed by the `safetensors` crate; its offsets are checked tensor by tensor when one is asked for
//! ([`WeightFile::tensor`]), so that a truncated file's error names the tensor that is cut.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::file::{Entry, StoredDtype, WeightFile, map};
use super::{CheckpointError, Tensor, TensorDtype};

/// The length of the field that holds the header's length.
const LENGTH_FIELD: usize = 8;

/// The longest header that is parsed; parsed, it takes several times as much. LaVIT's has 120 KB, and the format allows
/// 100 MB.
const MAX_HEADER: usize = 16 << 20;

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
    let entry = |(key, info): (String, &TensorInfo)| {
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

/// Writes a file of these tensors, one after the other. The widest types come first, so that each lies aligned.
pub(super) fn write(output: &mut impl Write, mut tensors: Vec<(&str, Tensor<'_>)>) -> std::io::Result<()> {
    tensors.sort_by_key(|(_, tensor)| Reverse(tensor.dtype().size()));
    let mut end = 0;
    let info = |(key, tensor): &(&str, Tensor<'_>)| {
        let start = end;
        end += tensor.bytes().len();
        let info = TensorInfo {
            dtype: written(tensor.dtype()),
            shape: tensor.shape().to_vec(),
            data_offsets: (start, end),
        };
        ((*key).to_owned(), info)
    };
    let table = tensors.iter().map(info).collect();
    let metadata = Metadata::new(None, table).map_err(std::io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(LENGTH_FIELD), b' ');
    output.write_all(&(header.len() as u64).to_le_bytes())?;
    output.write_all(&header)?;
    tensors
        .iter()
        .try_for_each(|(_, tensor)| output.write_all(tensor.bytes()))
}

const fn written(dtype: TensorDtype) -> Dtype {
    match dtype {
        TensorDtype::F64 => Dtype::F64,
        TensorDtype::F32 => Dtype::F32,
        TensorDtype::F16 => Dtype::F16,
        TensorDtype::Bf16 => Dtype::BF16,
    }
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
