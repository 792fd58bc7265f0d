//! The rows of a failures file.

use arrow_array::types::{UInt16Type, UInt32Type};
use arrow_array::{Array, PrimitiveArray, RecordBatch, StringArray};
use arrow_schema::Fields;
use img2tokens_schemas::columns::failure_schema;
use img2tokens_schemas::{Failure, FailureReason};

use super::cells::{Problem, numbers, strings};
use super::reader::Table;
use crate::UnitId;

/// A pair that gave no sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureRow<'a> {
    /// The row in the file, from 0.
    pub row: u64,
    /// The pair's name.
    pub key: &'a str,
    /// Its picture's URL, if it had one.
    pub url: Option<&'a str>,
    /// Which of the closed list.
    pub reason: FailureReason,
    /// What a person needs to understand it.
    pub detail: &'a str,
    /// The last HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// How often the URL was asked for.
    pub attempts: u32,
}

impl FailureRow<'_> {
    /// How the pair ended.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure {
            reason: self.reason,
            detail: self.detail.to_owned(),
            http_status: self.http_status,
            attempts: self.attempts,
        }
    }
}

/// Rows of a failures file.
#[derive(Debug)]
pub struct FailureBatch {
    first_row: u64,
    key: StringArray,
    url: StringArray,
    reason: Vec<FailureReason>,
    detail: StringArray,
    http_status: PrimitiveArray<UInt16Type>,
    attempts: PrimitiveArray<UInt32Type>,
}

impl FailureBatch {
    /// The rows, in the file's order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = FailureRow<'_>> {
        self.reason.iter().enumerate().map(|(row, reason)| FailureRow {
            row: self.first_row + row as u64,
            key: self.key.value(row),
            url: self.url.is_valid(row).then(|| self.url.value(row)),
            reason: *reason,
            detail: self.detail.value(row),
            http_status: self
                .http_status
                .is_valid(row)
                .then(|| self.http_status.value(row)),
            attempts: self.attempts.value(row),
        })
    }
}

impl Table for FailureBatch {
    const PROJECTION: Option<&'static [&'static str]> = None;

    fn file(unit: UnitId) -> String {
        unit.failures_file()
    }

    fn fields() -> Fields {
        failure_schema().fields
    }

    fn of(batch: RecordBatch, first_row: u64) -> Result<Self, Problem> {
        let reason = strings(&batch, "reason")?;
        let reason = (0..reason.len()).map(|row| reason.value(row).parse::<FailureReason>());
        Ok(Self {
            first_row,
            key: strings(&batch, "key")?,
            url: strings(&batch, "url")?,
            reason: reason
                .collect::<Result<_, _>>()
                .map_err(|error| error.to_string())?,
            detail: strings(&batch, "detail")?,
            http_status: numbers(&batch, "http_status")?,
            attempts: numbers(&batch, "attempts")?,
        })
    }
}
