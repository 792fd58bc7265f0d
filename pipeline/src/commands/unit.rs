//! `img2tokens unit`: one unit; nothing to do if it is committed.

use anyhow::anyhow;
use img2tokens_shard::read_stats;

use super::run::{Part, prepare, run_units, stopped};
use crate::cli::UnitArgs;
use crate::exit::{Exit, Failed};
use crate::job::Ask;
use crate::stop::Stop;

/// A plan of so many units is listed with one request: more are not listed again for every one of them, and `run`
/// writes the card when they are done.
const FEW_UNITS: u64 = 1000;

pub(super) async fn unit(args: UnitArgs) -> Result<Exit, Failed> {
    let ask = Ask {
        config: super::config_file::read(&args.config).await?,
        limit: args.config.limit,
        new_plan: false,
        unit: Some(args.unit),
    };
    let stop = Stop::on_signals(args.stop.grace()).map_err(Failed::run)?;
    let Some(mut job) = prepare(ask, &stop).await? else {
        return Ok(stopped());
    };
    let units = std::mem::take(&mut job.units);
    let unit = units
        .into_iter()
        .find(|unit| unit.id.0 == args.unit)
        .ok_or_else(|| {
            Failed::usage(anyhow!(
                "--unit {}: the plan has units 0 to {}",
                args.unit,
                job.plan.units.saturating_sub(1)
            ))
        })?;
    let is_committed = read_stats(&job.destination, unit.id)
        .await
        .map_err(Failed::run)?
        .is_some();
    let part = Part {
        name: format!("unit {} of {}", args.unit, job.plan.units),
        committed: u64::from(is_committed),
        units: if is_committed { Vec::new() } else { vec![unit] },
        may_be_last: job.plan.units <= FEW_UNITS,
    };
    run_units(job, part, stop).await
}
