//! `img2tokens plan`: makes the plan if none stands, and shows it.

use img2tokens_schemas::shown;

use crate::cli::PlanArgs;
use crate::console::print;
use crate::exit::{Exit, Failed};
use crate::job::{Ask, Job};
use crate::plan::PLAN_FILE;

pub(super) async fn plan(args: PlanArgs) -> Result<Exit, Failed> {
    let ask = Ask {
        config: super::config_file::read(&args.config).await?,
        limit: args.config.limit,
        new_plan: args.new_plan,
        unit: None,
    };
    let job = Job::prepare(ask).await.map_err(Failed::usage)?;
    let done = img2tokens_shard::committed(&job.destination)
        .await
        .map_err(Failed::run)?;
    let (plan, output) = (&job.plan, &job.config.output.path);
    let rows = plan.rows.map_or_else(
        || "rows counted as they are read".to_owned(),
        |rows| format!("{rows} rows"),
    );
    print(format_args!(
        "plan       {}/{PLAN_FILE}  ({})\n\
         program    {}\n\
         inputs     {} with {rows}\n\
         units      {}, of which {} are committed\n\
         model      {} (digest {})\n",
        shown(output),
        shown(&plan.hash),
        shown(&plan.program),
        plan.inputs.len(),
        plan.units,
        done.len(),
        shown(&job.config.vision.model),
        shown(&plan.identity.model.digest)
    ))
    .map_err(Failed::run)?;
    Ok(Exit::Done)
}
