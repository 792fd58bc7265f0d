//! Makes a plan: finds the inputs, surveys each, cuts them into units.

use std::sync::Arc;

use img2tokens_source::{Input, Source, Survey, unify_kept};

use super::{Identity, Plan, PlanError, PlannedInput};

/// Surveys `inputs` in their order. With a limit, only the first rows of the whole input are planned.
///
/// # Errors
/// If an input cannot be surveyed, the kept columns do not fit together, or a limit is asked of uncounted rows.
pub async fn make(source: &Source, inputs: &[Arc<Input>], identity: Identity) -> Result<Plan, PlanError> {
    let mut left = identity.limit.unwrap_or(u64::MAX);
    let mut surveys = Vec::new();
    for input in inputs {
        if left == 0 {
            break;
        }
        let mut survey = source.survey(input).await?;
        if identity.limit.is_some() {
            left -= limit_rows(input, &mut survey, left)?;
        }
        surveys.push((input.name.clone(), survey));
    }
    unify_kept(surveys.iter_mut().map(|(name, survey)| (name.as_str(), survey)))?;
    let extents = || surveys.iter().flat_map(|(_, survey)| &survey.extents);
    Ok(Plan {
        program: crate::VERSION.to_owned(),
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
        texts: Vec::new(),
    })
}

/// Surveys the files of texts that are mixed into `plan`.
///
/// # Errors
/// If one cannot be surveyed, or rows are not counted, by which texts go among them.
pub async fn survey_texts(source: &Source, inputs: &[Arc<Input>], plan: &mut Plan) -> Result<(), PlanError> {
    for input in inputs {
        let survey = source.survey(input).await?;
        plan.texts.push(PlannedInput {
            name: input.name.clone(),
            survey: Arc::new(survey),
        });
    }
    let mut counted = plan.inputs.iter().chain(&plan.texts);
    let uncounted = counted.find(|input| input.survey.rows.is_none());
    match uncounted.filter(|_| !inputs.is_empty()) {
        Some(input) => Err(PlanError::UncountedTexts {
            name: input.name.clone(),
        }),
        None => Ok(()),
    }
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
