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
//! A winner that dies between 2 and 4 is finished by the next attempt at the unit. One whose files are gone meanwhile
//! (a sweep, a cleaner of old files) is void: neither staged nor in place as its stats say. What is left of its files is
//! removed, so that nobody who is late places it, and a new round is held under the next name; no name of a round is
//! reused as long as the unit is not committed. However many rounds are void, they are passed by: an attempt that finds
//! one goes on with the last of those that stand without a gap, since whoever held a round found those before it void.
//! An attempt whose own election is void gives up, and so leaves one void round at most. After the election, before
//! placing anything, an attempt looks for the marker once more: an election's file it created after step 4 of another
//! was not a vote.
//!
//! Anybody who may write to the output may write an election's file. So one counts only if it is what an attempt of this
//! plan at this unit and revision would have written: its files have names of ours ([`StagedName`]), of this unit, and its
//! stats can be true. Any other is void: nothing that it names is touched.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::destination::{StagedFile, StagedNames, UnitFiles};
use crate::staged::{StagedKind, StagedName};
use crate::stats::{MAX_STATS_BYTES, read_stats};
use crate::unit::STAGING;
use crate::{Destination, FileChecksum, ShardError, ShardStats, UnitId};

/// Rounds that others may hold while an attempt is at its own: more is no accident.
const MAX_VOTES: u32 = 16;
/// How long a void election of a revision is kept for those who may be in a later round of it: longer than a commit
/// takes.
const VOID_AFTER: Duration = Duration::from_secs(24 * 3600);

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
    files: UnitFiles<StagedName>,
    /// The attempt's stats.
    stats: ShardStats,
}

impl Candidate {
    /// What an election's file holds; none if no attempt at this revision of the unit would have written it.
    fn parse(bytes: &[u8], unit: UnitId, revision: u64) -> Option<Self> {
        let candidate: Self = serde_json::from_slice(bytes).ok()?;
        let (files, stats) = (&candidate.files, &candidate.stats);
        let is_of_unit = files.data.is(unit, StagedKind::Data)
            && files.failures.is(unit, StagedKind::Failures)
            && files
                .images
                .as_ref()
                .is_none_or(|name| name.is(unit, StagedKind::Images))
            && files
                .packed
                .as_ref()
                .is_none_or(|name| name.is(unit, StagedKind::Packed));
        let has_sums_of_all = files.images.is_some() == stats.images_file.is_some()
            && files.packed.is_some() == stats.packed_file.is_some();
        let can_be = stats.revision == revision && stats.check(unit).is_ok();
        (is_of_unit && has_sums_of_all && can_be).then_some(candidate)
    }
}

/// What a round came to.
enum Round {
    /// Somebody's election, maybe one's own.
    Elected(Box<Candidate>),
    /// A file that is no election.
    Void,
    /// The file is gone again: a sweep, or whoever committed the unit, was faster.
    Gone,
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
    let unit = mine.stats.unit;
    let mut round = 0;
    for _ in 0..MAX_VOTES {
        let outcome = vote(destination, round, &mine, &mut staged).await?;
        let elected = match &outcome {
            Round::Elected(elected) => Some(elected),
            Round::Void | Round::Gone => None,
        };
        if let Some(committed) = committed_instead(destination, &mine.stats).await? {
            tidy(destination, round, &mine, elected.map(AsRef::as_ref)).await;
            return Ok(committed);
        }
        if let Some(elected) = elected.filter(|elected| elected.stats.plan == mine.stats.plan) {
            if place(destination, elected).await? {
                tidy(destination, round, &mine, Some(elected)).await;
                return Ok(elected.stats.clone());
            }
            bury(destination, elected).await?;
            if elected.files == mine.files {
                return Err(ShardError::Swept(unit));
            }
        }
        if matches!(outcome, Round::Gone) {
            continue;
        }
        tracing::warn!(%unit, round, "the elected attempt's files are gone; electing another");
        round = next_round(destination, &mine.stats, round).await?;
    }
    Err(ShardError::Contended(unit))
}

/// Removes what is left of a void attempt's files, so that nobody who is late places it.
async fn bury(destination: &Destination, void: &Candidate) -> Result<(), ShardError> {
    for name in void.files.each() {
        destination.remove(&name.path()).await?;
    }
    Ok(())
}

/// The round to look at after a void one: the last of those that stand without a gap, or the next.
async fn next_round(destination: &Destination, mine: &ShardStats, void: u32) -> Result<u32, ShardError> {
    let names = destination.names(STAGING).await?;
    let elections = names.iter().filter_map(|name| UnitId::of_election(name));
    let rounds: BTreeSet<u32> = elections
        .filter(|(unit, revision, _)| (*unit, *revision) == (mine.unit, mine.revision))
        .map(|(.., round)| round)
        .collect();
    let next = void.saturating_add(1);
    let last = (next..).take_while(|round| rounds.contains(round)).last();
    Ok(last.unwrap_or(next))
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
) -> Result<Round, ShardError> {
    let (unit, revision) = (mine.stats.unit, mine.stats.revision);
    let name = unit.election_file(revision, round);
    if destination.put_if_absent(&name, to_json(&name, mine)?).await? {
        staged.keep();
        return Ok(Round::Elected(Box::new(mine.clone())));
    }
    let found = read_election(destination, unit, revision, round).await?;
    if matches!(&found, Round::Elected(elected) if elected.files == mine.files) {
        // The vote was counted and the answer lost.
        staged.keep();
    }
    Ok(found)
}

/// Who is elected in a round. Something else than a file, or one that is too large, is no election.
async fn read_election(
    destination: &Destination,
    unit: UnitId,
    revision: u64,
    round: u32,
) -> Result<Round, ShardError> {
    let name = unit.election_file(revision, round);
    match destination.read(&name, MAX_STATS_BYTES).await {
        Ok(Some(bytes)) => Ok(Candidate::parse(&bytes, unit, revision)
            .map_or(Round::Void, |elected| Round::Elected(Box::new(elected)))),
        Ok(None) => Ok(Round::Gone),
        Err(error) if error.is_irregular() || matches!(error, ShardError::TooLarge { .. }) => Ok(Round::Void),
        Err(error) => Err(error),
    }
}

/// Step 3: files, then marker. `false` if a file is nowhere. Data come last: as long as a revision's are not in place,
/// it can be made again from what is. A revision is placed only where all of it is there: until then the unit stands.
async fn place(destination: &Destination, elected: &Candidate) -> Result<bool, ShardError> {
    let stats = &elected.stats;
    let unit = stats.unit;
    let files = places(elected);
    if stats.revision > 0 {
        for (staged, name, checksum) in &files {
            let is_there = destination.exists(&staged.path()).await?;
            if !is_there && destination.checksum(name).await?.as_ref() != Some(*checksum) {
                return Ok(false);
            }
        }
    }
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

/// A candidate's staged files, each with its final name and what must stand there; the data last.
fn places(elected: &Candidate) -> Vec<(&StagedName, String, &FileChecksum)> {
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
    files
}

/// Step 4, the elections last: as long as one stands, it names what must not be placed any more. The unit is committed:
/// what cannot be removed now is removed by a sweep.
async fn tidy(destination: &Destination, round: u32, mine: &Candidate, elected: Option<&Candidate>) {
    let (unit, revision) = (mine.stats.unit, mine.stats.revision);
    let elections = (0..=round).map(|round| unit.election_file(revision, round));
    let files = [Some(mine), elected].into_iter().flatten();
    let files = files.flat_map(|candidate| candidate.files.each().map(StagedName::path));
    for name in files.chain(elections) {
        remove_if_possible(destination, &name).await;
    }
}

async fn remove_if_possible(destination: &Destination, name: &str) {
    if let Err(error) = destination.remove(name).await {
        tracing::debug!(name, %error, "cannot remove a leftover now");
    }
}

/// Ends what dead winners began at committed units, at one of them or at all: a revision that was elected is finished,
/// and of every election that is over the file goes, with the staged files it names, so that nobody who is late can
/// place them over what comes now. A void election of the next revision stays for a day: somebody may be in a later round.
/// Returns the number of revisions that were finished.
pub(crate) async fn finish_elections(
    destination: &Destination,
    only: Option<UnitId>,
) -> Result<u64, ShardError> {
    let now = SystemTime::now();
    let mut elections: Vec<_> = destination
        .list(STAGING)
        .await?
        .iter()
        .filter_map(|entry| Some((UnitId::of_election(&entry.name)?, entry.modified)))
        .filter(|((unit, ..), _)| only.is_none_or(|only| only == *unit))
        .collect();
    // The latest round first: those before it were void.
    elections.sort_unstable();
    let mut finished = 0;
    for ((unit, revision, round), modified) in elections.into_iter().rev() {
        let Some(stats) = read_stats(destination, unit).await? else {
            continue;
        };
        let elected = match read_election(destination, unit, revision, round).await? {
            Round::Elected(elected) if elected.stats.plan == stats.plan => Some(elected),
            Round::Elected(_) | Round::Void => None,
            Round::Gone => continue,
        };
        let is_next = stats.revision.checked_add(1) == Some(revision);
        let is_finished = match &elected {
            Some(elected) if is_next => place(destination, elected).await?,
            _ => false,
        };
        finished += u64::from(is_finished);
        let is_old = now.duration_since(modified).is_ok_and(|age| age >= VOID_AFTER);
        if let Some(elected) = &elected
            && is_next
            && !is_finished
        {
            bury(destination, elected).await?;
        }
        match elected {
            Some(elected) if is_finished || !is_next => tidy(destination, round, &elected, None).await,
            _ if is_next && !is_old => {}
            _ => remove_if_possible(destination, &unit.election_file(revision, round)).await,
        }
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
