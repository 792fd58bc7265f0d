//! How one attempt at a unit becomes the unit, whoever else works at it and whoever dies on the way.
//!
//! Attempts may differ (a server that answered one did not answer the other), so a data file of one must never stand
//! beside the failures of another. No step here can undo or mix what an earlier one decided:
//!
//! 1. The finished files (two tables, and pictures and packed sequences if they are asked for) lie in the staging folder under names of their own.
//! 2. **Election.** A small file naming the attempt's files and holding its stats is created at a name that all
//!    attempts at this unit share, if there is none: the first one wins, and everyone reads who did.
//! 3. Everyone, winner or not, places the winner's files under their final names (again and again is harmless:
//!    it is the same bytes), then creates the stats file, the commit marker, from the winner's stats.
//! 4. The election's file and the staged files are removed.
//!
//! A committed unit from which rows are taken is committed once more in the same way, as its next revision: the election
//! has the revision's name, and the stats file is replaced. Until then the old stats stand beside files that may be new
//! already; an election whose winner died there is therefore never swept, but finished ([`finish_elections`]).
//!
//! A winner that dies between 2 and 4 is finished by the next attempt at the unit. One whose files a sweep took
//! meanwhile is void: neither staged nor in place as its stats say. Then a new round is held under the next name;
//! no name of a round is reused as long as the unit is not committed. After the election, before placing anything, an
//! attempt looks for the marker once more: an election's file it created after step 4 of another was not a vote.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::destination::{StagedFile, StagedNames, UnitFiles};
use crate::stats::read_stats;
use crate::unit::STAGING;
use crate::{Destination, ShardError, ShardStats, UnitId};

/// Votes after which an attempt gives up. Each void round takes a sweep of live files, so more is no accident.
const MAX_VOTES: u32 = 16;

/// A unit's files, written to their end, and what will be its marker.
pub(crate) struct Attempt {
    pub(crate) files: UnitFiles<StagedFile>,
    pub(crate) stats: ShardStats,
}

/// What the election's file holds.
#[derive(Clone, Serialize, Deserialize)]
struct Candidate {
    /// The names of the staged files.
    #[serde(flatten)]
    files: UnitFiles<String>,
    /// The attempt's stats.
    stats: ShardStats,
}

/// Commits `attempt`, or finds that another has been; returns the stats of the one that counts.
pub(crate) async fn commit(destination: &Destination, attempt: Attempt) -> Result<ShardStats, ShardError> {
    let Attempt { files, stats } = attempt;
    if let Some(committed) = committed_instead(destination, &stats).await? {
        return Ok(committed);
    }
    let mut staged = destination.bring(stats.unit, files).await?;
    let mine = Candidate {
        files: staged.files.clone(),
        stats,
    };
    let mut round = 0;
    for _ in 0..MAX_VOTES {
        let elected = vote(destination, round, &mine, &mut staged).await?;
        if let Some(committed) = committed_instead(destination, &mine.stats).await? {
            tidy(destination, round, &mine, elected.as_ref()).await;
            return Ok(committed);
        }
        // None: the election's file is gone and the marker not there; a sweep was faster, so vote again.
        let Some(elected) = elected else { continue };
        if elected.stats.plan == mine.stats.plan && place(destination, &elected).await? {
            tidy(destination, round, &mine, Some(&elected)).await;
            return Ok(elected.stats);
        }
        tracing::warn!(unit = %mine.stats.unit, round, "the elected attempt's files are gone; electing another");
        round += 1;
    }
    Err(ShardError::Contended(mine.stats.unit))
}

/// The committed stats, if they are of this revision or a later one.
async fn committed_instead(
    destination: &Destination,
    mine: &ShardStats,
) -> Result<Option<ShardStats>, ShardError> {
    match read_stats(destination, mine.unit).await? {
        Some(stats) if stats.plan != mine.plan => Err(ShardError::OtherPlan {
            unit: mine.unit,
            expected: mine.plan.clone(),
            found: stats.plan,
        }),
        stats => Ok(stats.filter(|stats| stats.revision >= mine.revision)),
    }
}

/// Proposes `mine`, and says who is elected.
async fn vote(
    destination: &Destination,
    round: u32,
    mine: &Candidate,
    staged: &mut StagedNames,
) -> Result<Option<Candidate>, ShardError> {
    let name = mine.stats.unit.election_file(mine.stats.revision, round);
    if destination.put_if_absent(&name, to_json(&name, mine)?).await? {
        staged.keep();
        return Ok(Some(mine.clone()));
    }
    let Some(bytes) = destination.read(&name).await? else {
        return Ok(None);
    };
    let elected: Candidate = serde_json::from_slice(&bytes).map_err(ShardError::json(&name))?;
    if elected.files.data == mine.files.data {
        // The vote was counted and the answer lost.
        staged.keep();
    }
    Ok(Some(elected))
}

/// Step 3: files, then marker. `false` if a file is nowhere. Data come last: as long as a revision's are not in place,
/// it can be made again from what is.
async fn place(destination: &Destination, elected: &Candidate) -> Result<bool, ShardError> {
    let stats = &elected.stats;
    let unit = stats.unit;
    let UnitFiles {
        data,
        failures,
        images,
        packed,
    } = &elected.files;
    let mut files = vec![(failures, unit.failures_file(), &stats.failures_file)];
    if let (Some(staged), Some(checksum)) = (images, &stats.images_file) {
        files.push((staged, unit.images_file(), checksum));
    }
    if let (Some(staged), Some(checksum)) = (packed, &stats.packed_file) {
        files.push((staged, unit.packed_file(), checksum));
    }
    files.push((data, unit.data_file(), &stats.data_file));
    for (staged, name, checksum) in files {
        let placed = destination.place(staged, &name).await?;
        if !placed && destination.checksum(&name).await?.as_ref() != Some(checksum) {
            return Ok(false);
        }
    }
    let (name, marker) = (unit.stats_file(), to_json(&unit.stats_file(), stats)?);
    if stats.revision == 0 {
        destination.put_if_absent(&name, marker).await?;
    } else if committed_instead(destination, stats).await?.is_none() {
        destination.put_atomic(&name, marker).await?;
    }
    Ok(true)
}

/// Step 4, the elections last: as long as one stands, it names what must not be placed any more. The unit is committed:
/// what cannot be removed now is removed by a sweep.
async fn tidy(destination: &Destination, round: u32, mine: &Candidate, elected: Option<&Candidate>) {
    let (unit, revision) = (mine.stats.unit, mine.stats.revision);
    let elections: Vec<_> = (0..=round)
        .map(|round| unit.election_file(revision, round))
        .collect();
    let files = [Some(mine), elected]
        .into_iter()
        .flatten()
        .flat_map(|candidate| candidate.files.each());
    let names: Vec<&String> = files.chain(&elections).collect();
    for name in names {
        if let Err(error) = destination.remove(name).await {
            tracing::debug!(name, %error, "cannot remove a leftover now");
        }
    }
}

/// Ends what dead winners began at committed units, at one of them or at all: a revision that was elected is finished,
/// and of every election that is over the file goes, with the staged files it names, so that nobody who is late can
/// place them over what comes now. Returns the number of revisions that were finished.
pub(crate) async fn finish_elections(
    destination: &Destination,
    only: Option<UnitId>,
) -> Result<u64, ShardError> {
    let mut elections: Vec<_> = destination
        .names(STAGING)
        .await?
        .iter()
        .filter_map(|name| UnitId::of_election(name))
        .filter(|(unit, _, round)| *round < MAX_VOTES && only.is_none_or(|only| only == *unit))
        .collect();
    // The latest round first: those before it were void.
    elections.sort_unstable();
    let mut finished = 0;
    for (unit, revision, round) in elections.into_iter().rev() {
        let name = unit.election_file(revision, round);
        let Some(stats) = read_stats(destination, unit).await? else {
            continue;
        };
        let Some(bytes) = destination.read(&name).await? else {
            continue;
        };
        let elected: Candidate = serde_json::from_slice(&bytes).map_err(ShardError::json(&name))?;
        if stats.plan == elected.stats.plan && stats.revision < revision {
            finished += u64::from(place(destination, &elected).await?);
        }
        tidy(destination, round, &elected, None).await;
    }
    Ok(finished)
}

fn to_json<T: Serialize>(name: &str, value: &T) -> Result<Bytes, ShardError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(ShardError::json(name))?;
    json.push(b'\n');
    Ok(json.into())
}

#[cfg(test)]
mod tests;
