//! The plan: made once, stored beside the output, followed by every run that writes there.
//!
//! A unit's content is a function of plan, input and model. The plan says which rows each unit has and with what
//! settings they are tokenized; a run whose settings, model or inputs differ does not continue it.

mod agree;
mod documents;
mod error;
mod follow;
mod identity;
mod make;
mod settings;

pub use agree::{check_input, check_store};
pub use error::PlanError;
pub use follow::{Corpus, Followed, Wanted, follow, renew};
pub use identity::Identity;
pub use make::make;

use std::sync::Arc;

use bytes::Bytes;
use img2tokens_shard::{Destination, UnitId};
use img2tokens_source::{Input, Survey};
use serde::{Deserialize, Serialize};

use crate::run::PlannedUnit;

/// The name of the plan's file under the output root.
pub const PLAN_FILE: &str = "plan.json";
/// The most bytes of it: some four million units.
pub const MAX_PLAN_BYTES: u64 = 256 << 20;

/// `plan.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the program that made it.
    pub program: String,
    /// Its name by content: what [`Plan::hash`] gives.
    pub hash: String,
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
    pub survey: Arc<Survey>,
}

impl Plan {
    /// The plan that stands at `destination`, if one does.
    ///
    /// # Errors
    /// If it cannot be read, or is not what it was when it was made.
    pub async fn read(destination: &Destination) -> Result<Option<Self>, PlanError> {
        let Some(bytes) = destination.read(PLAN_FILE, MAX_PLAN_BYTES).await? else {
            return Ok(None);
        };
        let plan: Self = serde_json::from_slice(&bytes).map_err(PlanError::Malformed)?;
        if plan.hash()? != plan.hash {
            return Err(PlanError::Edited);
        }
        if !plan.has_its_units() {
            return Err(PlanError::Edited);
        }
        Ok(Some(plan))
    }

    /// Whether `units` and `rows` are those of the inputs' extents, and these can be ranges of the inputs.
    fn has_its_units(&self) -> bool {
        let extents = || self.inputs.iter().flat_map(|input| &input.survey.extents);
        let counted = extents().try_fold(0_u64, |sum, extent| sum.checked_add(extent.rows.unwrap_or(0)));
        let is_counted = extents().all(|extent| extent.rows.is_some());
        let files = self.inputs.iter().chain(&self.texts);
        let are_ranges = files.into_iter().all(|file| {
            file.survey.extents.iter().all(|extent| {
                let end = extent.first_row.checked_add(extent.rows.unwrap_or(0));
                let are_bytes =
                    |bytes: &std::ops::Range<u64>| bytes.start <= bytes.end && bytes.end <= file.survey.size;
                end.is_some() && extent.bytes.as_ref().is_none_or(are_bytes)
            })
        });
        are_ranges
            && counted.is_some()
            && self.units == extents().count() as u64
            && self.rows == counted.filter(|_| is_counted)
    }

    /// Checks that this is still the plan that stands.
    ///
    /// # Errors
    /// If none stands, or another.
    pub async fn check_standing(&self, destination: &Destination) -> Result<(), PlanError> {
        match Self::read(destination).await? {
            Some(plan) if plan.hash == self.hash => Ok(()),
            Some(_) => Err(PlanError::Replaced),
            None => Err(PlanError::Vanished),
        }
    }

    /// The plan of an output that a run has begun.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub async fn of_output(destination: &Destination) -> Result<Self, PlanError> {
        let plan = Self::read(destination).await?;
        plan.ok_or_else(|| PlanError::Absent {
            output: destination.to_string(),
        })
    }

    /// Stores the plan unless another stands there already; returns the one that stands. Two planners at once agree.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn store(self, destination: &Destination) -> Result<Self, PlanError> {
        let mut text = serde_json::to_vec(&self).map_err(PlanError::Malformed)?;
        text.push(b'\n');
        if destination.put_if_absent(PLAN_FILE, Bytes::from(text)).await? {
            return Ok(self);
        }
        Self::read(destination).await?.ok_or(PlanError::Vanished)
    }

    /// The hash that stands in every file of every unit: of the identity and of the content of inputs and texts as far as
    /// it is known. Not of where or since when the inputs lie there: the same rows give the same ids wherever they are.
    ///
    /// # Errors
    /// If the plan cannot be written as JSON.
    pub fn hash(&self) -> Result<String, PlanError> {
        let known = (known(&self.inputs), known(&self.texts));
        let content = (&self.program, &self.identity_hash, known);
        let content = serde_json::to_vec(&content).map_err(PlanError::Malformed)?;
        Ok(blake3::hash(&content).to_hex().to_string())
    }

    /// All units in their order, given the inputs as they were resolved.
    #[must_use]
    pub fn planned_units(&self, inputs: &[Arc<Input>]) -> Vec<PlannedUnit> {
        let mut units = Vec::with_capacity(usize::try_from(self.units).unwrap_or(0));
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

/// What is known of the content of files.
fn known(files: &[PlannedInput]) -> Vec<impl Serialize> {
    let surveys = files.iter().map(|file| &file.survey);
    surveys
        .map(|survey| (survey.size, &survey.columns, &survey.extents))
        .collect()
}
