//! Whether a run may continue the plan that stands.

use img2tokens_shard::ShardError;
use img2tokens_source::{Input, SourceError, Survey};
use object_store::ObjectStoreExt;

use super::{Identity, Plan};

/// A plan that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The store failed.
    #[error("the plan cannot be read or stored")]
    Store(#[from] ShardError),
    /// An input cannot be read.
    #[error("the inputs cannot be planned")]
    Source(#[from] SourceError),
    /// An input that stood in the plan cannot be found.
    #[error("input {name} cannot be found any more")]
    Head {
        /// The file.
        name: String,
        /// Why.
        source: object_store::Error,
    },
    /// `--limit` of rows that nobody counted.
    #[error(
        "input {name}: its rows are not counted before they are read, so --limit cannot cut them; name fewer files instead"
    )]
    Uncounted {
        /// The file.
        name: String,
    },
    /// Texts go among rows by their number.
    #[error(
        "input {name}: its rows are not counted before they are read, so texts cannot be mixed in; leave out text_corpus"
    )]
    UncountedTexts {
        /// The file.
        name: String,
    },
    /// plan.json is not a plan of this program.
    #[error("plan.json is not a plan of this program; use another output.path")]
    Malformed(#[source] serde_json::Error),
    /// It was there a moment ago.
    #[error("plan.json was there a moment ago and is gone; is something else cleaning up the output?")]
    Vanished,
    /// The run's settings are not the plan's.
    #[error(
        "this output was planned with other settings: {}; set them back, or use another output.path", changes.join("; ")
    )]
    Changed {
        /// One line for each setting.
        changes: Vec<String>,
    },
    /// An input is not what it was.
    #[error("input {name} changed since it was planned ({change}); restore it, or use another output.path")]
    InputChanged {
        /// The file.
        name: String,
        /// In what.
        change: String,
    },
    /// An input is gone.
    #[error(
        "input {name} of the plan is no longer among input.paths; restore it, or use another output.path"
    )]
    InputGone {
        /// The file.
        name: String,
    },
}

impl Plan {
    /// Checks that a run with this identity follows this plan.
    ///
    /// # Errors
    /// With what changed.
    pub fn check_identity(&self, identity: &Identity) -> Result<(), PlanError> {
        if self.identity_hash == identity.hash() {
            return Ok(());
        }
        Err(PlanError::Changed {
            changes: self.identity.changes(identity),
        })
    }
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
        .map_err(|source| PlanError::Head { name: name(), source })?;
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
