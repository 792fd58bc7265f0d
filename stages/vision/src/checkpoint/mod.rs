//! Where weights come from: a LaVIT directory as published, our own `config.json` + `model.safetensors`, or the
//! generated [`ModelSource::Nano`] (spec section 6).
//!
//! Files are mapped, not read: a tensor is a view until a backend converts it. Opening checks that every tensor which
//! the config asks for is there, whole, of the right shape and of a float type.

mod directory;
mod error;
mod file;
mod nano;
mod open;
mod parts;
mod prefixed;
mod safetensors;
mod save;
mod source;
mod tensor;
mod torch;

pub use directory::{write_config, write_directory, write_file};
pub use error::CheckpointError;
pub use open::Checkpoint;
pub use parts::DecoderCheckpoint;
pub use prefixed::Prefixed;
pub use save::SaveError;
pub use source::{ModelSource, UnknownBuiltin};
pub use tensor::{Tensor, TensorDtype, Tensors};
pub use torch::{ArchiveError, PickleError};
