//! The config file: what a user can turn, read strictly and checked before anything runs (docs/spec/program.md, "Config").

mod batch_size;
mod device;
mod error;
mod failed_images;
mod read;
mod section;
mod sections;
mod validate;
mod verify_hash;

pub use batch_size::BatchSize;
pub use device::DeviceChoice;
pub use error::ConfigError;
pub use failed_images::FailedImages;
pub use read::{MAX_BYTES, Override, parse, read};
pub use sections::{
    BackendChoice, Compression, Config, Features, Fetch, Image, Input, KeptImages, Output, ProviderChoice,
    SelectionChoice, Sequence, Text, TextCorpus, Vision,
};
pub use verify_hash::VerifyHash;
