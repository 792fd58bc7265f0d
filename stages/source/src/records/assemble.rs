//! From records of any format to batches of rows.

use img2tokens_schemas::FailureReason;
use serde_json::{Map, Value};

use super::{ReadRecords, Record, document, open};
use crate::draft::{Draft, Place, Placed, digest_of_text};
use crate::object::Object;
use crate::{Extent, RowBatch, SourceConfig, SourceError, Survey, kept};

/// How many bytes of the file's records a batch may hold before it is given out.
const BATCH_BYTES: u64 = 8 << 20;

/// The rows of `extent`, a batch at a time.
pub(crate) fn batches(
    object: &Object,
    survey: &Survey,
    config: &SourceConfig,
    extent: &Extent,
    place: Place,
) -> Result<impl Iterator<Item = Result<RowBatch, SourceError>> + use<>, SourceError> {
    let (mut records, skip) = open(object, survey, config, extent)?;
    for _ in 0..skip {
        if !records.skip_record()? {
            break;
        }
    }
    let assembler = Assembler {
        survey: survey.clone(),
        config: config.clone(),
        place,
    };
    let end = extent.rows.unwrap_or(u64::MAX);
    let mut next = 0;
    Ok(std::iter::from_fn(move || {
        let batch = assembler.batch(records.as_mut(), next, end);
        if let Ok(Some(batch)) = &batch {
            next += batch.rows_read;
        }
        batch.transpose()
    }))
}

struct Assembler {
    survey: Survey,
    config: SourceConfig,
    place: Place,
}

impl Assembler {
    /// The batch that begins at row `first` of the extent, which ends at `end`; none at the end.
    fn batch(
        &self,
        records: &mut dyn ReadRecords,
        first: u64,
        end: u64,
    ) -> Result<Option<RowBatch>, SourceError> {
        let mut drafts = Vec::new();
        let mut kept_rows = Vec::new();
        let (mut rows_read, mut held_bytes) = (0, 0);
        while rows_read < self.config.batch_rows.get() as u64
            && held_bytes < BATCH_BYTES
            && first + rows_read < end
        {
            let Some(record) = records.next_record()? else {
                break;
            };
            if self.passes(&record) {
                let bytes = record.bytes as u64;
                let (draft, kept) = self.draft(record);
                // Of a record that cannot be read only the words about it are held.
                held_bytes += bytes.max(draft.bytes());
                drafts.push(Placed {
                    index: first + rows_read,
                    kept_row: kept_rows.len(),
                    draft,
                });
                kept_rows.push(kept);
            }
            rows_read += 1;
        }
        if rows_read == 0 {
            return Ok(None);
        }
        let kept = kept::batch_of_values(&self.survey.kept, &kept_rows)
            .map_err(|error| SourceError::decode(&self.place.input, self.place.first_row + first, error))?;
        self.place.finish(drafts, kept, rows_read).map(Some)
    }

    /// A record that cannot be read passes: it has to be accounted for by its failure.
    fn passes(&self, record: &Record) -> bool {
        record.failure.is_some()
            || self
                .config
                .filters
                .iter()
                .all(|filter| filter.passes(number(record.fields.get(&filter.column))))
    }

    fn draft(&self, record: Record) -> (Draft, Vec<Value>) {
        let Record {
            fields,
            member,
            failure,
            bytes: _,
        } = record;
        let columns = &self.survey.columns;
        let mut draft = Draft {
            image: member.image,
            failure,
            ..Draft::default()
        };
        draft.url = text(&mut draft, &fields, columns.url.as_deref());
        draft.caption = match text(&mut draft, &fields, columns.text.as_deref()) {
            None if columns.text.is_none() => member.caption.or_else(|| known_caption(&fields)),
            caption => caption,
        };
        draft.further_captions = columns
            .further_text
            .iter()
            .map(|name| text(&mut draft, &fields, Some(name)))
            .collect();
        draft.key = key(&mut draft, &fields, columns.key.as_deref()).or(member.key);
        let digest = columns.digest.as_deref().and_then(|name| fields.get(name));
        draft.stated_digest = digest.and_then(|digest| match digest {
            Value::Null => None,
            Value::String(text) => digest_of_text(text),
            other => digest_of_text(&other.to_string()),
        });
        // Of a record that cannot be read there are no fields.
        if let Some(columns) = columns.document.as_ref().filter(|_| draft.failure.is_none()) {
            draft.take_document(document::parts(&fields, columns, self.config.max_images));
        }
        let kept = self.keep(&mut draft, fields);
        (draft, kept)
    }

    /// The kept columns' values; one that does not have its column's type fails the row.
    fn keep(&self, draft: &mut Draft, mut fields: Map<String, Value>) -> Vec<Value> {
        let mut value = |field: &arrow_schema::FieldRef| {
            let value = fields.get_mut(field.name()).map(Value::take).unwrap_or_default();
            match kept::fits(&value, field.data_type()) {
                // As text, which takes less than the tree of it.
                true if value.is_array() || value.is_object() => Value::String(value.to_string()),
                true => value,
                false => {
                    let (name, data_type) = (field.name(), field.data_type());
                    draft.fail(
                        FailureReason::CorruptRow,
                        format!("column `{name}` is {data_type}, here it is {value}"),
                    );
                    Value::Null
                }
            }
        };
        self.survey.kept.iter().map(&mut value).collect()
    }
}

/// The caption in img2dataset's metadata, where a sample has no member for it.
fn known_caption(fields: &Map<String, Value>) -> Option<String> {
    let names = img2tokens_schemas::InputColumn::Text.known_names();
    names
        .iter()
        .find_map(|name| fields.get(*name)?.as_str())
        .map(str::to_owned)
}

fn text(draft: &mut Draft, fields: &Map<String, Value>, column: Option<&str>) -> Option<String> {
    match fields.get(column?)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => {
            draft.fail(
                FailureReason::CorruptRow,
                format!("column `{}` is no text: {other}", column?),
            );
            None
        }
    }
}

fn key(draft: &mut Draft, fields: &Map<String, Value>, column: Option<&str>) -> Option<String> {
    match fields.get(column?)? {
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => text(draft, fields, column),
    }
}

fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    }
}
