//! Leftovers of attempts that died.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::committed::committed;
use crate::staged::is_ours;
use crate::unit::STAGING;
use crate::{Destination, Entry, ShardError, UnitId};

/// Removes the staged files of attempts that are over, and says which.
///
/// Removed is what belongs to a committed unit, and what was not written to for `older_than`; but nothing that a
/// living process of this machine holds, and nothing of a unit whose revision is elected and not finished (that is for
/// [`crate::takedown::resume`]); and nothing but regular files of the names that this program gives. Elsewhere (stores, other machines) only age tells, so let it be longer than a
/// unit takes, a day say. A live attempt that loses its files all the same fails or is done over; nothing that is
/// committed is ever touched.
///
/// Parts of an upload that a killed process left unfinished are no objects and do not show here: a lifecycle rule of
/// the bucket (`AbortIncompleteMultipartUpload`) removes them.
///
/// # Errors
/// If the folders cannot be listed or a file not be removed.
pub async fn sweep(destination: &Destination, older_than: Duration) -> Result<Vec<String>, ShardError> {
    let entries = destination.list(STAGING).await?;
    let committed = if entries.is_empty() {
        Default::default()
    } else {
        committed(destination).await?
    };
    let revised: BTreeSet<_> = elections(&entries)
        .filter(|((_, revision, _), _)| *revision > 0)
        .map(|((unit, ..), _)| unit)
        .collect();
    // Elections of a unit go together: whoever passed the first of them by goes on with the next.
    let mut latest: BTreeMap<UnitId, SystemTime> = BTreeMap::new();
    for ((unit, ..), modified) in elections(&entries) {
        let latest = latest.entry(unit).or_insert(modified);
        *latest = modified.max(*latest);
    }
    let now = SystemTime::now();
    let mut removed = Vec::new();
    for entry in entries {
        let unit = UnitId::of_staged(&entry.name);
        if !is_ours(&entry.name) || unit.is_some_and(|unit| revised.contains(&unit)) {
            continue;
        }
        let done = unit.is_some_and(|unit| committed.contains(&unit));
        let is_election = UnitId::of_election(&entry.name).is_some();
        let latest = unit.filter(|_| is_election).and_then(|unit| latest.get(&unit));
        // A file from the future has no age.
        let old = now
            .duration_since(*latest.unwrap_or(&entry.modified))
            .is_ok_and(|age| age >= older_than);
        let name = format!("{STAGING}/{}", entry.name);
        if (done || old) && !destination.is_held(&name).await? {
            destination.remove(&name).await?;
            removed.push(name);
        }
    }
    destination.remove_folder_if_empty(STAGING).await?;
    Ok(removed)
}

fn elections(entries: &[Entry]) -> impl Iterator<Item = ((UnitId, u64, u32), SystemTime)> {
    let elections = entries.iter();
    elections.filter_map(|entry| Some((UnitId::of_election(&entry.name)?, entry.modified)))
}
