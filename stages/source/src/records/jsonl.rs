//! JSONL: an object a line.

use std::io::Read;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::lines::{Piece, Splitter};
use super::{ReadRecords, Record};
use crate::SourceError;

/// The objects of a file.
pub(super) struct Records<R> {
    input: Arc<str>,
    lines: Splitter<R>,
}

impl<R: Read> Records<R> {
    pub(super) fn new(input: Arc<str>, lines: Splitter<R>) -> Self {
        Self { input, lines }
    }
}

impl<R: Read> ReadRecords for Records<R> {
    fn next_record(&mut self) -> Result<Option<Record>, SourceError> {
        let piece = self
            .lines
            .next()
            .map_err(|error| SourceError::from_io(&self.input, error))?;
        Ok(piece.map(|piece| match object(&piece) {
            Ok(fields) => Record {
                fields,
                bytes: piece.len(),
                ..Record::default()
            },
            Err(problem) => Record::broken(format!("record at byte {}: {problem}", piece.offset)),
        }))
    }

    fn skip_record(&mut self) -> Result<bool, SourceError> {
        let piece = self
            .lines
            .next()
            .map_err(|error| SourceError::from_io(&self.input, error))?;
        Ok(piece.is_some())
    }
}

/// A line's object.
pub(super) fn object(piece: &Piece<'_>) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(piece.bytes?).map_err(|error| error.to_string())
}
