//! The plan's settings as a config again.

use serde::Deserialize;

use super::{Plan, PlanError};
use crate::config::Config;

impl Plan {
    /// The config whose settings the plan holds. What is no part of a plan has its default: speed, where model and
    /// tokenizer lie, the output's path.
    ///
    /// # Errors
    /// If the settings are not those of this program.
    pub fn config(&self) -> Result<Config, PlanError> {
        Config::deserialize(&self.identity.settings).map_err(PlanError::Malformed)
    }
}
