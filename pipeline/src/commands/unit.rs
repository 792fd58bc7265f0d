//! `img2tokens unit`: one unit; nothing to do if it is committed.

use anyhow::anyhow;
use img2tokens_shard::committed;

use super::configured::configured;
use super::run::run_units;
use crate::cli::UnitArgs;
use crate::exit::{Exit, Failed};
use crate::job::Job;

pub(super) async fn unit(args: UnitArgs) -> Result<Exit, Failed> {
    let config = configured(&args.run.config).await?;
    let job = Job::prepare(config, args.run.limit)
        .await
        .map_err(Failed::usage)?;
    let unit = job
        .units
        .iter()
        .find(|unit| unit.id.0 == args.unit)
        .cloned()
        .ok_or_else(|| {
            Failed::usage(anyhow!(
                "--unit {}: the plan has units 0 to {}",
                args.unit,
                job.plan.units.saturating_sub(1)
            ))
        })?;
    let done = committed(&job.destination).await.map_err(Failed::run)?;
    let wanted = if done.contains(&unit.id) {
        Vec::new()
    } else {
        vec![unit]
    };
    run_units(job, wanted, done.len() as u64).await
}
