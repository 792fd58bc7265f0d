//! What can go wrong with a shard, and whether to try again.

use std::io;
use std::path::PathBuf;

use arrow_schema::{ArrowError, DataType};
use img2tokens_schemas::RowIndex;
use img2tokens_schemas::shown;
use parquet::errors::ParquetError;

use crate::UnitId;
use crate::destination::Irregular;

/// Why a shard could not be written, committed or read. No variant is about a single pair: pairs that fail are rows of
/// the failures file.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The file system refused.
    #[error("cannot {action} `{}`", shown(path.display()))]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The object store refused, or could not be reached after its own retries.
    #[error("cannot {action} `{name}` in the object store", name = shown(name))]
    Store {
        /// What was tried.
        action: &'static str,
        /// With which object.
        name: String,
        /// The store's answer.
        source: Box<object_store::Error>,
    },
    /// The configuration cannot be met.
    #[error("`{key}` {problem}", problem = shown(problem))]
    Config {
        /// The configuration's key.
        key: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
    /// A kept input column is not of the type it was announced with.
    #[error("kept column `{column}` is {found}, not {expected} as announced", column = shown(column), found = shown(found))]
    KeptColumn {
        /// Its name in the input.
        column: String,
        /// The type announced.
        expected: Box<DataType>,
        /// The type found.
        found: String,
    },
    /// A row came at or before one that came earlier.
    #[error("{unit}: row {} came after row {}", index.0, after.0)]
    OutOfOrder {
        /// The unit.
        unit: UnitId,
        /// The row.
        index: RowIndex,
        /// The one before it.
        after: RowIndex,
    },
    /// A pair is neither a failure nor has it a sequence.
    #[error("{unit}: row {} has neither a sequence nor a failure", index.0)]
    NoSequence {
        /// The unit.
        unit: UnitId,
        /// The row.
        index: RowIndex,
    },
    /// A picture that is to be kept is not there, or one that is not is.
    #[error("{unit}: row {} {problem}", index.0)]
    Image {
        /// The unit.
        unit: UnitId,
        /// The row.
        index: RowIndex,
        /// Which of the two.
        problem: &'static str,
    },
    /// A number does not fit its column.
    #[error("{value} does not fit column `{column}`")]
    Overflow {
        /// The column.
        column: &'static str,
        /// The number.
        value: u64,
    },
    /// Pairs went missing or came twice.
    #[error(
        "{unit}: {rows_read} rows read and {text_rows} texts taken are not {filtered} filtered + {pairs} pairs + {texts} \
         texts + {failures} failures"
    )]
    Unaccounted {
        /// The unit.
        unit: UnitId,
        /// Rows read from the input.
        rows_read: u64,
        /// Texts taken from the corpus.
        text_rows: u64,
        /// Rows left out by filters.
        filtered: u64,
        /// Pairs pushed that have sequences.
        pairs: u64,
        /// Texts pushed that have a sequence.
        texts: u64,
        /// Pairs and texts pushed that failed.
        failures: u64,
    },
    /// The ids of contexts are not those of sequences.
    #[error("{unit}: {packed} ids were packed, and its sequences have {tokens}")]
    Unpacked {
        /// The unit.
        unit: UnitId,
        /// Ids of its sequences.
        tokens: u64,
        /// Ids of its contexts.
        packed: u64,
    },
    /// An earlier push failed, so this unit's files are not whole.
    #[error("{0}: an earlier row could not be written")]
    Broken(UnitId),
    /// Rows could not be made into a table.
    #[error("cannot form a batch of {table}")]
    Batch {
        /// `data`, `failures` or `images`.
        table: &'static str,
        /// The cause.
        source: ArrowError,
    },
    /// A table could not be encoded.
    #[error("cannot encode {table}")]
    Encode {
        /// `data` or `failures`.
        table: &'static str,
        /// The cause.
        source: ParquetError,
    },
    /// A file that should be a shard's is not Parquet, or is damaged.
    #[error("cannot decode `{name}`", name = shown(name))]
    Decode {
        /// The file.
        name: String,
        /// The cause.
        source: ParquetError,
    },
    /// A file that should be a shard's has other columns or metadata.
    #[error("`{name}` is not a file of this program: {problem}", name = shown(name), problem = shown(problem))]
    Foreign {
        /// The file.
        name: String,
        /// What it lacks.
        problem: String,
    },
    /// A JSON file of the output does not parse, or could not be written as JSON.
    #[error("cannot read or write `{name}` as JSON", name = shown(name))]
    Json {
        /// The file.
        name: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// A name that leads out of the output, or that no program of ours would give a file.
    #[error("`{name}` names no file of an output")]
    Name {
        /// The name, escaped.
        name: String,
    },
    /// A file that is read whole is larger than any that was written.
    #[error(
        "`{name}` has more than {most} bytes, and no such file of this program has; restore or remove it"
    )]
    TooLarge {
        /// The file.
        name: String,
        /// The most that one has.
        most: u64,
    },
    /// The numbers of a stats file cannot all be true.
    #[error(
        "`{name}` cannot be right: {problem}; restore it from a copy, or remove it to have its unit done anew \
         (`img2tokens verify` tells what else is wrong)"
    )]
    Impossible {
        /// The file.
        name: String,
        /// The first thing that cannot be.
        problem: String,
    },
    /// A unit is committed already, by a run with another plan.
    #[error("{unit} was committed under plan {found}, and this is plan {expected}", found = shown(found))]
    OtherPlan {
        /// The unit.
        unit: UnitId,
        /// The hash of this run's plan.
        expected: String,
        /// The hash that stands in the committed stats.
        found: String,
    },
    /// A committed unit lacks a file.
    #[error("`{name}` is missing, and its unit is committed", name = shown(name))]
    Missing {
        /// The file.
        name: String,
    },
    /// A committed unit's file is another.
    #[error("`{name}` is not the file that was committed; `img2tokens verify` tells what is wrong with it", name = shown(name))]
    Altered {
        /// The file.
        name: String,
    },
    /// Attempts at this unit kept getting in each other's way, or were swept while they ran.
    #[error("{0}: no attempt could be committed, since others interfered")]
    Contended(UnitId),
    /// An attempt's files were removed before they had their names.
    #[error(
        "{0}: its files under `.tmp` were removed while it was at work; keep other programs from cleaning there, and run \
         the same command again"
    )]
    Swept(UnitId),
    /// A blocking task ended early: it panicked, or the runtime shuts down.
    #[error("a background task did not finish")]
    Task(#[from] tokio::task::JoinError),
}

impl ShardError {
    /// Whether the same call may succeed later without anyone's doing (exit code 75): a store or network that went
    /// away, a rival. A full disk, a missing permission or a wrong configuration is not: a person must act.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        use object_store::Error as Store;
        match self {
            Self::Io { source, .. } => is_transient_io(source),
            Self::Store { source, .. } => match source.as_ref() {
                // The store's client has no finer word: this is what its exhausted retries come to.
                Store::Generic { source, .. } => {
                    !is_refusal(source.as_ref()) && io_cause(source.as_ref()).is_none_or(is_transient_io)
                }
                Store::JoinError { .. } | Store::Precondition { .. } => true,
                _ => false,
            },
            Self::Contended(_) | Self::Swept(_) | Self::Task(_) => true,
            _ => false,
        }
    }

    /// Whether where a file or folder of ours should be is something else: a link, a pipe, a device, a folder.
    pub(crate) fn is_irregular(&self) -> bool {
        let Self::Io { source, .. } = self else {
            return false;
        };
        source
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Irregular>)
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn store(action: &'static str, name: &str) -> impl FnOnce(object_store::Error) -> Self {
        let name = name.to_owned();
        move |source| Self::Store {
            action,
            name,
            source: Box::new(source),
        }
    }

    pub(crate) fn json(name: &str) -> impl FnOnce(serde_json::Error) -> Self {
        let name = name.to_owned();
        move |source| Self::Json { name, source }
    }
}

/// Whether a store's answer says that the request is wrong (4xx). For listings the client keeps that to itself: its error
/// type is private, and only its text tells.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    error.to_string().contains("non-2xx status code: 4")
}

fn is_transient_io(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::BrokenPipe
            | Kind::ConnectionAborted
            | Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::Interrupted
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::NotConnected
            | Kind::ResourceBusy
            | Kind::StaleNetworkFileHandle
            | Kind::TimedOut
            | Kind::UnexpectedEof
            | Kind::WouldBlock
    ) || error.raw_os_error() == Some(EIO)
}

/// Linux's and macOS's number for a device that failed; `io::ErrorKind` has no stable name for it.
const EIO: i32 = 5;

fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_away_is_worth_a_retry_and_a_full_disk_is_not() {
        let away = object_store::Error::Generic {
            store: "S3",
            source: "connection refused".into(),
        };
        assert!(ShardError::store("write", "data")(away).is_transient());
        let denied = object_store::Error::PermissionDenied {
            path: "data".into(),
            source: "403".into(),
        };
        assert!(!ShardError::store("write", "data")(denied).is_transient());
        let listing_denied = object_store::Error::Generic {
            store: "S3",
            source: "Error performing list request: Server returned non-2xx status code: 403 Forbidden: "
                .into(),
        };
        assert!(!ShardError::store("list", "stats")(listing_denied).is_transient());
        assert!(!ShardError::io("write", "data")(io::ErrorKind::StorageFull.into()).is_transient());
        assert!(!ShardError::io("write", "data")(io::ErrorKind::PermissionDenied.into()).is_transient());
        assert!(ShardError::io("write", "data")(io::ErrorKind::StaleNetworkFileHandle.into()).is_transient());
    }
}
