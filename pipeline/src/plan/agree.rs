//! Whether a run may continue the plan that stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use img2tokens_shard::Destination;
use img2tokens_source::{Input, SourceError, Survey};
use object_store::ObjectStoreExt;

use super::{Identity, MAX_PLAN_BYTES, PLAN_FILE, Plan, PlanError, PlannedInput};
use crate::config::VerifyHash;

/// Inputs that are asked about at one time.
const AT_ONCE: usize = 32;

impl Plan {
    /// Checks that every input states digests if pictures without one are to fail.
    ///
    /// # Errors
    /// With the first input that states none.
    pub fn check_digests(&self, policy: VerifyHash) -> Result<(), PlanError> {
        let states_none =
            |input: &&PlannedInput| input.survey.columns.digest.is_none() && input.survey.rows != Some(0);
        match self.inputs.iter().find(states_none) {
            Some(input) if policy == VerifyHash::Fail => Err(PlanError::NoDigests {
                name: input.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Checks that a run with this identity, of this program, follows this plan.
    ///
    /// # Errors
    /// With what changed.
    pub fn check_identity(&self, identity: &Identity) -> Result<(), PlanError> {
        let mut changes = Vec::new();
        if !writes_alike(&self.program, crate::VERSION) {
            changes.push(format!(
                "program: planned {}, now {}",
                self.program,
                crate::VERSION
            ));
        }
        if self.identity_hash != identity.hash() {
            changes.extend(self.identity.changes(identity));
        }
        if changes.is_empty() {
            Ok(())
        } else {
            Err(PlanError::Changed { changes })
        }
    }

    /// The plan's inputs in the plan's order, out of those that the run found.
    ///
    /// # Errors
    /// If one is missing, or there is one that the plan lacks. (A plan of the first rows may lack any.)
    pub fn match_inputs(&self, found: &[Arc<Input>]) -> Result<Vec<Arc<Input>>, PlanError> {
        let is_whole = self.identity.limit.is_none();
        match_files("input.paths", &self.inputs, found, is_whole)
    }

    /// The same of the files of texts.
    ///
    /// # Errors
    /// If one is missing, or there is one that the plan lacks.
    pub fn match_texts(&self, found: &[Arc<Input>]) -> Result<Vec<Arc<Input>>, PlanError> {
        match_files("text_corpus.paths", &self.texts, found, true)
    }

    /// Checks that inputs, in the plan's order, are the files that were surveyed; of one unit, only its own.
    ///
    /// # Errors
    /// With the first that is not.
    pub async fn check_inputs(&self, inputs: &[Arc<Input>], unit: Option<u64>) -> Result<(), PlanError> {
        let mut first_unit = 0;
        let of_interest = self.inputs.iter().zip(inputs).filter(|(planned, _)| {
            let units = first_unit..first_unit + planned.survey.extents.len() as u64;
            first_unit = units.end;
            unit.is_none_or(|unit| units.contains(&unit))
        });
        check_files(of_interest).await
    }

    /// The same of the files of texts: any unit may take from any.
    ///
    /// # Errors
    /// With the first that is not.
    pub async fn check_texts(&self, texts: &[Arc<Input>]) -> Result<(), PlanError> {
        check_files(self.texts.iter().zip(texts)).await
    }
}

/// The planned files out of those found; where they are `is_whole`, no other may be found. `paths` is the key that names
/// them.
fn match_files(
    paths: &'static str,
    planned: &[PlannedInput],
    found: &[Arc<Input>],
    is_whole: bool,
) -> Result<Vec<Arc<Input>>, PlanError> {
    let by_name: BTreeMap<&str, &Arc<Input>> =
        found.iter().map(|input| (input.name.as_str(), input)).collect();
    let planned = planned.iter().map(|planned| {
        let input = by_name.get(planned.name.as_str()).map(|input| Arc::clone(input));
        input.ok_or_else(|| PlanError::InputGone {
            paths,
            name: planned.name.clone(),
        })
    });
    let planned: Vec<Arc<Input>> = planned.collect::<Result<_, _>>()?;
    if is_whole && planned.len() < by_name.len() {
        let known: BTreeSet<&str> = planned.iter().map(|input| input.name.as_str()).collect();
        if let Some(name) = by_name.keys().find(|name| !known.contains(*name)) {
            return Err(PlanError::InputCame {
                paths,
                name: (*name).to_owned(),
            });
        }
    }
    Ok(planned)
}

async fn check_files<'a>(
    files: impl Iterator<Item = (&'a PlannedInput, &'a Arc<Input>)>,
) -> Result<(), PlanError> {
    let checks: Vec<_> = files
        .map(|(planned, input)| check_input(input, &planned.survey))
        .collect();
    stream::iter(checks).buffered(AT_ONCE).try_collect().await
}

/// Whether two versions of this program write the same rows: those of one minor version do, as the versioning of
/// docs/plans.md promises.
fn writes_alike(planned: &str, now: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(planned) == minor(now)
}

/// Checks that the output's store leaves alone what it is asked to create and already has, on which all agreement between
/// processes rests. Some S3-compatible stores ignore the condition and say nothing.
///
/// # Errors
/// If the store does not, or cannot be asked.
pub async fn check_store(destination: &Destination) -> Result<(), PlanError> {
    if let Destination::Store { .. } = destination {
        let plan = destination
            .read(PLAN_FILE, MAX_PLAN_BYTES)
            .await?
            .ok_or(PlanError::Vanished)?;
        if destination.put_if_absent(PLAN_FILE, plan).await? {
            return Err(PlanError::Unconditional);
        }
    }
    Ok(())
}

/// Checks that an input is the file that was surveyed: of the same size, and of the same entity tag or time. (A local
/// file's tag holds its inode, which a move to another disk changes; its time then still stands.)
///
/// # Errors
/// If it is gone or another.
pub async fn check_input(input: &Input, planned: &Survey) -> Result<(), PlanError> {
    let name = || input.name.clone();
    let found = input
        .store
        .head(&input.path)
        .await
        .map_err(|source| match source {
            source @ object_store::Error::NotFound { .. } => PlanError::Head { name: name(), source },
            source => SourceError::Store {
                input: name(),
                source,
            }
            .into(),
        })?;
    if found.size != planned.size {
        let change = format!("{} bytes, planned {}", found.size, planned.size);
        return Err(PlanError::InputChanged { name: name(), change });
    }
    let same_tag = planned.etag.is_some() && found.e_tag == planned.etag;
    let same_time = found.last_modified.to_rfc3339() == planned.last_modified;
    if same_tag || same_time {
        return Ok(());
    }
    let change = format!(
        "modified {}, planned {}",
        found.last_modified.to_rfc3339(),
        planned.last_modified
    );
    Err(PlanError::InputChanged { name: name(), change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_of_the_program_goes_on_with_a_plan_and_another_minor_version_does_not() {
        assert!(writes_alike("img2tokens 0.1.0", "img2tokens 0.1.7"));
        assert!(!writes_alike("img2tokens 0.1.0", "img2tokens 0.2.0"));
        assert!(!writes_alike("img2tokens 0.1.0", "img2tokens 1.1.0"));
        assert!(!writes_alike("another program", "img2tokens 0.1.0"));
    }
}
