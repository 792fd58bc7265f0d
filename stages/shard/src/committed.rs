//! Which units are done.

use std::collections::BTreeSet;

use crate::unit::STATS;
use crate::{Destination, ShardError, UnitId};

/// The units whose commit marker stands, by one listing of the stats folder.
///
/// # Errors
/// If the folder cannot be listed.
pub async fn committed(destination: &Destination) -> Result<BTreeSet<UnitId>, ShardError> {
    let names = destination.names(STATS).await?;
    Ok(names
        .iter()
        .filter_map(|name| UnitId::of_file(name, "json"))
        .collect())
}
