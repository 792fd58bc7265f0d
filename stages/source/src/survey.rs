//! What a plan must know of an input, and the extents that become units.

use std::num::NonZeroU64;
use std::ops::Range;

use arrow_schema::Fields;
use serde::{Deserialize, Serialize};

use crate::{Columns, Compression, InputFormat};

/// What was learnt of one file. It stands in the plan, and reading goes by it alone: nothing is detected twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// The file's size in bytes.
    pub size: u64,
    /// The store's name for this version of the file, if it gives one.
    pub etag: Option<String>,
    /// When it was last modified (RFC 3339).
    pub last_modified: String,
    /// Its format.
    pub format: InputFormat,
    /// Its compression as a whole.
    pub compression: Option<Compression>,
    /// How many rows it has; unknown for a tar, which is counted as it is read.
    pub rows: Option<u64>,
    /// The columns that are read, and for what.
    pub columns: Columns,
    /// The names of all columns in the order of a CSV or TSV file's header; empty for other formats.
    pub header: Vec<String>,
    /// The kept columns, with the types they are given.
    pub kept: Fields,
    /// The file cut into units, in order.
    pub extents: Vec<Extent>,
}

/// A contiguous range of a file's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The first row, from 0.
    pub first_row: u64,
    /// How many rows; to the end of the file if unknown.
    pub rows: Option<u64>,
    /// Where its records lie, if reading can begin there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Range<u64>>,
}

impl Extent {
    /// The whole of a file whose rows nobody has counted.
    pub(crate) const fn uncounted() -> Self {
        Self {
            first_row: 0,
            rows: None,
            bytes: None,
        }
    }

    /// `rows` rows cut into units; the last one may be shorter.
    pub(crate) fn split(rows: u64, unit_rows: NonZeroU64) -> Vec<Self> {
        (0..rows.div_ceil(unit_rows.get()))
            .map(|unit| {
                let first_row = unit * unit_rows.get();
                Self {
                    first_row,
                    rows: Some(unit_rows.get().min(rows - first_row)),
                    bytes: None,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_cover_every_row_once() {
        let unit_rows = NonZeroU64::new(4).expect("not zero");
        for rows in [0, 1, 3, 4, 5, 8, 9] {
            let mut next = 0;
            for extent in Extent::split(rows, unit_rows) {
                assert_eq!(extent.first_row, next);
                next += extent.rows.expect("counted");
            }
            assert_eq!(next, rows);
        }
    }
}
