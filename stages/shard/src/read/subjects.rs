//! What names the pairs of a data file.

use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::Fields;
use img2tokens_schemas::columns::data_fields;

use super::cells::{Problem, strings};
use super::reader::Table;
use crate::UnitId;
use crate::takedown::Subject;

/// Rows of a data file of which only the names were decoded.
#[derive(Debug)]
pub(crate) struct SubjectBatch {
    first_row: u64,
    key: StringArray,
    url: StringArray,
    sha256: StringArray,
}

impl SubjectBatch {
    /// The rows, each with its number in the file, from 0.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = (u64, Subject<'_>)> {
        (0..self.key.len()).map(|row| {
            let subject = Subject {
                key: self.key.value(row),
                url: self.url.is_valid(row).then(|| self.url.value(row)),
                sha256: Some(self.sha256.value(row)),
            };
            (self.first_row + row as u64, subject)
        })
    }
}

impl Table for SubjectBatch {
    const PROJECTION: Option<&'static [&'static str]> = Some(&["key", "url", "sha256"]);

    fn file(unit: UnitId) -> String {
        unit.data_file()
    }

    fn fields() -> Fields {
        data_fields()
    }

    fn of(batch: RecordBatch, first_row: u64) -> Result<Self, Problem> {
        Ok(Self {
            first_row,
            key: strings(&batch, "key")?,
            url: strings(&batch, "url")?,
            sha256: strings(&batch, "sha256")?,
        })
    }
}
