//! Leftovers of attempts that died.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::committed::committed;
use crate::unit::STAGING;
use crate::{Destination, ShardError, UnitId};

/// Removes the staged files of attempts that are over, and says which.
///
/// Removed is what belongs to a committed unit, and what was not written to for `older_than`; but nothing that a
/// living process of this machine holds, and nothing of a unit whose revision is elected and not finished (that is for
/// [`crate::takedown::resume`]). Elsewhere (stores, other machines) only age tells, so let it be longer than a
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
    let revised: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| UnitId::of_election(&entry.name))
        .filter(|(_, revision, _)| *revision > 0)
        .map(|(unit, ..)| unit)
        .collect();
    let now = SystemTime::now();
    let mut removed = Vec::new();
    for entry in entries {
        let unit = UnitId::of_staged(&entry.name);
        if unit.is_some_and(|unit| revised.contains(&unit)) {
            continue;
        }
        let done = unit.is_some_and(|unit| committed.contains(&unit));
        // A file from the future has no age.
        let old = now
            .duration_since(entry.modified)
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
