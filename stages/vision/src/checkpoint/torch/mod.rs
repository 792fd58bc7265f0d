//! PyTorch's files of weights: zip archives of one pickle and the tensors' bytes beside it.
//!
//! A pickle is a program. Ours ([`pickle`]) runs none of it: it rebuilds dictionaries, tuples and tensors, takes every
//! other object for an inert one, and bounds its memory by the length of its input.

mod archive;
mod pickle;
mod state_dict;

pub use archive::ArchiveError;
pub use pickle::PickleError;

use std::path::Path;

use super::CheckpointError;
use super::file::{WeightFile, map};

/// Opens a file that `torch.save` wrote from a dictionary of tensors.
pub(super) fn open(path: &Path) -> Result<WeightFile, CheckpointError> {
    let bytes = map(path)?;
    let entries = archive::entries(&bytes).map_err(|source| CheckpointError::Torch {
        path: path.to_owned(),
        source,
    })?;
    Ok(WeightFile {
        path: path.to_owned(),
        bytes,
        entries,
    })
}
