//! What can end a run before its last unit.

use std::error::Error;

use img2tokens_engine::{OutOfOrder, WatchedError, WorkerError};
use img2tokens_sequence::PackError;
use img2tokens_shard::ShardError;
use img2tokens_source::SourceError;
use img2tokens_vision::{BatchError, VisionError};

/// Why a run ended; a pair's failure never does.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An input could not be read on.
    #[error("reading the input failed")]
    Source(#[from] SourceError),
    /// Some files are broken; every unit that does not need what is broken is done.
    #[error("{}", broken_files(.0))]
    Broken(Vec<SourceError>),
    /// The system gave no file descriptor for a download, however often it was asked.
    #[error(
        "the system lets this process open no more files: raise its limit (`ulimit -n`) or lower fetch.concurrency"
    )]
    OutOfFiles,
    /// A shard could not be written.
    #[error("writing a shard failed")]
    Shard(#[from] ShardError),
    /// A sequence cannot be packed: a bug of this program.
    #[error("packing sequences failed")]
    Pack(#[from] PackError),
    /// The model or its device failed.
    #[error("tokenizing failed")]
    Vision(#[source] TokenizeError),
    /// The thread that owns the model panicked: a bug of this program.
    #[error("tokenizing failed: the worker thread died")]
    Died,
    /// A thread that decodes pictures panicked outside the decoder, or too many never returned from it: a bug of this
    /// program or of a decoder.
    #[error(transparent)]
    Image(#[from] WatchedError),
    /// Two pairs claim one place in a unit: a bug of this program.
    #[error("a unit's rows were mixed up")]
    Order(#[from] OutOfOrder),
    /// A task of the program panicked: a bug of this program.
    #[error("a task of the program died")]
    Lost(#[source] tokio::task::JoinError),
}

impl RunError {
    /// Whether it may be what another error left behind: pairs that were given up with a device, or a task, are missing
    /// from their unit.
    pub(super) const fn may_follow_from_another(&self) -> bool {
        matches!(self, Self::Shard(ShardError::Unaccounted { .. }))
    }

    /// Whether the same run may succeed later: a store or device that went away.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Shard(error) => error.is_transient(),
            Self::Source(error) => error.is_transient(),
            Self::Vision(TokenizeError::Vision(error)) => {
                matches!(error, VisionError::Backend { .. })
            }
            Self::OutOfFiles => true,
            // Pictures that were given up in units since committed are not met again: each start gets further.
            Self::Image(WatchedError::NeverReturned { .. }) => true,
            // Bugs of this program: the same input would fail the same way again.
            Self::Vision(_)
            | Self::Died
            | Self::Image(WatchedError::Died(_))
            | Self::Lost(_)
            | Self::Order(_)
            | Self::Pack(_) => false,
            Self::Broken(_) => false,
        }
    }
}

/// What a user has to mend, or leave out of `input.paths`.
fn broken_files(errors: &[SourceError]) -> String {
    let shown: Vec<String> = errors.iter().map(with_causes).collect();
    format!(
        "{} of the input's files cannot be read to their end, and the units there are missing; all others are done: {}",
        errors.len(),
        shown.join("; ")
    )
}

fn with_causes(error: &SourceError) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl From<WorkerError<TokenizeError>> for RunError {
    fn from(error: WorkerError<TokenizeError>) -> Self {
        match error {
            WorkerError::Failed(fault) => Self::Vision(fault),
            WorkerError::Died => Self::Died,
        }
    }
}

/// Why a batch could not be tokenized.
#[derive(Debug, thiserror::Error)]
pub enum TokenizeError {
    /// Its pictures do not make a batch: a bug of this program.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The model or its device.
    #[error(transparent)]
    Vision(#[from] VisionError),
}
