//! A sample, and what stands in its `.json`: img2dataset's own fields, then the input's columns.

use arrow_array::Array;
use arrow_cast::display::array_value_to_string;
use arrow_schema::{ArrowError, DataType};
use img2tokens_schemas::{Digest, KeptColumns};
use serde_json::{Map, Value, json};

use super::KeptImage;
use crate::config::COLLISION_PREFIX;

/// A sample: `NAME.EXTENSION`, `NAME.txt` (the caption) and `NAME.json`, as img2dataset writes them.
#[derive(Debug, Clone, Copy)]
pub struct ImageSample<'a> {
    /// The pair's name. The members' is made of it: what has a meaning in names of files is written `%XX`.
    pub key: &'a str,
    /// Where the picture came from, if that is known.
    pub url: Option<&'a str>,
    /// The picture that is stored, and the caption.
    pub image: KeptImage<'a>,
    /// The original's width and height in pixels.
    pub original: (u32, u32),
    /// The digest of the original's bytes.
    pub sha256: Digest,
    /// Columns of the input. One named like a field above is called `input_` and its name.
    pub columns: &'a Map<String, Value>,
}

impl ImageSample<'_> {
    /// What stands in the `.json`.
    pub(super) fn fields(&self) -> Value {
        let mut fields = json!({
            "key": self.key,
            "url": self.url,
            "caption": self.image.caption,
            "status": "success",
            "error_message": null,
            "width": self.image.width,
            "height": self.image.height,
            "original_width": self.original.0,
            "original_height": self.original.1,
            "sha256": self.sha256.to_string(),
        });
        for (name, value) in self.columns {
            let name = match fields.get(name) {
                Some(_) => format!("{COLLISION_PREFIX}{name}"),
                None => name.clone(),
            };
            fields[name] = value.clone();
        }
        fields
    }
}

/// The kept columns of a row as JSON.
pub(super) fn columns_of(kept: &KeptColumns) -> Result<Map<String, Value>, ArrowError> {
    let (batch, row) = (kept.batch(), kept.row());
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .map(|(field, values)| Ok((field.name().clone(), cell(values.as_ref(), row)?)))
        .collect()
}

/// A cell as JSON: numbers and truth values as such, everything else as it is written.
fn cell(values: &dyn Array, row: usize) -> Result<Value, ArrowError> {
    if values.is_null(row) {
        return Ok(Value::Null);
    }
    let text = array_value_to_string(values, row)?;
    let is_plain = values.data_type().is_numeric() || *values.data_type() == DataType::Boolean;
    Ok(match is_plain.then(|| serde_json::from_str(&text)) {
        Some(Ok(value)) => value,
        // What is not a number among numbers (NaN) is none in JSON either.
        _ => Value::String(text),
    })
}
