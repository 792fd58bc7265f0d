//! What a person who waits wants to know.

/// A step of [`Hub::fetch`](crate::Hub::fetch), as it happens. Files come one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A file is in the cache already.
    Cached {
        /// Its path in the repository.
        file: &'a str,
    },
    /// A file's download begins, or begins anew because what had arrived is of no use.
    Started {
        /// Its path in the repository.
        file: &'a str,
        /// Its size in bytes.
        size: u64,
        /// The bytes that an earlier download left.
        kept: u64,
    },
    /// So many bytes of the current file are there.
    Received {
        /// The bytes, from the file's beginning.
        bytes: u64,
    },
    /// The current file has arrived and passed the checks.
    Finished {
        /// Its path in the repository.
        file: &'a str,
        /// Its size in bytes.
        size: u64,
    },
}
