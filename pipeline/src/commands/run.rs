//! `img2tokens run`: all units that are not committed yet.

use std::io::Write;
use std::time::Duration;

use img2tokens_engine::CancellationToken;
use img2tokens_shard::{Destination, committed, sweep};

use super::configured::configured;
use crate::cli::RunArgs;
use crate::exit::{Exit, Failed};
use crate::job::Job;
use crate::progress::Progress;
use crate::run::{Meters, PlannedUnit};
use crate::summary::Summary;
use crate::{card, stop};

/// Staged files that nobody has written to for this long are those of a dead attempt. Where the whole plan is done and
/// the files are local, locks tell the living from the dead, and the age only covers the moment between a file's making
/// and its lock.
fn dead_after(destination: &Destination, complete: bool) -> Duration {
    match destination {
        Destination::Local(_) if complete => Duration::from_millis(10),
        _ => Duration::from_secs(24 * 3600),
    }
}

/// Prepares the job, runs what is left of it, sums up.
pub(super) async fn run(args: RunArgs) -> Result<Exit, Failed> {
    let config = configured(&args.config).await?;
    let job = Job::prepare(config, args.limit).await.map_err(Failed::usage)?;
    let done = committed(&job.destination).await.map_err(Failed::run)?;
    let wanted = job
        .units
        .iter()
        .filter(|unit| !done.contains(&unit.id))
        .cloned()
        .collect();
    run_units(job, wanted, done.len() as u64).await
}

/// Runs these units of a job, of which some are committed before, with progress bars and a summary.
pub(super) async fn run_units(job: Job, wanted: Vec<PlannedUnit>, before: u64) -> Result<Exit, Failed> {
    let cancel = CancellationToken::new();
    let signals = stop::on_signals(cancel.clone()).map_err(Failed::run)?;
    let (plan, destination, output) = (
        job.plan.clone(),
        job.destination.clone(),
        job.config.output.path.clone(),
    );
    let mut summary = Summary::new(plan.units, before, output);
    let meters = Meters::default();
    let progress = Progress::start(&meters, &wanted);
    let all = wanted.len();
    let ran = job.run(wanted, meters, cancel).await;
    progress.finish().await;
    let committed = ran.map_err(Failed::run)?;
    summary.add(&committed);
    let stopped = committed.len() < all;
    if !stopped {
        let complete = card::write_if_complete(&destination, &plan)
            .await
            .map_err(Failed::run)?;
        sweep(&destination, dead_after(&destination, complete))
            .await
            .map_err(Failed::run)?;
    }
    signals.abort();
    write!(std::io::stdout(), "{summary}").map_err(Failed::run)?;
    if stopped {
        eprintln!("img2tokens: stopped before the end; run the same command again to go on");
        return Ok(Exit::Retry);
    }
    Ok(Exit::Done)
}
