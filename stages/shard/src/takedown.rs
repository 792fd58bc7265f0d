//! Takes pairs out of an output for good.
//!
//! What is to go is recorded first: a record of [`Tombstones`] under `takedowns/`. From then on a unit that is committed
//! leaves such pairs out, exports pass over them and verification finds them. Then [`take_down`] makes a revision of each
//! committed unit that holds any: its files are written anew without them and put in place as a commit puts them. A pair
//! that is gone stays accounted for: as a failure with reason `taken_down`, of which nothing but the key is known.
//!
//! A process that dies between the two, or within, leaves what the next finishes: by [`resume`], then [`take_down`].

mod contexts;
mod forbidden;
mod revision;
mod rewrite;
mod tombstones;

pub use forbidden::{ForbiddenRows, forbidden_rows, forbidden_sequences};
pub use revision::{Taken, resume, take_down};
pub use tombstones::{EntryHash, Subject, Tombstones};

use img2tokens_schemas::{Failure, FailureReason};

/// How a pair ends that is taken down.
#[must_use]
pub fn taken_down() -> Failure {
    Failure::new(FailureReason::TakenDown, "the pair was taken down")
}
