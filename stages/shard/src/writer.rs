//! A unit's outcomes on their way into its files.

use std::collections::BTreeMap;

use arrow_schema::Schema;
use img2tokens_schemas::columns::failure_schema;
use img2tokens_schemas::{
    DocumentTokens, Failure, FailureReason, KeptColumns, Outcome, PackedRow, RowIndex, SequenceRow,
};

use crate::commit::{Attempt, commit};
use crate::destination::UnitFiles;
use crate::encode::{
    DataColumns, FailureColumns, TableFile, data_properties, described, failure_properties, of_unit,
};
use crate::hashed_file::HashedFile;
use crate::images::UnitImages;
use crate::packed::UnitPacked;
use crate::{
    CosineSummary, Destination, Distribution, FileChecksum, KeptImage, ShardConfig, ShardError, ShardStats,
    Timings, UnitCounts, UnitId,
};

/// Rows gathered before they are handed to the encoder. Small, so that few of the input's batches are held.
pub(crate) const BATCH_ROWS: usize = 1024;

/// Bytes of features gathered before their rows are handed on, however few.
const BATCH_BYTES: usize = 16 << 20;

/// Writes one unit. Dropped without [`ShardWriter::commit`] it leaves nothing.
///
/// Memory: the encoded pages of one row group and at most 1,024 rows before them (or 16 MiB of features), of each of
/// the two tables; of pictures that are kept, one at a time: those whose outcome is not known yet wait in a temporary
/// file. `begin`, `keep` and `push` write files and compress: call them from a thread that may block.
pub struct ShardWriter {
    destination: Destination,
    unit: UnitId,
    plan: String,
    batch_rows: usize,
    data: TableFile<HashedFile>,
    data_rows: DataColumns,
    failures: TableFile<HashedFile>,
    failure_rows: FailureColumns,
    images: Option<UnitImages>,
    packed: Option<UnitPacked>,
    tally: Tally,
    last: Option<RowIndex>,
    broken: bool,
}

/// What is counted on the way.
#[derive(Default)]
struct Tally {
    pairs: u64,
    text_rows: u64,
    texts: u64,
    sequences: u64,
    document_images: u64,
    dropped_images: BTreeMap<FailureReason, u64>,
    failures: BTreeMap<FailureReason, u64>,
    image_codes: Distribution,
    input_ids: Distribution,
    captions_truncated: u64,
    texts_dropped: u64,
    reconstruction: CosineSummary,
}

impl Tally {
    fn add_document(&mut self, document: &DocumentTokens) {
        self.document_images += document.images.len() as u64;
        for image in &document.images {
            self.image_codes.add(image.len);
        }
        for image in &document.dropped {
            *self.dropped_images.entry(image.reason).or_default() += 1;
        }
    }
}

impl ShardWriter {
    /// Opens the unit's files under temporary names: in the output folder, or in the system's temporary folder if the
    /// destination is a store.
    ///
    /// # Errors
    /// If the configuration cannot be met or the files not be created.
    pub fn begin(destination: &Destination, unit: UnitId, config: &ShardConfig) -> Result<Self, ShardError> {
        let describe = |schema: &Schema| {
            described(
                schema,
                &config.vocabulary,
                &config.provenance,
                of_unit(config, unit),
            )
        };
        let data_schema = config.data_schema()?;
        let data_schema = describe(&data_schema)?;
        let failure_schema = describe(&failure_schema())?;
        let data_properties = data_properties(config.encoding(), &data_schema)?;
        let failure_properties = failure_properties(config.encoding(), &failure_schema)?;
        let data_file = HashedFile::new(destination.stage(unit, "data")?);
        let failures_file = HashedFile::new(destination.stage(unit, "failures")?);
        Ok(Self {
            destination: destination.clone(),
            unit,
            plan: config.plan.clone(),
            batch_rows: config.row_group_rows.min(BATCH_ROWS),
            data: TableFile::new("data", data_file, data_schema.clone(), data_properties)?,
            data_rows: DataColumns::new(data_schema, config),
            failures: TableFile::new(
                "failures",
                failures_file,
                failure_schema.clone(),
                failure_properties,
            )?,
            failure_rows: FailureColumns::new(failure_schema),
            images: config
                .images
                .then(|| UnitImages::begin(destination, unit))
                .transpose()?,
            packed: UnitPacked::begin(destination, unit, config)?,
            tally: Tally::default(),
            last: None,
            broken: false,
        })
    }

    /// Takes a pair's picture, at any time before the pair's outcome; it is thrown away if that is a failure. Where
    /// [`ShardConfig::images`] says that pictures are kept, every pair with sequences must bring one.
    ///
    /// # Errors
    /// If none are kept or it cannot be written. The unit can no longer be committed then.
    pub fn keep(&mut self, index: RowIndex, image: &KeptImage<'_>) -> Result<(), ShardError> {
        let kept = match &mut self.images {
            Some(images) => images.keep(index, image),
            None => Err(ShardError::Image {
                unit: self.unit,
                index,
                problem: "brought a picture, and none are kept",
            }),
        };
        self.broken |= kept.is_err();
        kept
    }

    /// Takes the next pair's outcome. Pairs come in row order; rows that a filter left out do not come.
    ///
    /// # Errors
    /// If the row is out of order, has no sequence or no picture to keep, does not fit its columns, or a file cannot be
    /// written. The unit
    /// can no longer be committed then.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an outcome ends here; callers have no use for it"
    )]
    pub fn push(&mut self, outcome: Outcome) -> Result<(), ShardError> {
        let pushed = self.push_next(&outcome);
        self.broken |= pushed.is_err();
        pushed
    }

    /// Takes a context of this unit's sequences, at any time before the commit; where [`ShardConfig::packing`] says that
    /// sequences are packed, all ids of all of them must come so. `push`'s rules of threads hold.
    ///
    /// # Errors
    /// If sequences are not packed, or the context cannot be written. The unit can no longer be committed then.
    pub fn pack(&mut self, context: &PackedRow) -> Result<(), ShardError> {
        let packed = match &mut self.packed {
            Some(packed) => packed.push(context),
            None => Err(ShardError::Unpacked {
                unit: self.unit,
                tokens: 0,
                packed: context.input_ids.len() as u64,
            }),
        };
        self.broken |= packed.is_err();
        packed
    }

    fn push_next(&mut self, outcome: &Outcome) -> Result<(), ShardError> {
        let (unit, index) = (self.unit, outcome.index);
        if let Some(after) = self.last.filter(|last| *last >= index) {
            return Err(ShardError::OutOfOrder { unit, index, after });
        }
        self.last = Some(index);
        if let Some(images) = &mut self.images {
            images.settle(outcome)?;
        }
        match &outcome.result {
            Ok(rows) if rows.is_empty() => return Err(ShardError::NoSequence { unit, index }),
            Ok(rows) => self.push_sequences(outcome, rows)?,
            Err(failure) => self.push_failure(&outcome.key, outcome.url.as_deref(), failure)?,
        }
        Ok(())
    }

    /// Takes a text alone, at any place among the pairs: its sequence, or why it has none.
    ///
    /// # Errors
    /// As [`ShardWriter::push`]. The unit can no longer be committed then.
    pub fn push_text(&mut self, key: &str, text: &Result<SequenceRow, Failure>) -> Result<(), ShardError> {
        self.tally.text_rows += 1;
        let pushed = match text {
            Ok(row) => {
                self.tally.texts += 1;
                self.tally.captions_truncated += u64::from(row.pair.caption_truncated);
                self.push_row(key, None, None, row)
            }
            Err(failure) => self.push_failure(key, None, failure),
        };
        self.broken |= pushed.is_err();
        pushed
    }

    fn push_failure(&mut self, key: &str, url: Option<&str>, failure: &Failure) -> Result<(), ShardError> {
        *self.tally.failures.entry(failure.reason).or_default() += 1;
        self.failure_rows.append(key, url, failure);
        if self.failure_rows.rows() >= self.batch_rows {
            self.failures.write(&self.failure_rows.take()?)?;
        }
        Ok(())
    }

    fn push_row(
        &mut self,
        key: &str,
        url: Option<&str>,
        kept: Option<&KeptColumns>,
        row: &SequenceRow,
    ) -> Result<(), ShardError> {
        self.data_rows.append(key, url, kept, row)?;
        self.tally.sequences += 1;
        self.tally.texts_dropped += u64::from(row.sequence.text_dropped);
        self.tally
            .input_ids
            .add(count("num_tokens", row.sequence.input_ids.len())?);
        if self.data_rows.rows() >= self.batch_rows || self.data_rows.feature_bytes() >= BATCH_BYTES {
            self.data.write(&self.data_rows.take()?)?;
        }
        Ok(())
    }

    fn push_sequences(&mut self, outcome: &Outcome, rows: &[SequenceRow]) -> Result<(), ShardError> {
        self.tally.pairs += 1;
        for row in rows {
            self.push_row(&outcome.key, outcome.url.as_deref(), Some(&outcome.kept), row)?;
        }
        if let Some(cosine) = rows.first().and_then(|row| row.pair.reconstruction) {
            self.tally.reconstruction.add(cosine);
        }
        let truncated = rows.first().is_some_and(|row| row.pair.caption_truncated);
        self.tally.captions_truncated += u64::from(truncated);
        match rows.first().and_then(|row| row.pair.document.as_ref()) {
            Some(document) => self.tally.add_document(document),
            None => {
                let codes = rows.first().map_or(0, |row| row.pair.visual.codes().len());
                self.tally.image_codes.add(count("image_len", codes)?);
            }
        }
        Ok(())
    }

    /// Finishes the files and makes them the unit's, unless another attempt's have become so already: then that
    /// attempt's stats are returned, and this one leaves nothing.
    ///
    /// When this returns an error the unit is not committed, or the marker was written and the answer lost; trying the
    /// unit again is right in both cases.
    ///
    /// # Errors
    /// If rows are unaccounted for, an earlier push failed, a file cannot be written, the store fails, or the unit
    /// stands committed under another plan.
    pub async fn commit(self, counts: UnitCounts, timings: Timings) -> Result<ShardStats, ShardError> {
        let destination = self.destination.clone();
        let attempt = tokio::task::spawn_blocking(move || self.finish(counts, timings)).await??;
        commit(&destination, attempt).await
    }

    pub(crate) fn finish(mut self, counts: UnitCounts, timings: Timings) -> Result<Attempt, ShardError> {
        if self.broken {
            return Err(ShardError::Broken(self.unit));
        }
        let stats = self.stats(counts, timings);
        stats.check_accounted()?;
        if self.data_rows.rows() > 0 {
            self.data.write(&self.data_rows.take()?)?;
        }
        if self.failure_rows.rows() > 0 {
            self.failures.write(&self.failure_rows.take()?)?;
        }
        if let Some(packed) = stats
            .packed
            .filter(|packed| packed.tokens != stats.input_ids.sum())
        {
            return Err(ShardError::Unpacked {
                unit: self.unit,
                tokens: stats.input_ids.sum(),
                packed: packed.tokens,
            });
        }
        let (data, failures) = (self.data.finish()?, self.failures.finish()?);
        let packed = self.packed.map(UnitPacked::finish).transpose()?;
        let (packed, packed_file) = packed.map(|packed| (packed.file, packed.checksum)).unzip();
        let images = self.images.map(UnitImages::finish).transpose()?;
        let (images, images_file) = images.map(|images| (images.file, images.checksum)).unzip();
        Ok(Attempt {
            files: UnitFiles {
                data: data.file,
                failures: failures.file,
                images,
                packed,
            },
            stats: ShardStats {
                data_file: data.checksum,
                failures_file: failures.checksum,
                images_file,
                packed_file,
                ..stats
            },
        })
    }

    /// All but the checksums.
    fn stats(&mut self, counts: UnitCounts, timings: Timings) -> ShardStats {
        let tally = std::mem::take(&mut self.tally);
        let unknown = FileChecksum {
            size: 0,
            blake3: String::new(),
        };
        ShardStats {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            plan: self.plan.clone(),
            unit: self.unit,
            rows_read: counts.rows_read,
            filtered: counts.filtered,
            text_rows: tally.text_rows,
            pairs: tally.pairs,
            texts: tally.texts,
            sequences: tally.sequences,
            failures: tally.failures,
            document_images: tally.document_images,
            dropped_images: tally.dropped_images,
            image_codes: tally.image_codes,
            input_ids: tally.input_ids,
            captions_truncated: tally.captions_truncated,
            texts_dropped: tally.texts_dropped,
            reconstruction_cosine: tally.reconstruction.into_option(),
            data_file: unknown.clone(),
            failures_file: unknown,
            images_file: None,
            packed: self.packed.as_ref().map(UnitPacked::summary),
            packed_file: None,
            revision: 0,
            timings,
        }
    }
}

fn count(column: &'static str, items: usize) -> Result<u32, ShardError> {
    u32::try_from(items).map_err(|_| ShardError::Overflow {
        column,
        value: items as u64,
    })
}
