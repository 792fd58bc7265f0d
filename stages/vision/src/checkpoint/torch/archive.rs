//! The zip archive around the pickle: `NAME/data.pkl`, `NAME/byteorder`, and each storage's bytes as `NAME/data/KEY`,
//! stored without compression so that they can be mapped.

use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;

use zip::ZipArchive;
use zip::result::ZipError;

use super::super::file::{Entry, StoredDtype};
use super::pickle::{PickleError, load};
use super::state_dict::{StoredTensor, tensors};

/// The longest `data.pkl` we read: that of a model of 100,000 tensors is a tenth of it.
const MAX_PICKLE: usize = 64 << 20;

/// Why a file is not one of PyTorch's.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The archive itself is broken, or it is none (PyTorch before 1.6 wrote other files).
    #[error("not a zip archive that can be read")]
    Zip(#[from] ZipError),
    /// A member is not there.
    #[error("the archive has no member `{0}`")]
    Member(String),
    /// A member cannot be mapped: it is compressed, encrypted, or lies outside the file.
    #[error("member `{0}` is not stored as plain bytes within the file")]
    NotPlain(String),
    /// The numbers are not little-endian.
    #[error("numbers are stored in `{0}` byte order, not `little`")]
    ByteOrder(String),
    /// The pickle is too long.
    #[error("data.pkl is {0} bytes long, more than 64 MiB")]
    TooLong(usize),
    /// The pickle is broken.
    #[error("data.pkl")]
    Pickle(#[from] PickleError),
    /// What the pickle holds is not a dictionary.
    #[error("data.pkl holds no dictionary of tensors")]
    NoDictionary,
}

/// The tensors of an archive and where their bytes lie in it.
pub(super) fn entries(bytes: &[u8]) -> Result<HashMap<String, Entry>, ArchiveError> {
    let members = members(bytes)?;
    let (pickle_name, pickle) = members
        .iter()
        .find(|(name, _)| name.ends_with("/data.pkl"))
        .ok_or_else(|| ArchiveError::Member("*/data.pkl".to_owned()))?;
    let root = pickle_name.trim_end_matches("data.pkl");
    let plain = |name: &str, range: &Option<Range<usize>>| {
        let range = range
            .clone()
            .ok_or_else(|| ArchiveError::NotPlain(name.to_owned()))?;
        bytes
            .get(range.clone())
            .map(|bytes| (range, bytes))
            .ok_or_else(|| ArchiveError::NotPlain(name.to_owned()))
    };
    if let Some(order) = members.get(&format!("{root}byteorder")) {
        let (_, order) = plain("byteorder", order)?;
        if order != b"little" {
            let shown = order.iter().take(16).map(|byte| char::from(*byte)).collect();
            return Err(ArchiveError::ByteOrder(shown));
        }
    }
    let (_, pickle) = plain(pickle_name, pickle)?;
    if pickle.len() > MAX_PICKLE {
        return Err(ArchiveError::TooLong(pickle.len()));
    }
    let heap = load(pickle)?;
    let mut entries = HashMap::new();
    for (key, tensor) in tensors(&heap).ok_or(ArchiveError::NoDictionary)? {
        let name = format!("{root}data/{}", tensor.storage);
        let member = members
            .get(&name)
            .ok_or_else(|| ArchiveError::Member(name.clone()))?;
        let (range, _) = plain(&name, member)?;
        entries.insert(key.to_owned(), entry(tensor, range));
    }
    Ok(entries)
}

/// Each member's place in the file; none for one that is compressed or encrypted.
fn members(bytes: &[u8]) -> Result<HashMap<String, Option<Range<usize>>>, ArchiveError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut members = HashMap::new();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index)?;
        let plain = member.compression() == zip::CompressionMethod::Stored && !member.encrypted();
        let start = member.data_start().and_then(|start| usize::try_from(start).ok());
        let length = usize::try_from(member.size()).ok();
        let range = match (plain, start, length) {
            (true, Some(start), Some(length)) => start.checked_add(length).map(|end| start..end),
            _ => None,
        };
        members.insert(String::from_utf8_lossy(member.name_raw()).into_owned(), range);
    }
    Ok(members)
}

fn entry(tensor: StoredTensor<'_>, storage: Range<usize>) -> Entry {
    let size = match &tensor.dtype {
        StoredDtype::Float(dtype) => dtype.size(),
        StoredDtype::Other(_) => 1,
    };
    let skipped = tensor.offset.saturating_mul(size);
    let start = storage.start.saturating_add(skipped).min(storage.end);
    Entry {
        dtype: tensor.dtype,
        shape: tensor.shape,
        strides: Some(tensor.strides),
        bytes: start..storage.end,
    }
}
