//! What tombstones forbid and a unit holds all the same.

use std::sync::Arc;

use super::Findings;
use crate::takedown::{Tombstones, forbidden_rows};
use crate::{Destination, ShardError, UnitId};

/// Every row of a unit that tombstones forbid. Of files that cannot be decoded, [`super::verify_unit`] tells.
///
/// # Errors
/// If the files cannot be looked at.
pub async fn verify_tombstones(
    destination: &Destination,
    unit: UnitId,
    tombstones: &Arc<Tombstones>,
) -> Result<Findings, ShardError> {
    let mut findings = Findings::default();
    let forbidden = match forbidden_rows(destination, unit, tombstones).await {
        Err(ShardError::Decode { .. } | ShardError::Foreign { .. }) => return Ok(findings),
        Err(ShardError::Task(error)) if error.is_panic() => return Ok(findings),
        // Nor of those that are no files.
        Err(error) if error.is_irregular() => return Ok(findings),
        forbidden => forbidden?,
    };
    let rows = [
        (unit.data_file(), forbidden.sequences),
        (unit.failures_file(), forbidden.failures),
    ];
    for (file, rows) in rows {
        for row in rows {
            findings.add(
                &file,
                Some(row),
                "it was taken down and is still here; run `img2tokens takedown` again",
            );
        }
    }
    Ok(findings)
}
