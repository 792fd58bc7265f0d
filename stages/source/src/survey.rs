//! What a plan must know of an input, and the extents that become units.

use std::num::NonZeroU64;
use std::ops::Range;

use arrow_schema::Fields;
use serde::{Deserialize, Serialize};

use crate::{Columns, Compression, InputFormat, SourceError};

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
    /// What is wrong with the file if nothing could be learnt of it. It then counts as one of no rows and has one extent,
    /// whose reading says so: a broken file costs itself, not the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

impl Survey {
    /// All that reading one extent needs: the extents, of which there may be a million, are not copied.
    pub(crate) fn without_extents(&self) -> Self {
        Self {
            size: self.size,
            etag: self.etag.clone(),
            last_modified: self.last_modified.clone(),
            format: self.format,
            compression: self.compression,
            rows: self.rows,
            columns: self.columns.clone(),
            header: self.header.clone(),
            kept: self.kept.clone(),
            extents: Vec::new(),
            broken: self.broken.clone(),
        }
    }

    /// The error that reading the file ends with, if it is broken.
    #[must_use]
    pub fn broken(&self, input: &str) -> Option<SourceError> {
        self.broken.as_ref().map(|problem| SourceError::Broken {
            input: input.to_owned(),
            problem: problem.clone(),
        })
    }
}

/// A contiguous range of a file's rows. As JSON it is `[first row, rows or null, null or [first byte, end]]`: a plan
/// may have a million of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Extent {
    /// The first row, from 0.
    pub first_row: u64,
    /// How many rows; to the end of the file if unknown.
    pub rows: Option<u64>,
    /// Where its records lie, if reading can begin there.
    pub bytes: Option<Range<u64>>,
}

type Row = (u64, Option<u64>, Option<(u64, u64)>);

impl From<Row> for Extent {
    fn from((first_row, rows, bytes): Row) -> Self {
        Self {
            first_row,
            rows,
            bytes: bytes.map(|(start, end)| start..end),
        }
    }
}

impl From<Extent> for Row {
    fn from(extent: Extent) -> Self {
        let bytes = extent.bytes.map(|bytes| (bytes.start, bytes.end));
        (extent.first_row, extent.rows, bytes)
    }
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

    /// The one of a file that is broken.
    pub(crate) const fn of_nothing() -> Self {
        Self {
            rows: Some(0),
            ..Self::uncounted()
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
    fn an_extent_is_a_short_line_of_json_and_back() {
        for (text, bytes) in [("[7,3,null]", None), ("[7,3,[40,90]]", Some(40..90))] {
            let extent = Extent {
                first_row: 7,
                rows: Some(3),
                bytes,
            };
            assert_eq!(serde_json::to_string(&extent).expect("is JSON"), text);
            assert_eq!(
                serde_json::from_str::<Extent>(text).expect("is an extent"),
                extent
            );
        }
    }

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
