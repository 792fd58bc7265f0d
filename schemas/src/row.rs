//! A row on its way: from the input table to sequences or to a failure.

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;

use crate::{Digest, DocumentTokens, Failure, MergedFeatures, Part, Sequence, VisualTokens};

/// A row's place in its unit, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowIndex(pub u64);

/// Where a pair's picture is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureSource {
    /// At a URL, as the input wrote it (not yet parsed).
    Url(String),
    /// In the input itself, with the URL it once came from if the input tells.
    Bytes {
        /// The file's bytes.
        bytes: Bytes,
        /// Where they came from.
        url: Option<String>,
    },
    /// Nowhere: the row has neither.
    Missing,
}

impl PictureSource {
    /// The URL, if one is known.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Url(url) => Some(url),
            Self::Bytes { url, .. } => url.as_deref(),
            Self::Missing => None,
        }
    }
}

/// The kept input columns of one row: a row of a shared batch, so that every Arrow type passes through as it came.
#[derive(Debug, Clone)]
pub struct KeptColumns {
    batch: Arc<RecordBatch>,
    row: usize,
}

impl KeptColumns {
    /// Row `row` of `batch`, or none if the batch is shorter.
    #[must_use]
    pub fn new(batch: Arc<RecordBatch>, row: usize) -> Option<Self> {
        (row < batch.num_rows()).then_some(Self { batch, row })
    }

    /// The batch that holds the kept columns, and nothing else.
    #[must_use]
    pub const fn batch(&self) -> &Arc<RecordBatch> {
        &self.batch
    }

    /// The row in [`KeptColumns::batch`].
    #[must_use]
    pub const fn row(&self) -> usize {
        self.row
    }
}

/// One pair, or document, as read from the input.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its place in the unit.
    pub index: RowIndex,
    /// Its name, unique in the run: orders and selection noise are drawn from it.
    pub key: String,
    /// The picture.
    pub picture: PictureSource,
    /// The caption as the input has it; the first, where several columns hold captions.
    pub caption: Option<String>,
    /// The captions of the other columns, in their order.
    pub further_captions: Vec<Option<String>>,
    /// The input columns that go through to the output.
    pub kept: KeptColumns,
    /// The digest of the image's bytes that the dataset states, if it does.
    pub stated_digest: Option<StatedDigest>,
    /// The parts of a document in their order; it has no picture, captions and digest of its own then.
    pub document: Option<Vec<Part>>,
}

/// What a dataset says its image's bytes hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatedDigest {
    /// An MD5 digest (Re-LAION's `md5`).
    Md5([u8; 16]),
    /// A SHA-256 digest (DataComp's `sha256`).
    Sha256([u8; 32]),
    /// Neither: the beginning of what stands in its place.
    Malformed(String),
}

/// What the stages made of a pair: the parts from which its sequences were assembled, as they stand in the data file.
#[derive(Debug, Clone)]
pub struct PairTokens {
    /// Codes and mask.
    pub visual: VisualTokens,
    /// Merged features of kept patches, by the merger asked for, if the output has that column.
    pub features: Option<MergedFeatures>,
    /// How near the codes lead back to the encoder's features, -1 to 1, if the output has that column.
    pub reconstruction: Option<f32>,
    /// Whether the image's bytes are those whose digest the dataset states, if that is known and the output has that column.
    pub digest_matches: Option<bool>,
    /// The caption's ids, without specials.
    pub text_ids: Vec<u32>,
    /// The caption whose ids they are.
    pub caption: String,
    /// The input column that the caption came from, where it was one of several.
    pub caption_column: Option<Arc<str>>,
    /// Whether ids past the most that a caption may have were cut off.
    pub caption_truncated: bool,
    /// The width of the original image in pixels.
    pub width: u32,
    /// The height of the original image in pixels.
    pub height: u32,
    /// The digest of the image's bytes; none of a text alone, which has no codes and no size either.
    pub sha256: Option<Digest>,
    /// The parts of a document; the codes and text ids here are then those of all its parts, one after the other, and what
    /// else is told here of one image and one caption is empty.
    pub document: Option<DocumentTokens>,
}

/// One row of the data file: a sequence, and the pair it was made of.
#[derive(Debug, Clone)]
pub struct SequenceRow {
    /// The sample.
    pub sequence: Sequence,
    /// Its parts; both orders of a pair share them.
    pub pair: Arc<PairTokens>,
}

/// How one pair ended: its sequences (one, or two when both orders are asked for), or why there is none.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The pair's place in the unit.
    pub index: RowIndex,
    /// The pair's name.
    pub key: String,
    /// Where its picture came from, if a URL is known.
    pub url: Option<String>,
    /// The input columns that go through.
    pub kept: KeptColumns,
    /// The sequences, at least one, or the failure.
    pub result: Result<Vec<SequenceRow>, Failure>,
}
