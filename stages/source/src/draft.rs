//! A row before it has its place, and the batches in which rows leave this room.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use bytes::Bytes;
use img2tokens_schemas::{
    Failure, FailureReason, KeptColumns, Outcome, Part, PictureSource, Row, RowIndex, StatedDigest,
};

use crate::SourceError;

/// How much of a malformed digest is shown.
const SHOWN_CHARS: usize = 80;
/// The longest words about a failure: some repeat what was found, however long it is.
const MAX_DETAIL_BYTES: usize = 512;

/// Rows that were read together. `rows_read` = `filtered` + `rows.len()`.
#[derive(Debug)]
pub struct RowBatch {
    /// The rows that passed the filters, in input order; a row that could not be read comes as the outcome it has.
    pub rows: Vec<Result<Row, Outcome>>,
    /// How many rows the filters left out.
    pub filtered: u64,
    /// How many rows of the input this batch accounts for.
    pub rows_read: u64,
}

/// What one record of any format says.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) key: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) image: Option<Bytes>,
    pub(crate) caption: Option<String>,
    pub(crate) further_captions: Vec<Option<String>>,
    pub(crate) stated_digest: Option<StatedDigest>,
    pub(crate) document: Option<Vec<Part>>,
    /// Why the row cannot be used, if it cannot.
    pub(crate) failure: Option<Failure>,
}

impl Draft {
    /// Marks the row as one that cannot be used; the first reason stays.
    pub(crate) fn fail(&mut self, reason: FailureReason, detail: impl Into<String>) {
        self.failure.get_or_insert_with(|| failure(reason, detail));
    }

    /// How many bytes it holds, about.
    pub(crate) fn bytes(&self) -> u64 {
        const FIXED: usize = size_of::<Draft>();
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let part = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Image { picture, .. } => picture.url().map_or(0, str::len),
        };
        let texts = [&self.key, &self.url, &self.caption]
            .into_iter()
            .chain(&self.further_captions);
        let parts = self
            .document
            .iter()
            .flatten()
            .map(|of| size_of::<Part>() + part(of));
        let image = self.image.as_ref().map_or(0, Bytes::len);
        let detail = self.failure.as_ref().map_or(0, |failure| failure.detail.len());
        (FIXED + image + detail + texts.map(text).sum::<usize>() + parts.sum::<usize>()) as u64
    }

    /// Takes the parts of a document, or marks the row by why there are none.
    pub(crate) fn take_document(&mut self, parts: Result<Vec<Part>, Failure>) {
        match parts {
            Ok(parts) => self.document = Some(parts),
            Err(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
    }
}

/// A failure whose words are cut where they get long.
pub(crate) fn failure(reason: FailureReason, detail: impl Into<String>) -> Failure {
    let mut detail = detail.into();
    if detail.len() > MAX_DETAIL_BYTES {
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL_BYTES));
        detail.push_str("...");
        detail.shrink_to_fit();
    }
    Failure::new(reason, detail)
}

/// Where the rows of an extent stand: in which input, from which row on.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) input: Arc<str>,
    pub(crate) input_number: u32,
    pub(crate) first_row: u64,
}

/// A draft, its index in the extent, and its row in the batch of kept columns.
pub(crate) struct Placed {
    pub(crate) index: u64,
    pub(crate) kept_row: usize,
    pub(crate) draft: Draft,
}

impl Place {
    /// Drafts to rows.
    pub(crate) fn finish(
        &self,
        drafts: Vec<Placed>,
        kept: RecordBatch,
        rows_read: u64,
    ) -> Result<RowBatch, SourceError> {
        let kept = Arc::new(kept);
        let filtered = rows_read.saturating_sub(drafts.len() as u64);
        let finish = |placed: Placed| {
            let columns = KeptColumns::new(Arc::clone(&kept), placed.kept_row).ok_or_else(|| {
                let problem = "fewer kept values than rows".to_owned();
                SourceError::decode(
                    &self.input,
                    self.first_row + placed.index,
                    ArrowError::InvalidArgumentError(problem),
                )
            })?;
            Ok(self.row(placed.index, placed.draft, columns))
        };
        let rows = drafts
            .into_iter()
            .map(finish)
            .collect::<Result<_, SourceError>>()?;
        Ok(RowBatch {
            rows,
            filtered,
            rows_read,
        })
    }

    fn row(&self, index: u64, draft: Draft, kept: KeptColumns) -> Result<Row, Outcome> {
        let key = draft
            .key
            .unwrap_or_else(|| format!("{:05}-{:09}", self.input_number, self.first_row + index));
        let index = RowIndex(index);
        let url = draft.url.filter(|url| !url.trim().is_empty());
        if let Some(failure) = draft.failure {
            return Err(Outcome {
                index,
                key,
                url,
                kept,
                result: Err(failure),
            });
        }
        let picture = match (draft.image, url) {
            (Some(bytes), url) => PictureSource::Bytes { bytes, url },
            (None, Some(url)) => PictureSource::Url(url),
            (None, None) => PictureSource::Missing,
        };
        Ok(Row {
            index,
            key,
            picture,
            caption: draft.caption,
            further_captions: draft.further_captions,
            kept,
            stated_digest: draft.stated_digest,
            document: draft.document,
        })
    }
}

/// What a text states as a digest; none if it is blank.
pub(crate) fn digest_of_text(text: &str) -> Option<StatedDigest> {
    let text = text.trim();
    (!text.is_empty()).then(|| digest_of_hex(text).unwrap_or_else(|| malformed(text)))
}

/// What a binary value states as a digest: text first, as it may have come unmarked (no 32 bytes of a hash are digits by
/// chance); none if it is empty.
pub(crate) fn digest_of_binary(bytes: &[u8]) -> Option<StatedDigest> {
    let text = String::from_utf8_lossy(bytes);
    match digest_of_hex(&text).or_else(|| digest_of_bytes(bytes)) {
        None if !bytes.is_empty() => Some(malformed(&text)),
        digest => digest,
    }
}

fn malformed(text: &str) -> StatedDigest {
    StatedDigest::Malformed(text.chars().take(SHOWN_CHARS).collect())
}

/// The digest that a hexadecimal string states, if its length is that of a known one.
fn digest_of_hex(text: &str) -> Option<StatedDigest> {
    let digits = text.trim().as_bytes();
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    digest_of_bytes(&bytes?)
}

/// The digest that raw bytes are, if their length is that of a known one.
fn digest_of_bytes(bytes: &[u8]) -> Option<StatedDigest> {
    if let Ok(md5) = bytes.try_into() {
        return Some(StatedDigest::Md5(md5));
    }
    bytes.try_into().ok().map(StatedDigest::Sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_told_apart_by_their_length() {
        assert_eq!(
            digest_of_hex("000102030405060708090a0b0c0d0E0F"),
            Some(StatedDigest::Md5([
                0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
            ]))
        );
        assert_eq!(
            digest_of_hex(&"ab".repeat(32)),
            Some(StatedDigest::Sha256([0xab; 32]))
        );
        for text in [
            "",
            "abc",
            "zz",
            &"ab".repeat(20),
            "+00102030405060708090a0b0c0d0e0f",
        ] {
            assert_eq!(digest_of_hex(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_digest_is_told_from_none_at_all() {
        assert_eq!((digest_of_text(" "), digest_of_binary(b"")), (None, None));
        let malformed = Some(StatedDigest::Malformed("n/a".to_owned()));
        assert_eq!(
            (digest_of_text(" n/a"), digest_of_binary(b"n/a")),
            (malformed.clone(), malformed)
        );
        let md5 = Some(StatedDigest::Md5([0xab; 16]));
        assert_eq!(digest_of_text(&"ab".repeat(16)), md5);
        assert_eq!(digest_of_binary("ab".repeat(16).as_bytes()), md5);
        assert_eq!(digest_of_binary(&[0xab; 16]), md5);
    }
}
