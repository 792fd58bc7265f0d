//! Proves that a unit's files are what was committed, and that what was committed is right.
//!
//! [`verify_unit`] looks at one unit: its stats, the checksums of its files, their schema and metadata, every row
//! and every count. Keys that occur in more than one pair show only across units: each unit's keys go into a
//! [`KeyLedger`], which is asked at the end. [`verify_tombstones`] looks for what was taken down. All hold memory that
//! does not grow with the output.
//!
//! What is wrong with the output is a [`Finding`]; an error is that it could not be looked at.

mod document;
mod finding;
mod ledger;
mod optional;
mod packed;
mod row;
mod tombstones;
mod unit;

pub use finding::{Finding, Findings};
pub use ledger::KeyLedger;
pub use tombstones::verify_tombstones;
pub use unit::{Expected, UnitReport, verify_unit};
