//! Makes a plan: finds the inputs, surveys each, cuts them into units.

use std::sync::Arc;

use futures::{StreamExt, stream};
use img2tokens_source::{Input, Source, Survey, unify_kept};

use super::{Plan, PlanError, PlannedInput, Wanted};

/// Inputs surveyed at one time: of a store, each costs some round trips.
const AT_ONCE: usize = 16;

/// Surveys inputs and texts in their order. With a limit, only the first rows of the whole input are planned.
///
/// # Errors
/// If a file cannot be surveyed or all are broken, the kept columns do not fit together, or a limit or texts are asked of uncounted rows.
pub async fn make(wanted: &Wanted<'_>) -> Result<Plan, PlanError> {
    let mut inputs = survey(wanted.source, wanted.inputs, wanted.identity.limit).await?;
    check_some_whole(&inputs)?;
    unify_kept(inputs.iter_mut().map(|(name, survey)| (name.as_str(), survey)))?;
    let texts = survey(&wanted.corpus.source, &wanted.corpus.texts, None).await?;
    // Which texts stand beside which pairs depends on how many there are of all.
    if let Some(broken) = texts.iter().find_map(|(name, survey)| survey.broken(name)) {
        return Err(broken.into());
    }
    let uncounted = inputs
        .iter()
        .chain(&texts)
        .find(|(_, survey)| survey.rows.is_none());
    if let Some((name, _)) = uncounted.filter(|_| !texts.is_empty()) {
        return Err(PlanError::UncountedTexts { name: name.clone() });
    }
    let extents = || inputs.iter().flat_map(|(_, survey)| &survey.extents);
    let mut plan = Plan {
        program: crate::VERSION.to_owned(),
        hash: String::new(),
        identity_hash: wanted.identity.hash(),
        identity: wanted.identity.clone(),
        units: extents().count() as u64,
        rows: extents().map(|extent| extent.rows).sum(),
        inputs: planned(inputs),
        texts: planned(texts),
    };
    plan.hash = plan.hash()?;
    Ok(plan)
}

/// Refuses inputs of which all are broken: there is nothing to plan.
fn check_some_whole(inputs: &[(String, Survey)]) -> Result<(), PlanError> {
    let broken: Option<Vec<_>> = inputs.iter().map(|(name, survey)| survey.broken(name)).collect();
    match broken.and_then(|broken| broken.into_iter().next()) {
        Some(broken) => Err(broken.into()),
        None => Ok(()),
    }
}

/// Names and surveys of files; with a limit, of as many as have the first rows.
async fn survey(
    source: &Source,
    files: &[Arc<Input>],
    limit: Option<u64>,
) -> Result<Vec<(String, Survey)>, PlanError> {
    let mut left = limit.unwrap_or(u64::MAX);
    let mut surveys = Vec::new();
    // Under a limit, files past it are not looked at.
    let at_once = limit.map_or(AT_ONCE, |_| 1);
    let surveyed = files
        .iter()
        .map(|input| async move { (input, source.survey(input).await) });
    let mut surveyed = stream::iter(surveyed).buffered(at_once);
    while left > 0
        && let Some((input, survey)) = surveyed.next().await
    {
        let mut survey = survey?;
        if limit.is_some() && survey.broken.is_none() {
            left -= limit_rows(input, &mut survey, left)?;
        }
        surveys.push((input.name.clone(), survey));
    }
    Ok(surveys)
}

fn planned(surveys: Vec<(String, Survey)>) -> Vec<PlannedInput> {
    let planned = surveys.into_iter().map(|(name, survey)| PlannedInput {
        name,
        survey: Arc::new(survey),
    });
    planned.collect()
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
