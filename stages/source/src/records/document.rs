//! A document's parts in a JSON record.

use img2tokens_schemas::{Failure, Part};
use serde_json::{Map, Value};

use crate::columns::{DocumentColumns, TEXT_FIELD, URL_FIELD};
use crate::document::{MatchedImage, corrupt, matched, side_by_side};

/// The parts that a record's lists hold: images as URLs beside the texts, or as objects that tell of each.
pub(super) fn parts(
    fields: &Map<String, Value>,
    columns: &DocumentColumns,
    max_images: usize,
) -> Result<Vec<Part>, Failure> {
    let images = list(fields, &columns.images)?;
    let texts = list(fields, &columns.texts)?;
    let texts = strings(texts, &columns.texts)?.into_iter();
    if !images.is_empty() && images.iter().all(Value::is_object) {
        return matched(images.iter().map(matched_image), texts, max_images);
    }
    let urls = strings(images, &columns.images)?;
    // Without any image the two shapes are alike, but for their lengths.
    if urls.is_empty() {
        return matched(std::iter::empty(), texts, max_images);
    }
    side_by_side(urls.into_iter(), texts, max_images)
}

fn matched_image(image: &Value) -> MatchedImage<'_> {
    MatchedImage {
        url: image[URL_FIELD].as_str(),
        text: image[TEXT_FIELD].as_i64(),
    }
}

fn list<'a>(fields: &'a Map<String, Value>, column: &str) -> Result<&'a [Value], Failure> {
    let list = fields.get(column).and_then(Value::as_array);
    list.map(Vec::as_slice)
        .ok_or_else(|| corrupt(format!("column `{column}` has no list")))
}

fn strings<'a>(list: &'a [Value], column: &str) -> Result<Vec<Option<&'a str>>, Failure> {
    let string = |(place, value): (usize, &'a Value)| match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.as_str())),
        _ => Err(corrupt(format!("item {place} of column `{column}` is no text"))),
    };
    list.iter().enumerate().map(string).collect()
}

#[cfg(test)]
mod tests {
    use img2tokens_schemas::FailureReason;
    use serde_json::json;

    use super::*;

    fn parts_of(images: &Value, texts: &Value) -> Result<usize, FailureReason> {
        let columns = DocumentColumns {
            images: "images".to_owned(),
            texts: "texts".to_owned(),
        };
        let Value::Object(fields) = json!({ "images": images, "texts": texts }) else {
            return Err(FailureReason::CorruptRow);
        };
        parts(&fields, &columns, 9)
            .map(|parts| parts.len())
            .map_err(|failure| failure.reason)
    }

    #[test]
    fn either_shape_is_told_by_its_images() {
        assert_eq!(parts_of(&json!(["u", null]), &json!([null, "a"])), Ok(2));
        let image = json!([{ "raw_url": "u", "matched_text_index": 0, "image_name": "x" }]);
        assert_eq!(parts_of(&image, &json!(["a", "b"])), Ok(3));
        assert_eq!(parts_of(&json!([]), &json!(["a", "b"])), Ok(2));
    }

    #[test]
    fn what_is_no_list_of_them_is_a_corrupt_row() {
        for (images, texts) in [
            (json!("u"), json!(["a"])),
            (json!(["u", null]), json!(null)),
            (json!(["u", 7]), json!([null, null])),
            (json!([{ "raw_url": "u" }]), json!(["a"])),
            (
                json!([{ "raw_url": "u", "matched_text_index": 0 }, "v"]),
                json!(["a"]),
            ),
            (json!(["u", null]), json!([null, ["a"]])),
        ] {
            assert_eq!(parts_of(&images, &texts), Err(FailureReason::CorruptRow));
        }
    }
}
