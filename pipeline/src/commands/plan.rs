//! `img2tokens plan`: makes the plan if none stands, and shows it.

use super::configured::configured;
use crate::cli::RunArgs;
use crate::exit::{Exit, Failed};
use crate::job::Job;
use crate::plan::PLAN_FILE;

pub(super) async fn plan(args: RunArgs) -> Result<Exit, Failed> {
    let config = configured(&args.config).await?;
    let job = Job::prepare(config, args.limit).await.map_err(Failed::usage)?;
    let done = img2tokens_shard::committed(&job.destination)
        .await
        .map_err(Failed::run)?;
    let (plan, output) = (&job.plan, &job.config.output.path);
    println!("plan       {output}/{PLAN_FILE}  ({})", plan.identity_hash);
    let rows = plan.rows.map_or_else(
        || "rows counted as they are read".to_owned(),
        |rows| format!("{rows} rows"),
    );
    println!("inputs     {} with {rows}", plan.inputs.len());
    println!("units      {}, of which {} are committed", plan.units, done.len());
    println!(
        "model      {} (digest {})",
        job.config.vision.model, plan.identity.model.digest
    );
    Ok(Exit::Done)
}
