//! `img2tokens run`: all units that are not committed yet.

use std::time::Duration;

use img2tokens_schemas::shown::screen;
use img2tokens_shard::{Destination, committed, sweep, takedown};

use crate::card;
use crate::cli::RunArgs;
use crate::console::{print, say};
use crate::exit::{Exit, Failed};
use crate::job::{Ask, Job};
use crate::progress::Progress;
use crate::run::{Meters, PlannedUnit};
use crate::stop::Stop;
use crate::summary::Summary;

/// Staged files that nobody has written to for this long are those of a dead attempt. Where the whole plan is done and
/// the files are local, locks tell the living from the dead, and the age only covers the moment between a file's making
/// and its lock.
fn dead_after(destination: &Destination, complete: bool) -> Duration {
    match destination {
        Destination::Local(_) if complete => Duration::from_millis(10),
        _ => Duration::from_secs(24 * 3600),
    }
}

/// What this process does of a plan.
pub(super) struct Part {
    /// What to call it.
    pub(super) name: String,
    /// Its units that are committed already.
    pub(super) committed: u64,
    /// Its others.
    pub(super) units: Vec<PlannedUnit>,
    /// Whether to see if the whole plan is done then, to write the card and sweep.
    pub(super) may_be_last: bool,
}

/// Prepares the job, runs what is left of it, sums up.
pub(super) async fn run(args: RunArgs) -> Result<Exit, Failed> {
    let ask = Ask {
        config: super::config_file::read(&args.plan.config).await?,
        limit: args.plan.config.limit,
        new_plan: args.plan.new_plan,
        unit: None,
    };
    let stop = Stop::on_signals(args.stop.grace()).map_err(Failed::run)?;
    let Some(mut job) = prepare(ask, &stop).await? else {
        return Ok(stopped());
    };
    takedown::resume(&job.destination).await.map_err(Failed::run)?;
    let done = committed(&job.destination).await.map_err(Failed::run)?;
    let mut units = std::mem::take(&mut job.units);
    units.retain(|unit| args.shard_of.is_none_or(|part| part.holds(unit.id.0)));
    let all = units.len();
    units.retain(|unit| !done.contains(&unit.id));
    let part = Part {
        name: match args.shard_of {
            Some(part) => format!("{all} in part {part} of {} planned", job.plan.units),
            None => format!("{all} planned"),
        },
        committed: (all - units.len()) as u64,
        units,
        may_be_last: true,
    };
    run_units(job, part, stop).await
}

/// Prepares a job; none if the program was told to stop on the way.
pub(super) async fn prepare(ask: Ask, stop: &Stop) -> Result<Option<Job>, Failed> {
    tokio::select! {
        job = Job::prepare(ask) => job.map(Some).map_err(Failed::usage),
        () = stop.tokens().drain.cancelled_owned() => Ok(None),
    }
}

/// Says that there is more to do.
pub(super) fn stopped() -> Exit {
    say("img2tokens: stopped before the end; run the same command again to go on");
    Exit::Retry
}

/// Runs a part of a job, with progress bars and a summary.
pub(super) async fn run_units(job: Job, part: Part, stop: Stop) -> Result<Exit, Failed> {
    let (plan, destination, output) = (
        job.plan.clone(),
        job.destination.clone(),
        job.config.output.path.clone(),
    );
    let mut summary = Summary::new(part.name, part.committed, output);
    let meters = Meters::default();
    let progress = Progress::start(&meters, &part.units);
    let all = part.units.len();
    let ran = job.run(part.units, meters, stop.tokens()).await;
    progress.finish().await;
    let committed = ran.map_err(Failed::run)?;
    summary.add(&committed);
    plan.check_standing(&destination).await.map_err(Failed::run)?;
    let is_whole = committed.units == all as u64;
    if is_whole && part.may_be_last {
        let complete = card::write_if_complete(&destination, &plan, all > 0)
            .await
            .map_err(Failed::run)?;
        sweep(&destination, dead_after(&destination, complete))
            .await
            .map_err(Failed::run)?;
    }
    drop(stop);
    let exit = if is_whole { Exit::Done } else { stopped() };
    // Of a run that has more to do that is told, whoever reads.
    match print(screen(&summary.to_string())).map_err(Failed::run) {
        Err(failed) if !failed.is_closed_pipe() => Err(failed),
        _ => Ok(exit),
    }
}
