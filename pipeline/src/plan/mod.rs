//! The plan: made once, stored beside the output, followed by every run that writes there.
//!
//! A unit's content is a function of plan, input and model. The plan says which rows each unit has and with what
//! settings they are tokenized; a run whose settings, model or inputs differ does not continue it.

mod agree;
mod identity;
mod make;

pub use agree::{PlanError, check_input};
pub use identity::Identity;
pub use make::{make, survey_texts};

use std::sync::Arc;

use bytes::Bytes;
use img2tokens_shard::{Destination, UnitId};
use img2tokens_source::{Input, Survey};
use serde::{Deserialize, Serialize};

use crate::run::PlannedUnit;

/// The name of the plan's file under the output root.
pub const PLAN_FILE: &str = "plan.json";

/// `plan.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the program that made it.
    pub program: String,
    /// What the units' content depends on.
    pub identity: Identity,
    /// Its hash.
    pub identity_hash: String,
    /// The number of units.
    pub units: u64,
    /// The number of rows, if all inputs have been counted; a tar is counted as it is read.
    pub rows: Option<u64>,
    /// The inputs and the units in them, in order.
    pub inputs: Vec<PlannedInput>,
    /// The files of texts that are mixed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<PlannedInput>,
}

/// One input of the plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlannedInput {
    /// As the user would write it.
    pub name: String,
    /// Size, entity tag, columns and unit extents.
    #[serde(flatten)]
    pub survey: Arc<Survey>,
}

impl Plan {
    /// The plan that stands at `destination`, if one does.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn read(destination: &Destination) -> Result<Option<Self>, PlanError> {
        let Some(bytes) = destination.read(PLAN_FILE).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(PlanError::Malformed)
    }

    /// Stores the plan unless another stands there already; returns the one that stands. Two planners at once agree.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn store(self, destination: &Destination) -> Result<Self, PlanError> {
        let mut text = serde_json::to_vec_pretty(&self).map_err(PlanError::Malformed)?;
        text.push(b'\n');
        if destination.put_if_absent(PLAN_FILE, Bytes::from(text)).await? {
            return Ok(self);
        }
        Self::read(destination).await?.ok_or(PlanError::Vanished)
    }

    /// The hash that stands in every file of every unit: of the identity and of the inputs' content as far as it is
    /// known. Not of where or since when the inputs lie there: the same rows give the same bytes wherever they are.
    ///
    /// # Errors
    /// If the plan cannot be written as JSON.
    pub fn hash(&self) -> Result<String, PlanError> {
        let surveys = self.inputs.iter().map(|input| &input.survey);
        let known: Vec<_> = surveys
            .map(|survey| (survey.size, &survey.columns, &survey.extents))
            .collect();
        let mut content = serde_json::to_vec(&(&self.identity_hash, known)).map_err(PlanError::Malformed)?;
        for text in &self.texts {
            let survey = &text.survey;
            let known = serde_json::to_vec(&(survey.size, &survey.columns, &survey.extents));
            content.extend(known.map_err(PlanError::Malformed)?);
        }
        Ok(blake3::hash(&content).to_hex().to_string())
    }

    /// All units in their order, given the inputs as they were resolved.
    #[must_use]
    pub fn planned_units(&self, inputs: &[Arc<Input>]) -> Vec<PlannedUnit> {
        let mut units = Vec::new();
        let mut first_row = 0;
        for (input_number, (planned, input)) in (0_u32..).zip(self.inputs.iter().zip(inputs)) {
            for extent in &planned.survey.extents {
                units.push(PlannedUnit {
                    id: UnitId(units.len() as u64),
                    rows: first_row..first_row + extent.rows.unwrap_or(0),
                    input: input.clone(),
                    input_number,
                    survey: planned.survey.clone(),
                    extent: extent.clone(),
                });
                first_row += extent.rows.unwrap_or(0);
            }
        }
        units
    }
}
