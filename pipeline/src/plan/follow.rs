//! From what a run wants to the plan that it follows: the one that stands, a first one, or a new one in its place.

use std::sync::Arc;

use img2tokens_shard::{Destination, committed, living_attempt, set_aside};
use img2tokens_source::{Input, Source};

use super::{Identity, PLAN_FILE, Plan, PlanError, make};
use crate::card::CARD_FILE;
use crate::config::VerifyHash;

/// The folder under the output root to which replaced plans go with all their units.
const REPLACED: &str = "replaced";
/// The lock of those who replace a plan.
const LOCK: &str = "new-plan.lock";

/// What a run would plan.
pub struct Wanted<'a> {
    /// Surveys the inputs.
    pub source: &'a Source,
    /// The inputs found.
    pub inputs: &'a [Arc<Input>],
    /// The texts that are mixed in.
    pub corpus: &'a Corpus,
    /// What the units' content depends on.
    pub identity: Identity,
    /// Whether inputs must state digests.
    pub verify_hash: VerifyHash,
    /// The one unit that is to be run, if not all.
    pub unit: Option<u64>,
}

/// Files of texts.
pub struct Corpus {
    /// Surveys and reads them.
    pub source: Arc<Source>,
    /// The files found, none if no texts are mixed in.
    pub texts: Vec<Arc<Input>>,
}

/// A plan, and its inputs in its order.
#[derive(Debug)]
pub struct Followed {
    /// The plan.
    pub plan: Plan,
    /// The inputs, each of which is the file that was planned.
    pub inputs: Vec<Arc<Input>>,
    /// The files of texts, likewise.
    pub texts: Vec<Arc<Input>>,
}

/// The plan that stands, if it is what the run wants; makes one if none stands.
///
/// # Errors
/// If the plan that stands is another: what changed, and what to do.
pub async fn follow(destination: &Destination, wanted: &Wanted<'_>) -> Result<Followed, PlanError> {
    let plan = match standing(destination).await? {
        Some(plan) => plan,
        None => {
            let plan = make(wanted).await?;
            plan.check_documents()?;
            plan.check_digests(wanted.verify_hash)?;
            plan.store(destination).await?
        }
    };
    plan.check_identity(&wanted.identity)?;
    let inputs = plan.match_inputs(wanted.inputs)?;
    let texts = plan.match_texts(&wanted.corpus.texts)?;
    plan.check_inputs(&inputs, wanted.unit).await?;
    plan.check_texts(&texts).await?;
    Ok(Followed { plan, inputs, texts })
}

/// The plan that stands. Units that are committed without one belong to an unknown plan: a new one would take them for
/// its own.
async fn standing(destination: &Destination) -> Result<Option<Plan>, PlanError> {
    if let Some(plan) = Plan::read(destination).await? {
        return Ok(Some(plan));
    }
    match committed(destination).await?.len() {
        0 => Ok(None),
        // Unless somebody planned and committed since.
        units => match Plan::read(destination).await? {
            None => Err(PlanError::Orphans { units }),
            plan => Ok(plan),
        },
    }
}

/// The same, but where another plan stands, it is replaced: it and all that was made under it move to a folder of their
/// own under `replaced/`, where they are an output as before. Where the plan that stands is the one wanted, nothing
/// is done, so that the same command run again goes on with what it began.
///
/// One process at a time replaces a plan on this machine; those of other machines nothing is known of.
///
/// # Errors
/// As [`follow`]; and if another process of this machine is at work under the old plan.
pub async fn renew(destination: &Destination, wanted: &Wanted<'_>) -> Result<Followed, PlanError> {
    let _turn = destination.lock(LOCK).await?;
    match follow(destination, wanted).await {
        Err(error) if error.wants_new_plan() => {}
        followed => return followed,
    }
    if let Some(file) = living_attempt(destination).await? {
        return Err(PlanError::InUse { file });
    }
    let folder = free_folder(destination).await?;
    let units = set_aside(destination, &folder, &[CARD_FILE, PLAN_FILE]).await?;
    tracing::warn!("the old plan and its {units} committed units are now in {destination}/{folder}");
    follow(destination, wanted).await
}

/// A folder named by the plan's bytes, in which no plan stands: one does where the same plan was replaced before. The
/// plan moves last, so one that was broken off is found again.
async fn free_folder(destination: &Destination) -> Result<String, PlanError> {
    let plan = destination.checksum(PLAN_FILE).await?;
    let name = plan.as_ref().map_or_else(
        || "without-plan".to_owned(),
        |plan| plan.blake3.chars().take(16).collect(),
    );
    let mut folder = format!("{REPLACED}/{name}");
    let mut number = 1;
    while match plan {
        Some(_) => destination.exists(&format!("{folder}/{PLAN_FILE}")).await?,
        None => !destination.names(&format!("{folder}/stats")).await?.is_empty(),
    } {
        number += 1;
        folder = format!("{REPLACED}/{name}-{number}");
    }
    Ok(folder)
}
