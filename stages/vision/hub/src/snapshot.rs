//! What was fetched.

use std::path::PathBuf;

/// Files of one commit, all of them there and checked. Its directory is a model's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The directory, in the cache.
    pub path: PathBuf,
    /// The commit's id.
    pub commit: String,
    /// The files that were asked for, below the directory. Others may lie there too.
    pub files: Vec<&'static str>,
}
