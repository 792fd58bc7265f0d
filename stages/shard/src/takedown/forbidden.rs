//! Which rows of a unit tombstones forbid.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use img2tokens_schemas::FailureReason;

use super::{EntryHash, Subject, Tombstones};
use crate::read::{FailureReader, FailureRow, SubjectReader};
use crate::{Destination, ShardError, UnitId};

/// What tombstones forbid of a unit. Memory: 8 bytes a row that they forbid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForbiddenRows {
    /// Rows of the data file, from 0.
    pub sequences: BTreeSet<u64>,
    /// Rows of the failures file, from 0, that hold more than the key of a pair that was taken down.
    pub failures: BTreeSet<u64>,
    /// The entries that name a pair of the unit, those of keys that were taken down before among them.
    pub entries: BTreeSet<EntryHash>,
}

impl ForbiddenRows {
    /// Whether the unit holds nothing that is forbidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty() && self.failures.is_empty()
    }

    fn look_at_data(&mut self, unit: UnitId, data: File, tombstones: &Tombstones) -> Result<(), ShardError> {
        for batch in SubjectReader::of_file(unit.data_file(), data)? {
            for (row, pair) in batch?.subjects() {
                let entries = tombstones.matching(&pair);
                if !entries.is_empty() {
                    self.sequences.insert(row);
                    self.entries.extend(entries);
                }
            }
        }
        Ok(())
    }

    fn look_at_failures(
        &mut self,
        failures: FailureReader,
        tombstones: &Tombstones,
    ) -> Result<(), ShardError> {
        for batch in failures {
            for row in batch?.rows() {
                let entries = tombstones.matching(&subject(&row));
                if !entries.is_empty() && row.reason != FailureReason::TakenDown {
                    self.failures.insert(row.row);
                }
                self.entries.extend(entries);
            }
        }
        Ok(())
    }
}

/// What of a failed pair an entry can name.
pub(super) fn subject<'a>(row: &FailureRow<'a>) -> Subject<'a> {
    Subject {
        key: row.key,
        url: row.url,
        sha256: None,
    }
}

/// What tombstones forbid of a unit's files, those that are missing left out.
///
/// # Errors
/// If a file cannot be read.
pub async fn forbidden_rows(
    destination: &Destination,
    unit: UnitId,
    tombstones: &Arc<Tombstones>,
) -> Result<ForbiddenRows, ShardError> {
    let mut forbidden = ForbiddenRows::default();
    if tombstones.is_empty() {
        return Ok(forbidden);
    }
    let data = destination.open(&unit.data_file()).await?;
    let failures = FailureReader::open(destination, unit).await?;
    let tombstones = tombstones.clone();
    tokio::task::spawn_blocking(move || {
        if let Some(data) = data {
            forbidden.look_at_data(unit, data, &tombstones)?;
        }
        if let Some(failures) = failures {
            forbidden.look_at_failures(failures, &tombstones)?;
        }
        Ok(forbidden)
    })
    .await?
}

/// The rows of a unit's open data file that tombstones forbid, from 0. Blocks.
///
/// # Errors
/// If the file cannot be read.
pub fn forbidden_sequences(
    unit: UnitId,
    data: &File,
    tombstones: &Tombstones,
) -> Result<BTreeSet<u64>, ShardError> {
    let mut forbidden = ForbiddenRows::default();
    if !tombstones.is_empty() {
        let data = data
            .try_clone()
            .map_err(ShardError::io("read", unit.data_file()))?;
        forbidden.look_at_data(unit, data, tombstones)?;
    }
    Ok(forbidden.sequences)
}
