//! Parquet tables: row ranges of any size out of row groups of any size.
//!
//! Pages are read one by one through small windows onto the column chunks ([`chunks`]), so that memory follows the
//! window, not the row group: row groups of web-scale tables reach a gigabyte, and a unit needs 10,000 rows of one.
//!
//! Nothing that a file states of itself sizes anything unproven: counts in the footer are held against what is there
//! ([`thrift`]), a page against a bound before it is unpacked ([`pages`]), and values are copied one row at a time ([`views`]).

mod batches;
mod cells;
mod chunks;
mod delta;
mod documents;
mod pages;
mod raw_text;
mod survey;
mod thrift;
mod views;

pub(crate) use batches::batches;
pub(crate) use survey::survey;
