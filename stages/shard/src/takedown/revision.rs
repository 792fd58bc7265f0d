//! A committed unit's next revision: the same without what tombstones forbid.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use super::rewrite::rewrite;
use super::{EntryHash, Tombstones, forbidden_rows};
use crate::commit::{commit, finish_elections};
use crate::destination::UnitFiles;
use crate::stats::read_stats;
use crate::{Destination, Encoding, ShardError, ShardStats, UnitId};

/// Revisions of a unit after which one gives up. Another takedown at work may take some of them.
const MAX_REVISIONS: u32 = 16;

/// What was taken down of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Pairs and texts that had sequences.
    pub pairs: u64,
    /// Pairs that had failed.
    pub failures: u64,
    /// The entries that name a pair of the unit, those of keys that were taken down before among them.
    pub entries: BTreeSet<EntryHash>,
}

/// Finishes the revisions that dead processes left half in place, of all units; returns how many.
///
/// # Errors
/// If the store fails.
pub async fn resume(destination: &Destination) -> Result<u64, ShardError> {
    finish_elections(destination, None).await
}

/// Takes out of a committed unit what tombstones forbid; a unit that holds nothing of it is not touched. All other rows
/// keep their content and order; pairs that had sequences follow the failures, in their order. Contexts lose the
/// sequences that go, and keep the others.
///
/// Memory: that of a [`crate::ShardWriter`], and the keys that go.
///
/// # Errors
/// If the files are not those that were committed, or the store fails. The unit is as it was then, or half-way to its
/// revision: [`resume`] finishes that, so call it before this.
pub async fn take_down(
    destination: &Destination,
    unit: UnitId,
    tombstones: &Arc<Tombstones>,
    encoding: Encoding,
) -> Result<Taken, ShardError> {
    let mut taken = Taken::default();
    for _ in 0..MAX_REVISIONS {
        let mut forbidden = forbidden_rows(destination, unit, tombstones).await?;
        taken.entries.append(&mut forbidden.entries);
        if forbidden.is_empty() {
            return Ok(taken);
        }
        finish_elections(destination, Some(unit)).await?;
        let Some(stats) = read_stats(destination, unit).await? else {
            return Ok(taken);
        };
        let files = open(destination, &stats).await?;
        let work = (destination.clone(), stats.clone(), tombstones.clone());
        let rewritten = tokio::task::spawn_blocking(move || {
            let (destination, stats, tombstones) = work;
            rewrite(&destination, stats, files, &tombstones, encoding)
        });
        match rewritten.await? {
            // What was found is gone: an elected revision was finished, or another takedown was faster.
            Ok(rewritten) if rewritten.pairs + rewritten.failures == 0 => {}
            Ok(rewritten) => {
                commit(destination, rewritten.attempt).await?;
                taken.pairs += rewritten.pairs;
                taken.failures += rewritten.failures;
            }
            // Another takedown put a revision in place meanwhile.
            Err(ShardError::Altered { .. })
                if read_stats(destination, unit).await?.as_ref() != Some(&stats) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ShardError::Contended(unit))
}

async fn open(destination: &Destination, stats: &ShardStats) -> Result<UnitFiles<File>, ShardError> {
    let unit = stats.unit;
    Ok(UnitFiles {
        data: open_file(destination, unit.data_file()).await?,
        failures: open_file(destination, unit.failures_file()).await?,
        images: match stats.images_file {
            Some(_) => Some(open_file(destination, unit.images_file()).await?),
            None => None,
        },
        packed: match stats.packed_file {
            Some(_) => Some(open_file(destination, unit.packed_file()).await?),
            None => None,
        },
    })
}

async fn open_file(destination: &Destination, name: String) -> Result<File, ShardError> {
    let file = destination.open(&name).await?;
    file.ok_or(ShardError::Missing { name })
}
