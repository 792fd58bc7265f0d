//! What can go wrong with a whole input. What goes wrong with one row is a `Failure` of that row instead.

use std::error::Error;
use std::io;

use arrow_schema::{ArrowError, DataType};
use img2tokens_schemas::shown;
use parquet::errors::ParquetError;

/// An input that cannot be found, understood or read. Each names the file (or the pattern) and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing lies at a path, under a directory, or matches a glob.
    #[error("no file matches `{pattern}`", pattern = shown(pattern))]
    NoMatch {
        /// As the user wrote it.
        pattern: String,
    },
    /// A glob or path that cannot be understood.
    #[error("`{pattern}` is no valid path or pattern: {problem}", pattern = shown(pattern), problem = shown(problem))]
    Pattern {
        /// As the user wrote it.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A directory with files of several formats: reading all of them would read pairs twice.
    #[error("`{pattern}` holds {first} and {second} files: set `input.format`, or name the files by a pattern", pattern = shown(pattern))]
    MixedFormats {
        /// The directory.
        pattern: String,
        /// One of the formats.
        first: crate::InputFormat,
        /// Another.
        second: crate::InputFormat,
    },
    /// The store refuses, or cannot be reached.
    #[error("`{input}` cannot be reached", input = shown(input))]
    Store {
        /// The file.
        input: String,
        /// The store's answer.
        source: object_store::Error,
    },
    /// Reading or decompressing failed.
    #[error("`{input}` cannot be read", input = shown(input))]
    Read {
        /// The file.
        input: String,
        /// The cause.
        source: io::Error,
    },
    /// Another version lies there than the one surveyed.
    #[error("`{input}` is not the file that was surveyed: {change}", input = shown(input), change = shown(change))]
    Changed {
        /// The file.
        input: String,
        /// What differs.
        change: String,
    },
    /// Neither name nor content tells the format.
    #[error("neither the name nor the content of `{input}` tells its format; set `input.format`", input = shown(input))]
    UnknownFormat {
        /// The file.
        input: String,
    },
    /// A column that the config names is not there.
    #[error("`{input}` has no column `{column}` (`input.{key}`); it has: {columns}", input = shown(input), column = shown(column), columns = shown(columns))]
    MissingColumn {
        /// The file.
        input: String,
        /// The column asked for.
        column: String,
        /// The config key that asks for it.
        key: &'static str,
        /// The columns there are.
        columns: String,
    },
    /// None of the known names is there.
    #[error("`{input}` has none of the columns {known}; set `input.{key}` to one of: {columns}", input = shown(input), columns = shown(columns))]
    UndetectedColumn {
        /// The file.
        input: String,
        /// The names looked for.
        known: String,
        /// The config key that names the column.
        key: &'static str,
        /// The columns there are.
        columns: String,
    },
    /// A column that the config names has a type that cannot serve.
    #[error("column `{column}` of `{input}` is {found}; `input.{key}` needs {wanted}", input = shown(input), column = shown(column), found = shown(found))]
    ColumnType {
        /// The file.
        input: String,
        /// The column.
        column: String,
        /// The config key that names it.
        key: &'static str,
        /// Its type.
        found: String,
        /// The types that can serve.
        wanted: &'static str,
    },
    /// Kept columns of several files that cannot stand in one dataset.
    #[error("column `{column}` of `{input}` is {found}, elsewhere {expected}: it cannot be kept over all inputs", input = shown(input), column = shown(column), found = shown(found))]
    KeptType {
        /// The file.
        input: String,
        /// The column.
        column: String,
        /// Its type in this file.
        found: DataType,
        /// Its type in the files before.
        expected: DataType,
    },
    /// A file whose structure is broken at a place from which reading cannot go on.
    #[error("`{input}` is corrupt at {place}: {problem}", input = shown(input), problem = shown(problem))]
    Corrupt {
        /// The file.
        input: String,
        /// A row, or a byte of the (decompressed) file.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// A file that was found broken when it was surveyed.
    #[error("`{input}` cannot be read: {problem}")]
    Broken {
        /// The file.
        input: String,
        /// What was found.
        problem: String,
    },
    /// A Parquet file whose footer cannot be read.
    #[error("`{input}` is no readable Parquet file", input = shown(input))]
    Parquet {
        /// The file.
        input: String,
        /// The cause.
        source: ParquetError,
    },
    /// A table whose rows cannot be decoded or converted.
    #[error("rows of `{input}` from {row} on cannot be decoded", input = shown(input))]
    Decode {
        /// The file.
        input: String,
        /// The first row of the batch at fault, from 0.
        row: u64,
        /// The cause.
        source: ArrowError,
    },
    /// The file has fewer rows than were surveyed.
    #[error("`{input}` gives {found} rows from row {first_row} on where {expected} were surveyed", input = shown(input))]
    RowCount {
        /// The file.
        input: String,
        /// The first row asked for.
        first_row: u64,
        /// How many were surveyed.
        expected: u64,
        /// How many came.
        found: u64,
    },
    /// The thread that reads the file died, or was told to stop.
    #[error("reading `{input}` was cut short", input = shown(input))]
    Interrupted {
        /// The file.
        input: String,
        /// The panic, if it was one.
        source: Option<tokio::task::JoinError>,
    },
}

impl SourceError {
    /// Whether trying again later may succeed: the store failed, not the file or the config.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(store) = error.downcast_ref::<object_store::Error>() {
                return matches!(
                    store,
                    object_store::Error::Generic { .. } | object_store::Error::JoinError { .. }
                );
            }
            cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                // `io::Error::source` skips the error that it wraps.
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        false
    }

    /// What is wrong with the file, if the fault is its content's alone: not the store's, the disk's, or the config's.
    pub(crate) fn broken_content(&self) -> Option<String> {
        match self {
            Self::Corrupt { place, problem, .. } => Some(format!("at {place}: {problem}")),
            Self::Parquet { source, .. } => Some(format!("it is no readable Parquet file: {source}")),
            // What the disk says has a number; what a decompressor says has none.
            Self::Read { source, .. } if !self.is_transient() && source.raw_os_error().is_none() => {
                Some(source.to_string())
            }
            Self::Interrupted {
                source: Some(panic), ..
            } => Some(panic.to_string()),
            _ => None,
        }
    }

    /// What an I/O error on `input` means: itself if one of ours travels inside it.
    pub(crate) fn from_io(input: &str, error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(source) => Self::Read {
                input: input.to_owned(),
                source,
            },
        }
    }

    pub(crate) fn decode(input: &str, row: u64, source: ArrowError) -> Self {
        Self::Decode {
            input: input.to_owned(),
            row,
            source,
        }
    }
}
