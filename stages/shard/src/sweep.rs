//! Leftovers of attempts that died.

use std::time::{Duration, SystemTime};

use crate::committed::committed;
use crate::unit::STAGING;
use crate::{Destination, ShardError, UnitId};

/// Removes the staged files of attempts that are over, and says which.
///
/// Removed is what belongs to a committed unit, and what was not written to for `older_than`; but nothing that a
/// living process of this machine holds. Elsewhere (stores, other machines) only age tells, so let it be longer than a
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
    let now = SystemTime::now();
    let mut removed = Vec::new();
    for entry in entries {
        let done = UnitId::of_staged(&entry.name).is_some_and(|unit| committed.contains(&unit));
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
