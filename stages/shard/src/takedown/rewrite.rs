//! A unit's files, written anew without what tombstones forbid.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Seek;
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_select::filter::filter_record_batch;
use img2tokens_schemas::{Failure, FailureReason};

use super::forbidden::subject;
use super::{Tombstones, contexts, taken_down};
use crate::census::Census;
use crate::commit::Attempt;
use crate::destination::{UnitFiles, checksum_of};
use crate::encode::{FailureColumns, TableFile, data_properties, failure_properties};
use crate::hashed_file::{HashedFile, WrittenFile};
use crate::images::{copy_without, sample_name};
use crate::read::{DataBatch, DataReader, FailureReader};
use crate::writer::BATCH_ROWS;
use crate::{Destination, Encoding, PackedSummary, ShardError, ShardStats, UnitId};

/// The next revision of a unit, not yet in place.
pub(super) struct Rewritten {
    pub(super) attempt: Attempt,
    /// Pairs and texts with sequences that it lacks.
    pub(super) pairs: u64,
    /// Failed pairs of which it keeps nothing but the key.
    pub(super) failures: u64,
}

/// Writes the next revision of the unit with these stats and files. Blocks.
pub(super) fn rewrite(
    destination: &Destination,
    stats: ShardStats,
    files: UnitFiles<File>,
    tombstones: &Tombstones,
    encoding: Encoding,
) -> Result<Rewritten, ShardError> {
    let unit = stats.unit;
    let data = committed_data(&stats, files.data)?;
    let failures = FailureReader::of_file(unit.failures_file(), files.failures)?;
    // An attempt that was lost before its data were in place has listed the pairs already.
    let are_listed = failures.rows() != stats.failed();
    let mut failed = FailedRows::begin(destination, unit, &failures, encoding)?;
    failed.copy(failures, tombstones)?;
    let mut sequences = Sequences::begin(destination, unit, &data, encoding)?;
    for batch in data {
        let batch = batch?;
        for key in sequences.copy(&batch, tombstones)? {
            if !are_listed {
                failed.push(&key, None, &taken_down())?;
            }
        }
    }
    let pictures = || sequences.keys.iter().map(|key| sample_name(key)).collect();
    let images = files
        .images
        .map(|archive| copy_without(archive, destination.stage(unit, "images")?, &pictures()))
        .transpose()?;
    let (images, images_file) = images.map(|images| (images.file, images.checksum)).unzip();
    let (packed, packed_file, summary) = match files.packed {
        Some(packed) => {
            let written = contexts::copy_without(destination, unit, packed, &sequences.keys, encoding)?;
            let (WrittenFile { file, checksum }, summary) = written;
            check_packed(unit, &sequences.kept, &summary)?;
            (Some(file), Some(checksum), Some(summary))
        }
        None => (None, None, None),
    };
    let Sequences {
        table, kept, taken, ..
    } = sequences;
    let data = table.finish()?;
    failed.flush()?;
    let failures = failed.table.finish()?;
    let revised = ShardStats {
        pairs: kept.pairs,
        texts: kept.texts,
        sequences: kept.sequences,
        failures: failed.reasons,
        document_images: kept.document_images,
        dropped_images: kept.dropped_images,
        image_codes: kept.image_codes,
        input_ids: kept.input_ids,
        captions_truncated: stats.captions_truncated.saturating_sub(taken.captions_truncated),
        texts_dropped: kept.texts_dropped,
        reconstruction_cosine: kept.cosines.into_option(),
        data_file: data.checksum,
        failures_file: failures.checksum,
        images_file,
        packed: summary,
        packed_file,
        revision: stats.revision + 1,
        ..stats
    };
    revised.check_accounted()?;
    revised.check(unit)?;
    Ok(Rewritten {
        attempt: Attempt {
            files: UnitFiles {
                data: data.file,
                failures: failures.file,
                images,
                packed,
            },
            stats: revised,
        },
        pairs: taken.pairs + taken.texts,
        failures: failed.taken,
    })
}

/// The data file, if it is the one that was committed: what is damaged must not get a checksum that calls it whole.
fn committed_data(stats: &ShardStats, mut file: File) -> Result<DataReader, ShardError> {
    let name = stats.unit.data_file();
    let found = checksum_of(&file).map_err(ShardError::io("read", &name))?;
    if found != stats.data_file {
        return Err(ShardError::Altered { name });
    }
    file.rewind().map_err(ShardError::io("read", &name))?;
    DataReader::of_file(name, file)
}

/// Whether all ids of the sequences that are left are in contexts: what is damaged must not get a checksum either.
fn check_packed(unit: UnitId, kept: &Census, packed: &PackedSummary) -> Result<(), ShardError> {
    let tokens = kept.input_ids.sum();
    if packed.tokens == tokens {
        return Ok(());
    }
    Err(ShardError::Unpacked {
        unit,
        tokens,
        packed: packed.tokens,
    })
}

/// The failures file under way.
struct FailedRows {
    table: TableFile<HashedFile>,
    rows: FailureColumns,
    batch_rows: usize,
    reasons: BTreeMap<FailureReason, u64>,
    /// Failed pairs that were taken down.
    taken: u64,
}

impl FailedRows {
    fn begin(
        destination: &Destination,
        unit: UnitId,
        before: &FailureReader,
        encoding: Encoding,
    ) -> Result<Self, ShardError> {
        let schema = Arc::new(before.schema().clone());
        let properties = failure_properties(encoding, &schema)?;
        let file = HashedFile::new(destination.stage(unit, "failures")?);
        Ok(Self {
            table: TableFile::new("failures", file, schema.clone(), properties)?,
            rows: FailureColumns::new(schema),
            batch_rows: encoding.row_group_rows.min(BATCH_ROWS),
            reasons: BTreeMap::new(),
            taken: 0,
        })
    }

    fn copy(&mut self, before: FailureReader, tombstones: &Tombstones) -> Result<(), ShardError> {
        for batch in before {
            for row in batch?.rows() {
                if row.reason != FailureReason::TakenDown && tombstones.forbid(&subject(&row)) {
                    self.taken += 1;
                    self.push(row.key, None, &taken_down())?;
                } else {
                    self.push(row.key, row.url, &row.failure())?;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, key: &str, url: Option<&str>, failure: &Failure) -> Result<(), ShardError> {
        *self.reasons.entry(failure.reason).or_default() += 1;
        self.rows.append(key, url, failure);
        if self.rows.rows() >= self.batch_rows {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ShardError> {
        self.table.write(&self.rows.take()?)
    }
}

/// The data file under way.
struct Sequences {
    table: TableFile<HashedFile>,
    kept: Census,
    taken: Census,
    /// The keys of what is taken down.
    keys: HashSet<String>,
}

impl Sequences {
    fn begin(
        destination: &Destination,
        unit: UnitId,
        before: &DataReader,
        encoding: Encoding,
    ) -> Result<Self, ShardError> {
        let schema = Arc::new(before.schema().clone());
        let properties = data_properties(encoding, &schema)?;
        let file = HashedFile::new(destination.stage(unit, "data")?);
        Ok(Self {
            table: TableFile::new("data", file, schema, properties)?,
            kept: Census::default(),
            taken: Census::default(),
            keys: HashSet::new(),
        })
    }

    /// Writes the rows of a batch that are not forbidden; returns the keys of the pairs that are.
    fn copy(&mut self, batch: &DataBatch, tombstones: &Tombstones) -> Result<Vec<String>, ShardError> {
        let (mut keep, mut taken) = (Vec::new(), Vec::new());
        for row in batch.rows() {
            let is_forbidden = batch
                .subjects(&row)
                .iter()
                .any(|subject| tombstones.forbid(subject));
            if !is_forbidden {
                self.kept.add(batch, &row);
            } else if self.taken.add(batch, &row) {
                taken.push(row.sample.key.to_owned());
                self.keys.insert(row.sample.key.to_owned());
            }
            keep.push(!is_forbidden);
        }
        let kept = filter_record_batch(batch.record_batch(), &BooleanArray::from(keep));
        self.table.write(&kept.map_err(|source| ShardError::Batch {
            table: "data",
            source,
        })?)?;
        Ok(taken)
    }
}
