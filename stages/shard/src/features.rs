//! The Hugging Face `datasets` features of a schema, as its Parquet loader looks for them in the file's metadata
//! (`datasets/features/features.py`: `Features.from_arrow_schema`, `Value`, `Sequence`).

use arrow_schema::{DataType, Field, Fields, TimeUnit};
use serde_json::{Map, Value, json};

/// `{"info": {"features": {..}}}`; none if a column has a type that features cannot express: the loader then takes the
/// types from the Arrow schema, as it would without this metadata.
pub(crate) fn hugging_face_features(fields: &Fields) -> Option<Value> {
    let features = struct_feature(fields)?;
    Some(json!({ "info": { "features": features } }))
}

fn struct_feature(fields: &Fields) -> Option<Value> {
    let features: Option<Map<_, _>> = fields
        .iter()
        .map(|field| Some((field.name().clone(), feature(field.data_type())?)))
        .collect();
    features.map(Value::Object)
}

fn feature(data_type: &DataType) -> Option<Value> {
    match data_type {
        DataType::List(item) => list_feature(item),
        DataType::FixedSizeList(item, length) => {
            let inner = feature(item.data_type())?;
            Some(json!({ "feature": inner, "length": length, "_type": "Sequence" }))
        }
        DataType::Struct(fields) => struct_feature(fields),
        // Stored as its values; a reader without the Arrow schema sees no dictionary.
        DataType::Dictionary(_, _) => None,
        _ => value_name(data_type).map(|name| json!({ "dtype": name, "_type": "Value" })),
    }
}

/// `Sequence` and not the newer `List`, which older readers do not know. A sequence of structs would be read as a
/// struct of sequences, hence the list of one item for those.
fn list_feature(item: &Field) -> Option<Value> {
    let inner = feature(item.data_type())?;
    Some(match item.data_type() {
        DataType::Struct(_) => json!([inner]),
        _ => json!({ "feature": inner, "_type": "Sequence" }),
    })
}

/// The name of a plain type, as `datasets.Value` writes it.
fn value_name(data_type: &DataType) -> Option<String> {
    let unit_name = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    Some(match data_type {
        DataType::Null => "null".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Int8 => "int8".to_owned(),
        DataType::Int16 => "int16".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::UInt8 => "uint8".to_owned(),
        DataType::UInt16 => "uint16".to_owned(),
        DataType::UInt32 => "uint32".to_owned(),
        DataType::UInt64 => "uint64".to_owned(),
        DataType::Float16 => "float16".to_owned(),
        DataType::Float32 => "float32".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::LargeUtf8 => "large_string".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::LargeBinary => "large_binary".to_owned(),
        DataType::Date32 => "date32".to_owned(),
        DataType::Date64 => "date64".to_owned(),
        DataType::Time32(unit) => format!("time32[{}]", unit_name(unit)),
        DataType::Time64(unit) => format!("time64[{}]", unit_name(unit)),
        DataType::Duration(unit) => format!("duration[{}]", unit_name(unit)),
        DataType::Timestamp(unit, None) => format!("timestamp[{}]", unit_name(unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp[{}, tz={zone}]", unit_name(unit)),
        DataType::Decimal128(precision, scale) => format!("decimal128({precision}, {scale})"),
        DataType::Decimal256(precision, scale) => format!("decimal256({precision}, {scale})"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use img2tokens_schemas::columns::data_fields;

    #[test]
    fn every_fixed_column_has_a_feature_and_lists_are_sequences() {
        let features = hugging_face_features(&data_fields()).unwrap();
        let features = &features["info"]["features"];
        assert_eq!(features.as_object().unwrap().len(), data_fields().len());
        let codes = json!({ "feature": { "dtype": "uint16", "_type": "Value" }, "_type": "Sequence" });
        assert_eq!(features["image_codes"], codes);
        assert_eq!(
            features["kept_patches"],
            json!({ "dtype": "binary", "_type": "Value" })
        );
    }

    #[test]
    fn a_type_without_a_feature_leaves_all_to_the_arrow_schema() {
        let fields: Fields = vec![Field::new("odd", DataType::Utf8View, true)].into();
        assert_eq!(hugging_face_features(&fields), None);
    }
}
