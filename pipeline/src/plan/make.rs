//! Makes a plan: finds the inputs, surveys each, cuts them into units.

use std::sync::Arc;

use futures::{StreamExt, stream};
use img2tokens_source::{Input, Source, Survey, unify_kept};

use super::{Identity, Plan, PlanError, PlannedInput};

/// Inputs surveyed at one time: of a store, each costs some round trips.
const AT_ONCE: usize = 16;

/// Surveys `inputs` in their order. With a limit, only the first rows of the whole input are planned.
///
/// # Errors
/// If an input cannot be surveyed, the kept columns do not fit together, or a limit is asked of uncounted rows.
pub async fn make(source: &Source, inputs: &[Arc<Input>], identity: Identity) -> Result<Plan, PlanError> {
    let mut left = identity.limit.unwrap_or(u64::MAX);
    let mut surveys = Vec::new();
    // Under a limit, inputs past it are not looked at.
    let at_once = identity.limit.map_or(AT_ONCE, |_| 1);
    let surveyed = inputs
        .iter()
        .map(|input| async move { (input, source.survey(input).await) });
    let mut surveyed = stream::iter(surveyed).buffered(at_once);
    while left > 0
        && let Some((input, survey)) = surveyed.next().await
    {
        let mut survey = survey?;
        if identity.limit.is_some() {
            left -= limit_rows(input, &mut survey, left)?;
        }
        surveys.push((input.name.clone(), survey));
    }
    unify_kept(surveys.iter_mut().map(|(name, survey)| (name.as_str(), survey)))?;
    drop(surveyed);
    let extents = || surveys.iter().flat_map(|(_, survey)| &survey.extents);
    let mut plan = Plan {
        program: crate::VERSION.to_owned(),
        hash: String::new(),
        identity_hash: identity.hash(),
        identity,
        units: extents().count() as u64,
        rows: extents().map(|extent| extent.rows).sum(),
        inputs: surveys
            .into_iter()
            .map(|(name, survey)| PlannedInput {
                name,
                survey: Arc::new(survey),
            })
            .collect(),
    };
    plan.hash = plan.hash()?;
    Ok(plan)
}

/// Cuts the extents off after `limit` rows; returns how many are left.
fn limit_rows(input: &Input, survey: &mut Survey, limit: u64) -> Result<u64, PlanError> {
    let mut taken = 0;
    for extent in &mut survey.extents {
        let rows = extent.rows.ok_or_else(|| PlanError::Uncounted {
            name: input.name.clone(),
        })?;
        let rows = rows.min(limit - taken);
        extent.rows = Some(rows);
        taken += rows;
    }
    survey.extents.retain(|extent| extent.rows != Some(0));
    Ok(taken)
}
