//! Whether the plan's rows are documents, and what of the config they have no use for.

use img2tokens_sequence::OrderPolicy;

use super::{Plan, PlanError, PlannedInput};
use crate::config::{Config, Features, KeptImages, VerifyHash};

impl Plan {
    /// Whether rows are documents of many texts and images, and not pairs.
    #[must_use]
    pub fn has_documents(&self) -> bool {
        self.inputs.iter().any(is_of_documents)
    }

    /// Checks that all inputs are of documents or none is, and that documents are not asked for what only pairs have.
    ///
    /// # Errors
    /// With the first that does not go together.
    pub fn check_documents(&self) -> Result<(), PlanError> {
        let Some(documents) = self.inputs.iter().find(|input| is_of_documents(input)) else {
            return Ok(());
        };
        let is_other = |input: &&PlannedInput| !is_of_documents(input) && input.survey.rows != Some(0);
        if let Some(pairs) = self.inputs.iter().find(is_other) {
            return Err(PlanError::Mixed {
                documents: documents.name.clone(),
                pairs: pairs.name.clone(),
            });
        }
        match of_pairs(&self.config()?) {
            Some((key, value)) => Err(PlanError::NotOfDocuments {
                name: documents.name.clone(),
                key,
                value,
            }),
            None => Ok(()),
        }
    }
}

fn is_of_documents(input: &PlannedInput) -> bool {
    input.survey.columns.document.is_some()
}

/// A key that asks for what only pairs have, and the value that does not.
fn of_pairs(config: &Config) -> Option<(&'static str, &'static str)> {
    let (fetch, sequence, output) = (&config.fetch, &config.sequence, &config.output);
    [
        (
            fetch.verify_hash != VerifyHash::Off,
            "fetch.verify_hash",
            "\"off\"",
        ),
        (
            sequence.order != OrderPolicy::Alternate,
            "sequence.order",
            "\"alternate\"",
        ),
        (sequence.text_dropout > 0.0, "sequence.text_dropout", "0.0"),
        (output.features != Features::None, "output.features", "\"none\""),
        (output.reconstruction, "output.reconstruction", "false"),
        (output.images != KeptImages::None, "output.images", "\"none\""),
    ]
    .into_iter()
    .find_map(|(is_set, key, value)| is_set.then_some((key, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_pairs_have_is_named() {
        let mut config = Config::default();
        assert_eq!(of_pairs(&config), None);
        config.sequence.order = OrderPolicy::Both;
        assert_eq!(of_pairs(&config), Some(("sequence.order", "\"alternate\"")));
        config.fetch.verify_hash = VerifyHash::Record;
        assert_eq!(of_pairs(&config), Some(("fetch.verify_hash", "\"off\"")));
    }
}
