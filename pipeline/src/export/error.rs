//! Why an export failed.

use std::io;
use std::path::{Path, PathBuf};

use img2tokens_schemas::shown;
use img2tokens_shard::{ShardError, UnitId};

/// An export that failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Exports never write over anything.
    #[error("`{}` is not empty: name a folder that does not exist yet", shown(folder.display()))]
    Occupied {
        /// The destination.
        folder: PathBuf,
    },
    /// Another process exports to the same folder.
    #[error("another export to `{}` is running", shown(folder.display()))]
    Busy {
        /// The destination.
        folder: PathBuf,
    },
    /// The output has no shards.
    #[error("{output}: no unit is committed there", output = shown(output))]
    NothingCommitted {
        /// The output.
        output: String,
    },
    /// No reader takes an empty data set.
    #[error("{output}: its {units} committed units hold no sequence", output = shown(output))]
    NoSequences {
        /// The output.
        output: String,
        /// How many units were read.
        units: u64,
    },
    /// A unit whose commit marker stands has no data.
    #[error("{unit} is committed, but its data file is missing")]
    Missing {
        /// The unit.
        unit: UnitId,
    },
    /// Ids of different vocabularies mean different things.
    #[error("{unit} was written with another vocabulary than the units before it")]
    Vocabulary {
        /// The unit.
        unit: UnitId,
    },
    /// An id that the vocabulary does not have.
    #[error("row {row} of {unit}: id {id} is not in the vocabulary of {vocabulary_size} ids")]
    Id {
        /// The unit.
        unit: UnitId,
        /// The row in its data file, from 0.
        row: u64,
        /// The id.
        id: i32,
        /// The size of the vocabulary.
        vocabulary_size: u32,
    },
    /// A row without ids, which no format can hold.
    #[error("row {row} of {unit} has no ids")]
    Empty {
        /// The unit.
        unit: UnitId,
        /// The row in its data file, from 0.
        row: u64,
    },
    /// The destination cannot be written.
    #[error("cannot write the export to `{}`", shown(folder.display()))]
    Write {
        /// The destination.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A shard cannot be read.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// A thread that reads or writes died.
    #[error("a thread of the export died")]
    Thread(#[from] tokio::task::JoinError),
}

impl ExportError {
    /// For `map_err`: an error of the destination's file system.
    pub(super) fn write(folder: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write {
            folder: folder.to_owned(),
            source,
        }
    }
}
