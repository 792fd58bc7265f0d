//! CSV and TSV: a header line, then records with as many fields.

use std::io::Read;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::lines::{Piece, Splitter, State};
use super::{ReadRecords, Record};
use crate::{Quoting, SourceError};

/// How lines are cut into fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quoting: Quoting,
}

impl Dialect {
    /// The records of a table. Where quotes count, they may hold line breaks.
    pub(super) fn split<R: Read>(self, reader: R, offset: u64) -> Splitter<R> {
        let delimiter = match self.quoting {
            Quoting::Standard => Some(self.delimiter),
            Quoting::None => None,
        };
        Splitter::new(reader, offset, delimiter)
    }
}

/// The records of a delimited table.
pub(super) struct Records<R> {
    input: Arc<str>,
    lines: Splitter<R>,
    dialect: Dialect,
    header: Vec<String>,
}

impl<R: Read> Records<R> {
    pub(super) fn new(input: Arc<str>, lines: Splitter<R>, dialect: Dialect, header: Vec<String>) -> Self {
        Self {
            input,
            lines,
            dialect,
            header,
        }
    }

    /// Passes over the header, which was surveyed.
    pub(super) fn pass_header(&mut self) -> Result<(), SourceError> {
        self.skip_record().map(drop)
    }
}

impl<R: Read> ReadRecords for Records<R> {
    fn next_record(&mut self) -> Result<Option<Record>, SourceError> {
        let piece = self
            .lines
            .next()
            .map_err(|error| SourceError::from_io(&self.input, error))?;
        Ok(piece.map(|piece| record(&piece, self.dialect, &self.header)))
    }

    fn skip_record(&mut self) -> Result<bool, SourceError> {
        let piece = self
            .lines
            .next()
            .map_err(|error| SourceError::from_io(&self.input, error))?;
        Ok(piece.is_some())
    }
}

fn record(piece: &Piece<'_>, dialect: Dialect, header: &[String]) -> Record {
    let fields = match fields(piece, dialect) {
        Ok(fields) => fields,
        Err(problem) => return Record::broken(format!("record at byte {}: {problem}", piece.offset)),
    };
    if fields.len() != header.len() {
        let (found, expected) = (fields.len(), header.len());
        let detail = format!(
            "record at byte {} has {found} fields, the header {expected}",
            piece.offset
        );
        return Record::broken(detail);
    }
    let value = |text: Option<String>| text.map_or(Value::Null, Value::String);
    let fields: Map<String, Value> = header
        .iter()
        .cloned()
        .zip(fields.into_iter().map(value))
        .collect();
    Record {
        fields,
        bytes: piece.len(),
        ..Record::default()
    }
}

/// The fields of a record; one that is empty and not quoted is null.
pub(super) fn fields(piece: &Piece<'_>, dialect: Dialect) -> Result<Vec<Option<String>>, String> {
    let record = std::str::from_utf8(piece.bytes?).map_err(|error| format!("it is not UTF-8: {error}"))?;
    let delimiter = char::from(dialect.delimiter);
    if dialect.quoting == Quoting::None {
        let field = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        return Ok(record.split(delimiter).map(field).collect());
    }
    let mut fields = Vec::new();
    let mut field: Option<String> = None;
    let mut state = State::FieldStart;
    for char in record.chars() {
        let next = state.step(char, delimiter);
        match (state, next) {
            (_, State::FieldStart) => fields.push(field.take()),
            (State::FieldStart, State::Quoted) => field = Some(String::new()),
            (_, State::Closing) => {}
            _ => field.get_or_insert_default().push(char),
        }
        state = next;
    }
    fields.push(field);
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_as(quoting: Quoting, record: &str) -> Vec<Option<String>> {
        let piece = Piece {
            offset: 0,
            bytes: Ok(record.as_bytes()),
        };
        let dialect = Dialect {
            delimiter: b',',
            quoting,
        };
        fields(&piece, dialect).expect("UTF-8")
    }

    fn parse(record: &str) -> Vec<Option<String>> {
        parse_as(Quoting::Standard, record)
    }

    #[test]
    fn without_quoting_a_quote_is_a_character_like_others() {
        let expected = [Some("\"a".to_owned()), None, Some("b\"\"".to_owned())];
        assert_eq!(parse_as(Quoting::None, "\"a,,b\"\""), expected);
    }

    #[test]
    fn fields_are_unquoted_as_in_rfc_4180() {
        let expected = [
            "a",
            "b,c",
            "say \"hi\"",
            "line\nbreak",
            "in\"side",
            "after quotes",
        ];
        let record = "a,\"b,c\",\"say \"\"hi\"\"\",\"line\nbreak\",in\"side,\"after\" quotes";
        assert_eq!(parse(record), expected.map(|field| Some(field.to_owned())));
        assert_eq!(parse(",\"\""), [None, Some(String::new())]);
    }

    proptest! {
        #[test]
        fn whatever_is_quoted_comes_back(texts in prop::collection::vec("[a\",\n\r é]{0,8}", 1..6)) {
            let quoted: Vec<String> = texts.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).collect();
            let expected: Vec<Option<String>> = texts.into_iter().map(Some).collect();
            prop_assert_eq!(parse(&quoted.join(",")), expected);
        }
    }
}
