//! A unit's stats file: the commit marker, and all the numbers about the unit.

mod check;

use std::collections::BTreeMap;

use img2tokens_schemas::FailureReason;
use serde::{Deserialize, Serialize};

use crate::{CosineSummary, Destination, Distribution, ShardError, UnitId};

/// The most bytes of a stats file: half a million different lengths of sequences, and more.
pub const MAX_STATS_BYTES: u64 = 16 << 20;

/// Seconds of work by the name of the stage that did it.
pub type Timings = BTreeMap<String, f64>;

/// What the source tells of a unit when it has read it to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitCounts {
    /// Rows read from the input.
    pub rows_read: u64,
    /// Those that a filter left out; all others were pushed.
    pub filtered: u64,
}

/// What a file must be to be the one that was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChecksum {
    /// Its size in bytes.
    pub size: u64,
    /// The BLAKE3 hash of its bytes, in hexadecimal.
    pub blake3: String,
}

/// What packing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PackedSummary {
    /// Rows of the packed file.
    pub contexts: u64,
    /// Ids in them.
    pub tokens: u64,
    /// Ids that would be in them, were all full.
    pub capacity: u64,
}

impl PackedSummary {
    /// Counts a context of so many ids where `length` fit.
    pub fn add(&mut self, tokens: usize, length: u32) {
        self.contexts += 1;
        self.tokens += tokens as u64;
        self.capacity += u64::from(length);
    }

    /// Adds what another sums up.
    pub const fn merge(&mut self, other: &Self) {
        self.contexts += other.contexts;
        self.tokens += other.tokens;
        self.capacity += other.capacity;
    }

    /// The part of the contexts that is ids and not room left, from 0 to 1; none if there is no context.
    #[must_use]
    pub fn fill_rate(&self) -> Option<f64> {
        (self.capacity > 0).then(|| self.tokens as f64 / self.capacity as f64)
    }
}

/// `stats/part-NNNNN.json`. That it stands says that the unit's other files are whole and final.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardStats {
    /// The version of the program that wrote the unit.
    pub program: String,
    /// The hash of the plan that the unit belongs to.
    pub plan: String,
    /// The unit.
    pub unit: UnitId,
    /// Rows read from the input. With `text_rows` they are `filtered + pairs + texts + failures`. A pair or text that is
    /// taken down becomes a failure.
    pub rows_read: u64,
    /// Texts taken from the corpus of texts.
    #[serde(default)]
    pub text_rows: u64,
    /// Rows that a filter left out.
    pub filtered: u64,
    /// Pairs, or documents, that have sequences.
    pub pairs: u64,
    /// Texts that have a sequence.
    #[serde(default)]
    pub texts: u64,
    /// Rows of the data file.
    pub sequences: u64,
    /// Rows of the failures file, by reason.
    pub failures: BTreeMap<FailureReason, u64>,
    /// Images in the sequences of documents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub document_images: u64,
    /// Images that documents go without, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped_images: BTreeMap<FailureReason, u64>,
    /// Visual codes of an image, over all pairs, or all images of documents.
    pub image_codes: Distribution,
    /// Ids of a sequence, over all sequences.
    pub input_ids: Distribution,
    /// Pairs whose caption, and texts that, were cut off; those taken down since are among them unless the column
    /// `caption_truncated` tells which they are.
    #[serde(default)]
    pub captions_truncated: u64,
    /// Sequences that go without their text.
    #[serde(default)]
    pub texts_dropped: u64,
    /// How near codes lead back to the encoder's features, over all pairs; none if that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconstruction_cosine: Option<CosineSummary>,
    /// The data file.
    pub data_file: FileChecksum,
    /// The failures file.
    pub failures_file: FileChecksum,
    /// The archive of pictures, if they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_file: Option<FileChecksum>,
    /// The contexts that the sequences were packed to, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<PackedSummary>,
    /// The packed file, if sequences are packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed_file: Option<FileChecksum>,
    /// How often rows were taken out of the unit since it was committed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u64,
    /// Seconds each stage worked on this unit.
    pub timings: Timings,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ShardStats {
    /// The number of pairs that failed, whatever the reason.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether every row that was read, of the input or the corpus of texts, is a filtered one, a pair, a text or a
    /// failure.
    pub(crate) fn check_accounted(&self) -> Result<(), ShardError> {
        let ends = [self.filtered, self.pairs, self.texts, self.failed()];
        let accounted = ends.into_iter().try_fold(0_u64, u64::checked_add);
        if accounted.is_some() && accounted == self.rows_read.checked_add(self.text_rows) {
            return Ok(());
        }
        Err(ShardError::Unaccounted {
            unit: self.unit,
            rows_read: self.rows_read,
            text_rows: self.text_rows,
            filtered: self.filtered,
            pairs: self.pairs,
            texts: self.texts,
            failures: self.failed(),
        })
    }
}

/// The stats of a committed unit; none if the unit is not committed.
///
/// # Errors
/// If the file cannot be read, is no stats file, or holds numbers that cannot be this unit's.
pub async fn read_stats(destination: &Destination, unit: UnitId) -> Result<Option<ShardStats>, ShardError> {
    let stats = read_unchecked(destination, unit).await?;
    if let Some(stats) = &stats {
        stats.check(unit)?;
    }
    Ok(stats)
}

/// The same, whatever its numbers.
pub(crate) async fn read_unchecked(
    destination: &Destination,
    unit: UnitId,
) -> Result<Option<ShardStats>, ShardError> {
    let name = unit.stats_file();
    let bytes = destination.read(&name, MAX_STATS_BYTES).await?;
    bytes
        .map(|bytes| serde_json::from_slice(&bytes).map_err(ShardError::json(&name)))
        .transpose()
}
