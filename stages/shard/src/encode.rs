//! Rows into Parquet files: the columns, how they are encoded, and the file that takes them.

mod columns;
mod documents;
mod metadata;
mod optional;
mod packed;
mod properties;
mod table;

pub(crate) use columns::{DataColumns, FailureColumns};
pub(crate) use metadata::{described, of_unit};
pub(crate) use packed::PackedColumns;
pub(crate) use properties::{data_properties, failure_properties, packed_properties};
pub(crate) use table::TableFile;
