//! One unit proven: stats, checksums, tables, counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek;
use std::sync::Arc;

use img2tokens_schemas::Order;

use super::document::{check_document, check_masks};
use super::ledger::KeyPlace;
use super::optional::check_optional;
use super::packed::{Contents, check_contexts};
use super::row::{check_dropped, check_row};
use super::{Findings, KeyLedger};
use crate::census::Census;
use crate::destination::checksum_of;
use crate::read::{ContextReader, DataReader, FailureReader, Reader, Sample, Table};
use crate::stats::read_unchecked;
use crate::{Destination, FileChecksum, ShardError, ShardStats, UnitId};

/// What the plan says of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The plan's hash.
    pub plan: String,
    /// The number of the unit's rows in the input, if the plan knows it.
    pub rows: Option<u64>,
}

/// What was found out about a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitReport {
    /// The unit.
    pub unit: UnitId,
    /// Its stats, if they can be read and can be true.
    pub stats: Option<ShardStats>,
    /// What is wrong.
    pub findings: Findings,
}

/// Verifies one unit against its stats and, if it is known, against its plan. Its keys go into `keys`.
///
/// Reads all tables twice: once for the checksum, once for the rows; and the archive of pictures once. Memory: one batch of rows.
///
/// # Errors
/// If the files cannot be looked at. That they are missing, damaged or wrong is a finding.
pub async fn verify_unit(
    destination: &Destination,
    unit: UnitId,
    expected: Option<&Expected>,
    keys: &Arc<KeyLedger>,
) -> Result<UnitReport, ShardError> {
    let mut findings = Findings::default();
    let stats = match read_unchecked(destination, unit).await {
        Ok(Some(stats)) => Ok(stats),
        Ok(None) => Err("it is missing: the unit is not committed".to_owned()),
        Err(ShardError::Json { source, .. }) => Err(format!("it is no stats file: {source}")),
        Err(error) => Err(in_words(error)?),
    };
    let stats = match stats {
        Ok(stats) => stats,
        Err(what) => {
            findings.add(&unit.stats_file(), None, what);
            return Ok(UnitReport {
                unit,
                stats: None,
                findings,
            });
        }
    };
    let is_possible = check_stats(&stats, unit, expected, &mut findings);
    let data = open(destination, unit.data_file(), &mut findings).await?;
    let failures = open(destination, unit.failures_file(), &mut findings).await?;
    let packed = open(destination, unit.packed_file(), &mut findings).await?;
    let (of_unit, keys) = (stats.clone(), keys.clone());
    let tables = tokio::task::spawn_blocking(move || {
        let check = UnitCheck {
            unit,
            stats: &of_unit,
            keys: &keys,
        };
        check.tables(data, failures, packed)
    });
    match tables.await {
        Ok(found) => findings.merge(found?),
        // Bytes that are not what was written may be too much for a decoder.
        Err(error) if error.is_panic() => {
            findings.add(&unit.data_file(), None, "a table of the unit cannot be decoded");
        }
        Err(error) => return Err(error.into()),
    }
    if let Some(committed) = &stats.images_file {
        let name = unit.images_file();
        match destination.checksum(&name).await {
            Ok(Some(found)) => check_checksum(&name, &found, committed, &mut findings),
            Ok(None) => findings.add(&name, None, "it is missing"),
            Err(error) => findings.add(&name, None, in_words(error)?),
        }
    }
    Ok(UnitReport {
        unit,
        stats: is_possible.then_some(stats),
        findings,
    })
}

/// A file of the unit; none if it is not there, or is no file, which is a finding.
async fn open(
    destination: &Destination,
    name: String,
    findings: &mut Findings,
) -> Result<Option<File>, ShardError> {
    match destination.open(&name).await {
        Ok(file) => Ok(file),
        Err(error) => {
            findings.add(&name, None, in_words(error)?);
            Ok(None)
        }
    }
}

/// What is wrong with a name that is no file of ours.
fn in_words(error: ShardError) -> Result<String, ShardError> {
    match error {
        ShardError::TooLarge { most, .. } => Ok(format!("it has more than {most} bytes")),
        error if error.is_irregular() => {
            Ok("it is no regular file of the output, but a link, pipe, device or folder".to_owned())
        }
        error => Err(error),
    }
}

/// Checks the numbers alone, and against the plan; says whether they can be.
fn check_stats(
    stats: &ShardStats,
    unit: UnitId,
    expected: Option<&Expected>,
    findings: &mut Findings,
) -> bool {
    let file = unit.stats_file();
    let problems = stats.problems(unit);
    let is_possible = problems.is_empty();
    for problem in problems {
        findings.add(&file, None, problem);
    }
    let Some(expected) = expected else {
        return is_possible;
    };
    if stats.plan != expected.plan {
        findings.add(
            &file,
            None,
            format!("it is of plan {}, not {}", stats.plan, expected.plan),
        );
    }
    if let Some(rows) = expected.rows.filter(|rows| *rows != stats.rows_read) {
        findings.add(
            &file,
            None,
            format!("{} rows were read, and the plan has {rows}", stats.rows_read),
        );
    }
    is_possible
}

fn check_checksum(name: &str, found: &FileChecksum, committed: &FileChecksum, findings: &mut Findings) {
    if found != committed {
        findings.add(
            name,
            None,
            format!(
                "it has {} bytes with BLAKE3 {}, and {} bytes with BLAKE3 {} were committed",
                found.size, found.blake3, committed.size, committed.blake3
            ),
        );
    }
}

/// The check of one unit's tables; blocks.
struct UnitCheck<'a> {
    unit: UnitId,
    stats: &'a ShardStats,
    keys: &'a KeyLedger,
}

impl UnitCheck<'_> {
    fn tables(
        &self,
        data: Option<File>,
        failures: Option<File>,
        packed: Option<File>,
    ) -> Result<Findings, ShardError> {
        let (unit, stats) = (self.unit, self.stats);
        let (mut findings, mut of_data, mut of_packed) = <(Findings, Contents, Contents)>::default();
        let check_data = |name: &str, reader, findings: &mut Findings| {
            of_data = self.data_rows(name, reader, findings)?;
            Ok(())
        };
        findings.merge(self.table(&unit.data_file(), data, &stats.data_file, check_data)?);
        let check_failures =
            |name: &str, reader, findings: &mut Findings| self.failure_rows(name, reader, findings);
        findings.merge(self.table(
            &unit.failures_file(),
            failures,
            &stats.failures_file,
            check_failures,
        )?);
        let name = unit.packed_file();
        if let Some(checksum) = &stats.packed_file {
            let check_packed = |name: &str, reader: ContextReader, findings: &mut Findings| {
                let length = reader.metadata().packing.as_ref().map(|packing| packing.length);
                of_packed = check_contexts(name, reader, stats, length, findings)?;
                Ok(())
            };
            findings.merge(self.table(&name, packed, checksum, check_packed)?);
            if of_data != of_packed {
                findings.add(
                    &name,
                    None,
                    "its ids are not those of the unit's sequences, each once",
                );
            }
        } else if packed.is_some() {
            findings.add(&name, None, "its stats know of no such file");
        }
        Ok(findings)
    }

    /// Checks a table's bytes, schema and metadata, then its rows by `check_rows`.
    fn table<B: Table>(
        &self,
        name: &str,
        file: Option<File>,
        checksum: &FileChecksum,
        check_rows: impl FnOnce(&str, Reader<B>, &mut Findings) -> Result<(), ShardError>,
    ) -> Result<Findings, ShardError> {
        let mut findings = Findings::default();
        let Some(mut file) = file else {
            findings.add(name, None, "it is missing");
            return Ok(findings);
        };
        let found = checksum_of(&file).map_err(ShardError::io("read", name))?;
        check_checksum(name, &found, checksum, &mut findings);
        file.rewind().map_err(ShardError::io("read", name))?;
        let checked = Reader::of_file(name.to_owned(), file).and_then(|reader| {
            self.metadata(name, &reader, &mut findings);
            check_rows(name, reader, &mut findings)
        });
        match checked {
            Err(ShardError::Decode { source, .. }) => {
                findings.add(name, None, format!("it cannot be decoded: {source}"));
            }
            Err(ShardError::Foreign { problem, .. }) => findings.add(name, None, problem),
            checked => checked?,
        }
        Ok(findings)
    }

    fn metadata<B: Table>(&self, name: &str, reader: &Reader<B>, findings: &mut Findings) {
        let metadata = reader.metadata();
        if metadata.unit != self.unit {
            findings.add(name, None, format!("its rows are those of {}", metadata.unit));
        }
        if metadata.plan != self.stats.plan {
            findings.add(
                name,
                None,
                format!("it is of plan {}, not {}", metadata.plan, self.stats.plan),
            );
        }
    }

    /// Checks all rows; returns what they hold, if that is to be compared.
    fn data_rows(
        &self,
        name: &str,
        reader: DataReader,
        findings: &mut Findings,
    ) -> Result<Contents, ShardError> {
        let vocabulary = reader.metadata().vocabulary;
        let (mut contents, mut census, mut mask_bytes) = (Contents::default(), Census::default(), None);
        for batch in reader {
            let batch = batch?;
            for (place, row) in batch.rows().enumerate() {
                let sample = row.sample;
                let mut wrong = |what| findings.add(name, Some(sample.row), what);
                check_row(&vocabulary, &row, &mut wrong);
                check_optional(&batch, place, &row, &mut wrong);
                if self.stats.packed_file.is_some() {
                    contents.add(sample.key, sample.order, 0, sample.input_ids);
                }
                if census.add(&batch, &row) {
                    self.key_of_data(&sample)?;
                }
                if let Some(parts) = batch.document(&row) {
                    check_document(&vocabulary, &row, &parts, &mut wrong);
                    check_masks(&parts, &mut mask_bytes, &mut wrong);
                    continue;
                }
                if sample.order == Order::Text {
                    continue;
                }
                if let Some(said) = batch.flag("text_dropped", &row) {
                    check_dropped(&vocabulary, &sample, said, &mut wrong);
                }
                if *mask_bytes.get_or_insert(row.kept_patches.len()) != row.kept_patches.len() {
                    findings.add(
                        name,
                        Some(sample.row),
                        "its kept_patches is not as long as those before it",
                    );
                }
            }
        }
        self.counts(name, &census, findings);
        Ok(contents)
    }

    fn counts(&self, name: &str, census: &Census, findings: &mut Findings) {
        let stats = self.stats;
        let found = (census.pairs, census.texts, census.sequences);
        if found != (stats.pairs, stats.texts, stats.sequences) {
            findings.add(
                name,
                None,
                format!(
                    "it has {} pairs and {} texts in {} sequences, and its stats say {} and {} in {}",
                    census.pairs, census.texts, census.sequences, stats.pairs, stats.texts, stats.sequences
                ),
            );
        }
        if (census.document_images, &census.dropped_images) != (stats.document_images, &stats.dropped_images)
        {
            findings.add(
                name,
                None,
                "its images of documents are not those that its stats count",
            );
        }
        if (&census.image_codes, &census.input_ids) != (&stats.image_codes, &stats.input_ids) {
            findings.add(name, None, "its codes or ids are not as many as its stats say");
        }
        if census.cosines.into_option() != stats.reconstruction_cosine {
            findings.add(name, None, "its cosines are not those that its stats sum up");
        }
        if census.texts_dropped != stats.texts_dropped {
            findings.add(
                name,
                None,
                "not as many of its texts were dropped as its stats say",
            );
        }
    }

    fn key_of_data(&self, sample: &Sample<'_>) -> Result<(), ShardError> {
        let place = KeyPlace {
            unit: self.unit,
            in_failures: false,
            row: sample.row,
        };
        self.keys.add(sample.key, place)
    }

    fn failure_rows(
        &self,
        name: &str,
        reader: FailureReader,
        findings: &mut Findings,
    ) -> Result<(), ShardError> {
        let mut reasons = BTreeMap::new();
        for batch in reader {
            for row in batch?.rows() {
                *reasons.entry(row.reason).or_default() += 1;
                self.keys.add(
                    row.key,
                    KeyPlace {
                        unit: self.unit,
                        in_failures: true,
                        row: row.row,
                    },
                )?;
            }
        }
        if reasons != self.stats.failures {
            findings.add(
                name,
                None,
                format!(
                    "it has {} rows, and its stats say {} with other reasons or in other numbers",
                    reasons.values().sum::<u64>(),
                    self.stats.failed()
                ),
            );
        }
        Ok(())
    }
}
