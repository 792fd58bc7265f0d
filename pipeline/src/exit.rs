//! How the program ends: its exit codes, and errors that know theirs.

use std::io::ErrorKind;
use std::process::ExitCode;

use img2tokens_schemas::redact;
use img2tokens_schemas::shown::message;

use crate::console::OutputError;
use crate::export::ExportError;
use crate::local_copy::CopyError;

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed for good.
    Failed,
    /// 2: the command line or the config is wrong.
    Usage,
    /// 75: failed or stopped, and worth trying again (`EX_TEMPFAIL` of sysexits.h).
    Retry,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Retry => 75,
        }
    }
}

/// An error and the exit code it ends the program with.
#[derive(Debug)]
pub struct Failed {
    /// The code.
    pub exit: Exit,
    /// What went wrong.
    pub error: anyhow::Error,
}

impl Failed {
    /// Wrong usage or config; but a store that is away for a moment is worth trying again, and an output or cache that
    /// cannot be written is no mistake in the config.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        let exit = if crate::job::is_transient(&error) {
            Exit::Retry
        } else if error.chain().any(is_of_the_surroundings) {
            Exit::Failed
        } else {
            Exit::Usage
        };
        Self { exit, error }
    }

    /// Whether the reader of our output is gone (`img2tokens inspect OUT | head`): nothing failed.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        self.error.chain().any(OutputError::is_closed_pipe)
    }

    /// A run that failed, for good or for now.
    pub fn run(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        let exit = if crate::job::is_transient(&error) {
            Exit::Retry
        } else {
            Exit::Failed
        };
        Self { exit, error }
    }

    /// The error and its causes on one line, with nothing in it that acts on a terminal, and no secrets of URLs.
    #[must_use]
    pub fn line(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for cause in self.error.chain() {
            let text = message(&redact(&cause.to_string()));
            // Some errors repeat their source's text in their own.
            if parts.last().is_none_or(|last| !last.ends_with(&text)) {
                parts.push(text);
            }
        }
        let mut line = parts.join(": ");
        let mut causes = self
            .error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
        if self.error.chain().any(is_of_the_surroundings)
            && let Some(advice) = causes.find_map(|error| advice(error.kind()))
        {
            line.push_str("; ");
            line.push_str(advice);
        }
        line
    }
}

/// Whether a cause lies in what is around the program: the output's or the cache's disk or store.
fn is_of_the_surroundings(cause: &(dyn std::error::Error + 'static)) -> bool {
    use img2tokens_shard::ShardError;
    match cause.downcast_ref::<ShardError>() {
        Some(ShardError::Io { .. }) => true,
        // What is not there was named wrongly, and credentials are part of what a user sets.
        Some(ShardError::Store { source, .. }) => !matches!(
            **source,
            object_store::Error::NotFound { .. } | object_store::Error::Unauthenticated { .. }
        ),
        _ => {
            matches!(cause.downcast_ref::<CopyError>(), Some(CopyError::Disk { .. }))
                || matches!(
                    cause.downcast_ref::<ExportError>(),
                    Some(ExportError::Write { .. })
                )
        }
    }
}

/// What a person can do about a disk that refuses.
const fn advice(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Some("make room and run the same command again: it goes on where it was")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Some("let this user read and write there, or name another place")
        }
        _ => None,
    }
}
