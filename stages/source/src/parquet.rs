//! Parquet tables: row ranges of any size out of row groups of any size.
//!
//! Pages are read one by one through small windows onto the column chunks ([`chunks`]), so that memory follows the
//! window, not the row group: row groups of web-scale tables reach a gigabyte, and a unit needs 10,000 rows of one.

mod batches;
mod cells;
mod chunks;
mod documents;
mod raw_text;
mod survey;

pub(crate) use batches::batches;
pub(crate) use survey::survey;
