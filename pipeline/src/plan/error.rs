//! Why a plan cannot be made or followed.

use img2tokens_schemas::shown;
use img2tokens_shard::ShardError;
use img2tokens_source::SourceError;

use super::PLAN_FILE;

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
    #[error("input {name} cannot be found any more", name = shown(name))]
    Head {
        /// The file.
        name: String,
        /// Why.
        source: object_store::Error,
    },
    /// `--limit` of rows that nobody counted.
    #[error("input {name}: its rows are not counted before they are read, so --limit cannot cut them; name fewer files instead", name = shown(name))]
    Uncounted {
        /// The file.
        name: String,
    },
    /// Pictures are to be checked against digests that an input does not state.
    #[error("input {name} has no column of digests (md5, sha256) for fetch.verify_hash = \"fail\"; name one in input.digest_column, or set fetch.verify_hash to \"off\"", name = shown(name))]
    NoDigests {
        /// The file.
        name: String,
    },
    /// Rows of two kinds.
    #[error("input {documents} has documents (lists of images and texts) and {pairs} has pairs; run them one after the other, \
         each with an output.path of its own", documents = shown(documents), pairs = shown(pairs))]
    Mixed {
        /// A file of documents.
        documents: String,
        /// A file of pairs.
        pairs: String,
    },
    /// A setting that documents have no use for.
    #[error("input {name} has documents (lists of images and texts), for which {key} must be {value}", name = shown(name))]
    NotOfDocuments {
        /// The file.
        name: String,
        /// The config key.
        key: &'static str,
        /// The value it must have, its default.
        value: &'static str,
    },
    /// Texts go among rows by their number.
    #[error("input {name}: its rows are not counted before they are read, so texts cannot be mixed in; leave out text_corpus", name = shown(name))]
    UncountedTexts {
        /// The file.
        name: String,
    },
    /// plan.json is not a plan of this program.
    #[error("plan.json is not a plan of this program; {OTHERWISE}")]
    Malformed(#[source] serde_json::Error),
    /// plan.json is not what its hash says.
    #[error("plan.json was edited after it was made; bring it back as it was, {OTHERWISE}")]
    Edited,
    /// No run wrote there.
    #[error("{output}: there is no {PLAN_FILE}; name the output.path of a run", output = shown(output))]
    Absent {
        /// The output.
        output: String,
    },
    /// It was there a moment ago.
    #[error("plan.json was there a moment ago and is gone; is something else cleaning up the output?")]
    Vanished,
    /// Another stands in its place.
    #[error(
        "plan.json was replaced while this run was at work on it; run again with the settings of the new one"
    )]
    Replaced,
    /// Asked to create what was there, the store wrote over it.
    #[error(
        "the store of output.path ignores conditional puts (If-None-Match: *): runs at the same output could mix their \
         files, so none is started; use a store that honours them, as S3, GCS and Azure do"
    )]
    Unconditional,
    /// Units without the plan that they belong to.
    #[error("{units} units are committed here, but their plan.json is gone; bring it back, {OTHERWISE}")]
    Orphans {
        /// How many.
        units: usize,
    },
    /// The run's settings are not the plan's.
    #[error(
        "this output was planned with other settings: {}; set them back, {OTHERWISE}", changes.join("; ")
    )]
    Changed {
        /// One line for each setting.
        changes: Vec<String>,
    },
    /// An input is not what it was.
    #[error("input {name} changed since it was planned ({change}); restore it, {OTHERWISE}", name = shown(name), change = shown(change))]
    InputChanged {
        /// The file.
        name: String,
        /// In what.
        change: String,
    },
    /// An input is gone.
    #[error("input {name} of the plan is no longer among {paths}; restore it, {OTHERWISE}", name = shown(name))]
    InputGone {
        /// The key that names such files.
        paths: &'static str,
        /// The file.
        name: String,
    },
    /// An input has come.
    #[error("input {name} was not there when the output was planned; take it out of {paths}, {OTHERWISE}", name = shown(name))]
    InputCame {
        /// The key that names such files.
        paths: &'static str,
        /// The file.
        name: String,
    },
    /// Somebody still writes under the plan that is to be replaced.
    #[error("--new-plan: another process is at work on this output ({file}); stop it first")]
    InUse {
        /// The file it holds.
        file: String,
    },
}

/// What else can be done where a run and the plan do not agree.
const OTHERWISE: &str = "use another output.path, or begin anew with --new-plan (what is done moves to replaced/ under the output)";

impl PlanError {
    /// Whether a new plan in the place of the one that stands would do.
    #[must_use]
    pub const fn wants_new_plan(&self) -> bool {
        matches!(
            self,
            Self::Malformed(_)
                | Self::Edited
                | Self::Orphans { .. }
                | Self::Changed { .. }
                | Self::InputChanged { .. }
                | Self::InputGone { .. }
                | Self::InputCame { .. }
        )
    }
}
