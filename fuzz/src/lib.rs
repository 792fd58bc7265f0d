//! What fuzz targets share. A target is a file in `fuzz_targets/` and a `[[bin]]` in `Cargo.toml`.

pub mod cap;
pub mod checkpoint;
pub mod source;
