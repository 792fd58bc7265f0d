//! `img2tokens run`: all units that are not committed yet.

use img2tokens_engine::CancellationToken;
use img2tokens_shard::committed;

use crate::cli::RunArgs;
use crate::config;
use crate::exit::{Exit, Failed};
use crate::job::Job;
use crate::progress::Progress;
use crate::run::{Meters, PlannedUnit};
use crate::summary::Summary;
use crate::{card, stop};

/// Prepares the job, runs what is left of it, sums up.
pub(super) async fn run(args: RunArgs) -> Result<Exit, Failed> {
    let config = config::read(&args.config.config, &args.config.overrides).map_err(Failed::usage)?;
    let job = Job::prepare(config, args.limit).await.map_err(Failed::usage)?;
    let done = committed(&job.destination).await.map_err(Failed::run)?;
    let wanted: Vec<PlannedUnit> = job
        .units
        .iter()
        .filter(|unit| !done.contains(&unit.id))
        .cloned()
        .collect();
    run_units(job, wanted).await
}

/// Runs these units of a job with progress bars and a summary.
pub(super) async fn run_units(job: Job, wanted: Vec<PlannedUnit>) -> Result<Exit, Failed> {
    let cancel = CancellationToken::new();
    let signals = stop::on_signals(cancel.clone()).map_err(Failed::run)?;
    let (plan, destination, output) = (
        job.plan.clone(),
        job.destination.clone(),
        job.config.output.path.clone(),
    );
    let mut summary = Summary::new(&plan, &wanted, output);
    let meters = Meters::default();
    let progress = Progress::start(&meters, &wanted);
    let ran = job.run(wanted, meters, cancel.clone()).await;
    progress.finish().await;
    signals.abort();
    let committed = ran.map_err(Failed::run)?;
    summary.add(&committed);
    print!("{summary}");
    if cancel.is_cancelled() {
        eprintln!("img2tokens: stopped before the end; run the same command again to go on");
        return Ok(Exit::Retry);
    }
    card::write_if_complete(&destination, &plan)
        .await
        .map_err(Failed::run)?;
    Ok(Exit::Done)
}
