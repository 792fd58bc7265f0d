//! A whole output out of the way of another plan's.

use futures::{StreamExt, TryStreamExt, stream};

use crate::unit::{STAGING, STATS};
use crate::{Destination, ShardError, UnitId};

/// The folders of a unit's files with the suffixes of their names. The markers go first: none ever stands beside files
/// that are gone.
const FOLDERS: [(&str, &str); 5] = [
    (STATS, "json"),
    ("data", "parquet"),
    ("failures", "parquet"),
    ("images", "tar.zst"),
    ("packed", "parquet"),
];
/// Files that move at one time.
const AT_ONCE: usize = 64;

/// Moves the files of all units into `folder` under the same root, then these further files in their order; says how
/// many units were committed. Files of other names stay. What is moved keeps its place relative to `folder`, which thereby is an output root too.
///
/// Broken off, it is gone on with by another call with the same `folder`: the last of `further` moves last, and so can
/// tell whether all is moved. Nobody else may write to the output meanwhile; [`living_attempt`] knows of those on this
/// machine.
///
/// # Errors
/// If a folder cannot be listed or a file not be moved.
pub async fn set_aside(destination: &Destination, folder: &str, further: &[&str]) -> Result<u64, ShardError> {
    let mut committed = 0;
    for (part, suffix) in FOLDERS {
        let mut names = destination.names(part).await?;
        names.retain(|name| UnitId::of_file(name, suffix).is_some());
        if part == STATS {
            committed = names.len() as u64;
        }
        let moves = names.into_iter().map(|name| {
            let name = format!("{part}/{name}");
            let to = format!("{folder}/{name}");
            async move { destination.rename(&name, &to).await }
        });
        stream::iter(moves)
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |_| Ok(()))
            .await?;
        destination.remove_folder_if_empty(part).await?;
    }
    for name in further {
        destination.rename(name, &format!("{folder}/{name}")).await?;
    }
    Ok(committed)
}

/// The file of an attempt at a unit that a living process of this machine holds, if there is one. Of other machines,
/// and of object stores, nothing is known.
///
/// # Errors
/// If the staging folder cannot be listed or looked into.
pub async fn living_attempt(destination: &Destination) -> Result<Option<String>, ShardError> {
    for name in destination.names(STAGING).await? {
        let is_attempt = UnitId::of_staged(&name).is_some();
        let name = format!("{STAGING}/{name}");
        if is_attempt && destination.is_held(&name).await? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
