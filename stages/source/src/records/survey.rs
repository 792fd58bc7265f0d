//! What one pass over a file of records tells.

use std::collections::HashMap;
use std::io::Read;

use arrow_schema::Fields;
use serde_json::{Map, Value};

use super::lines::{Piece, Splitter};
use super::webdataset::Samples;
use super::{ReadRecords, can_seek, delimited, dialect, jsonl};
use crate::columns::{Available, Kind, Table};
use crate::kept::{self, JsonType};
use crate::object::Object;
use crate::{Compression, Extent, InputFormat, SourceConfig, SourceError, Survey};

/// How many JSON records are looked at for the names of columns, where no column's type has to hold for all.
const LOOKED_AT: u64 = 1_000;
/// How many samples of a tar are looked at for the columns of their metadata.
const LOOKED_AT_SAMPLES: usize = 32;
/// What is looked at to tell the format of a file whose name does not.
const HEAD_BYTES: u64 = 4 << 10;

/// The format that a file's content shows.
pub(crate) fn format_of_content(
    object: &Object,
    compression: Option<Compression>,
) -> Result<InputFormat, SourceError> {
    let reader = object.open_decompressed(0..object.size, compression)?;
    let mut head = Vec::new();
    let read = reader.take(HEAD_BYTES).read_to_end(&mut head);
    read.map_err(|error| SourceError::from_io(&object.name, error))?;
    InputFormat::of_content(&head).ok_or_else(|| SourceError::UnknownFormat {
        input: object.name.to_string(),
    })
}

/// Fills in the rows, the columns and the extents.
pub(crate) fn survey(object: &Object, config: &SourceConfig, survey: &mut Survey) -> Result<(), SourceError> {
    match dialect(survey.format, config) {
        Some(dialect) => survey_delimited(object, config, survey, dialect),
        None if survey.format == InputFormat::Jsonl => survey_jsonl(object, config, survey),
        None => survey_samples(object, config, survey),
    }
}

fn survey_delimited(
    object: &Object,
    config: &SourceConfig,
    survey: &mut Survey,
    dialect: delimited::Dialect,
) -> Result<(), SourceError> {
    let reader = object.open_decompressed(0..object.size, survey.compression)?;
    let mut lines = dialect.split(reader, 0);
    let header = lines
        .next()
        .map_err(|error| SourceError::from_io(&object.name, error))?;
    let names = match header {
        Some(piece) => delimited::fields(&piece, dialect),
        None => Err("it has no header line".to_owned()),
    };
    let names = names.map_err(|problem| SourceError::Corrupt {
        input: object.name.to_string(),
        place: "its header".to_owned(),
        problem,
    })?;
    survey.header = names.into_iter().map(Option::unwrap_or_default).collect();
    let column = |name: &String| Available {
        name: name.clone(),
        kind: Kind::Text,
        shown: "text".to_owned(),
    };
    let available: Vec<Available> = survey.header.iter().map(column).collect();
    survey.columns = Table {
        input: &object.name,
        columns: &available,
    }
    .resolve(config)?;
    let keep = |name: &String| kept::nullable(name, arrow_schema::DataType::Utf8);
    survey.kept = config.keep_columns.iter().map(keep).collect();
    count(object, config, survey, &mut lines, |_| {})
}

fn survey_jsonl(object: &Object, config: &SourceConfig, survey: &mut Survey) -> Result<(), SourceError> {
    let reader = object.open_decompressed(0..object.size, survey.compression)?;
    let mut lines = Splitter::new(reader, 0, None);
    let mut seen = Seen::default();
    let mut looked_at = 0;
    count(object, config, survey, &mut lines, |piece| {
        looked_at += 1;
        if looked_at <= LOOKED_AT || !config.keep_columns.is_empty() || seen.columns.is_empty() {
            // A record that is broken is a row that fails; here it just tells nothing.
            if let Ok(record) = jsonl::object(piece) {
                seen.see(&record);
            }
        }
    })?;
    if seen.columns.is_empty() && survey.rows > Some(0) {
        return Err(SourceError::Corrupt {
            input: object.name.to_string(),
            place: "its records".to_owned(),
            problem: "none is a JSON object that names a column".to_owned(),
        });
    }
    if survey.rows == Some(0) {
        survey.kept = seen.kept(config);
        return Ok(());
    }
    let available = seen.available();
    survey.columns = Table {
        input: &object.name,
        columns: &available,
    }
    .resolve(config)?;
    survey.kept = seen.kept(config);
    Ok(())
}

/// Only the first samples: a tar's pictures are read once, when they are used.
fn survey_samples(object: &Object, config: &SourceConfig, survey: &mut Survey) -> Result<(), SourceError> {
    let reader = object.open_decompressed(0..object.size, survey.compression)?;
    // No picture is small enough: all are passed over.
    let mut samples = Samples::new(object.name.clone(), reader, 0);
    let mut seen = Seen::default();
    for _ in 0..LOOKED_AT_SAMPLES {
        let Some(sample) = samples.next_record()? else {
            break;
        };
        seen.see(&sample.fields);
    }
    let available = seen.available();
    survey.columns = Table {
        input: &object.name,
        columns: &available,
    }
    .resolve_metadata(config)?;
    survey.kept = seen.kept(config);
    survey.rows = None;
    survey.extents = vec![Extent::uncounted()];
    Ok(())
}

/// Counts the records that are left and notes where units begin.
fn count<R: Read>(
    object: &Object,
    config: &SourceConfig,
    survey: &mut Survey,
    lines: &mut Splitter<R>,
    mut look: impl FnMut(&Piece<'_>),
) -> Result<(), SourceError> {
    let mut rows = 0_u64;
    let mut starts = Vec::new();
    while let Some(piece) = lines
        .next()
        .map_err(|error| SourceError::from_io(&object.name, error))?
    {
        if rows.is_multiple_of(config.unit_rows.get()) {
            starts.push(piece.offset);
        }
        rows += 1;
        look(&piece);
    }
    survey.rows = Some(rows);
    survey.extents = Extent::split(rows, config.unit_rows);
    if can_seek(survey.format, survey.compression) {
        let ends = starts.iter().skip(1).copied().chain([object.size]);
        for ((extent, start), end) in survey.extents.iter_mut().zip(&starts).zip(ends) {
            extent.bytes = Some(*start..end);
        }
    }
    Ok(())
}

/// The columns that JSON records have had so far, in the order in which they came up.
#[derive(Default)]
struct Seen {
    columns: Vec<(String, JsonType)>,
    places: HashMap<String, usize>,
}

impl Seen {
    /// How many different keys are told apart: a file of more is no table.
    const MOST: usize = 1_000;
    /// The longest key that is one of a column.
    const LONGEST: usize = 1 << 10;

    fn see(&mut self, record: &Map<String, Value>) {
        for (name, value) in record {
            let json_type = JsonType::of(value);
            let place = self.places.get(name);
            if let Some((_, known)) = place.and_then(|place| self.columns.get_mut(*place)) {
                *known = known.widen(json_type);
            } else if self.columns.len() < Self::MOST && name.len() <= Self::LONGEST {
                self.places.insert(name.clone(), self.columns.len());
                self.columns.push((name.clone(), json_type));
            }
        }
    }

    fn available(&self) -> Vec<Available> {
        let column = |(name, json_type): &(String, JsonType)| Available {
            name: name.clone(),
            kind: match json_type {
                JsonType::Integer => Kind::Integer,
                JsonType::Float => Kind::Number,
                // What is always null may be anything.
                JsonType::Text | JsonType::Null => Kind::Text,
                JsonType::Nested => Kind::Nested,
                JsonType::Boolean => Kind::Other,
            },
            shown: format!("{json_type:?}").to_lowercase(),
        };
        self.columns.iter().map(column).collect()
    }

    fn kept(&self, config: &SourceConfig) -> Fields {
        let keep = |name: &String| {
            let seen = self.columns.iter().find(|(known, _)| known == name);
            let json_type = seen.map_or(JsonType::Null, |(_, json_type)| *json_type);
            kept::nullable(name, json_type.data_type())
        };
        config.keep_columns.iter().map(keep).collect()
    }
}
