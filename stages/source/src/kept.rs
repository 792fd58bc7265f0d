//! The kept columns: which types they have over all inputs, and how values become columns of those types.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, NullArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema};
use serde_json::Value;

use crate::{SourceError, Survey};

/// Gives the kept columns of all inputs of a run the same types, so that the shards make one dataset: integers of
/// several widths become `Int64`, integers and floats `Float64`, text and scalars text, and what is null everywhere
/// text. Each survey is changed; [`Source::rows`](crate::Source::rows) converts as it reads.
///
/// `inputs` are all inputs of the run (or the only one): each one's name, for errors, and its survey.
///
/// # Errors
/// [`SourceError::KeptType`] if a column has types that have nothing in common.
pub fn unify_kept<'a>(
    inputs: impl IntoIterator<Item = (&'a str, &'a mut Survey)>,
) -> Result<(), SourceError> {
    let mut inputs: Vec<(&str, &mut Survey)> = inputs.into_iter().collect();
    // Of a broken file nothing is known, and nothing is asked.
    let whole = || inputs.iter().filter(|(_, survey)| survey.broken.is_none());
    let Some((_, first)) = whole().next() else {
        return Ok(());
    };
    let mut unified: Vec<FieldRef> = first.kept.iter().map(Arc::clone).collect();
    for (input, survey) in whole() {
        for (column, found) in unified.iter_mut().zip(&survey.kept) {
            let common = common_type(column.data_type(), found.data_type());
            let data_type = common.ok_or_else(|| SourceError::KeptType {
                input: (*input).to_owned(),
                column: found.name().clone(),
                found: found.data_type().clone(),
                expected: column.data_type().clone(),
            })?;
            let nullable = column.is_nullable() || found.is_nullable();
            *column = Arc::new(
                column
                    .as_ref()
                    .clone()
                    .with_data_type(data_type)
                    .with_nullable(nullable),
            );
        }
    }
    for column in unified
        .iter_mut()
        .filter(|column| column.data_type() == &DataType::Null)
    {
        *column = Arc::new(column.as_ref().clone().with_data_type(DataType::Utf8));
    }
    let unified = Fields::from(unified);
    inputs
        .iter_mut()
        .for_each(|(_, survey)| survey.kept = unified.clone());
    Ok(())
}

fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    let is_scalar = |data_type: &DataType| data_type.is_numeric() || data_type == &DataType::Boolean;
    let is_string = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    match (left, right) {
        (left, right) if left == right => Some(left.clone()),
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        (DataType::Dictionary(_, value), other) | (other, DataType::Dictionary(_, value)) => {
            common_type(value, other)
        }
        (left, right) if left.is_integer() && right.is_integer() => Some(DataType::Int64),
        (left, right) if left.is_numeric() && right.is_numeric() => Some(DataType::Float64),
        (left, right) if is_string(left) && is_string(right) => Some(DataType::LargeUtf8),
        (left, right) if is_string(left) && is_scalar(right) => Some(left.clone()),
        (left, right) if is_scalar(left) && is_string(right) => Some(right.clone()),
        (left, right) if is_scalar(left) && is_scalar(right) => Some(DataType::Utf8),
        _ => None,
    }
}

/// The types that the values of one JSON key ask for, from the narrowest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonType {
    Null,
    Boolean,
    Integer,
    Float,
    /// Text, or several of these; what is nested is kept as JSON.
    Text,
    Nested,
}

impl JsonType {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.as_i64().is_some() => Self::Integer,
            Value::Number(_) => Self::Float,
            Value::String(_) => Self::Text,
            Value::Array(_) | Value::Object(_) => Self::Nested,
        }
    }

    pub(crate) fn widen(self, other: Self) -> Self {
        match (self, other) {
            (left, right) if left == right => left,
            (Self::Null, other) | (other, Self::Null) => other,
            (Self::Integer, Self::Float) | (Self::Float, Self::Integer) => Self::Float,
            _ => Self::Text,
        }
    }

    pub(crate) const fn data_type(self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Text | Self::Nested => DataType::Utf8,
        }
    }
}

/// A kept column as it has to be for values that come one by one.
pub(crate) fn nullable(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// Whether a value can stand in a column of this type without loss.
pub(crate) fn fits(value: &Value, data_type: &DataType) -> bool {
    match (data_type, value) {
        (_, Value::Null) | (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, _) => true,
        (DataType::Boolean, value) => value.is_boolean(),
        (DataType::Int64, value) => value.is_i64(),
        (DataType::Float64, value) => value.is_number(),
        _ => false,
    }
}

/// The kept columns of rows that came one by one: `rows[row][column]`, each value one that [`fits`].
pub(crate) fn batch_of_values(fields: &Fields, rows: &[Vec<Value>]) -> Result<RecordBatch, ArrowError> {
    let column = |(at, field): (usize, &FieldRef)| column_of_values(field.data_type(), rows, at);
    let columns = fields.iter().enumerate().map(column).collect::<Result<_, _>>()?;
    batch(fields, columns, rows.len())
}

fn column_of_values(data_type: &DataType, rows: &[Vec<Value>], at: usize) -> Result<ArrayRef, ArrowError> {
    let values = || rows.iter().map(|row| row.get(at).unwrap_or(&Value::Null));
    Ok(match data_type {
        DataType::Null => Arc::new(NullArray::new(rows.len())),
        DataType::Boolean => Arc::new(values().map(Value::as_bool).collect::<BooleanArray>()),
        DataType::Int64 => Arc::new(values().map(Value::as_i64).collect::<Int64Array>()),
        DataType::Float64 => Arc::new(values().map(Value::as_f64).collect::<Float64Array>()),
        text => arrow_cast::cast(&values().map(text_of).collect::<StringArray>(), text)?,
    })
}

/// A value as text: a string as it is, anything else as JSON.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The kept columns of rows that came as a table, converted where other inputs asked for a wider type.
pub(crate) fn batch_of_table(fields: &Fields, table: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |field: &FieldRef| {
        let column = table.column_by_name(field.name()).ok_or_else(|| {
            ArrowError::SchemaError(format!("column `{}` is not among those read", field.name()))
        })?;
        match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => arrow_cast::cast(column, field.data_type()),
        }
    };
    batch(
        fields,
        fields.iter().map(column).collect::<Result<_, _>>()?,
        table.num_rows(),
    )
}

fn batch(fields: &Fields, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields.clone())), columns, &options)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_widen_to_what_holds_both_whichever_comes_first() {
        for (left, right, common) in [
            (DataType::Int32, DataType::Float64, Some(DataType::Float64)),
            (DataType::Int32, DataType::Int64, Some(DataType::Int64)),
            (DataType::Float32, DataType::Float64, Some(DataType::Float64)),
            (DataType::Null, DataType::Float32, Some(DataType::Float32)),
            (DataType::Utf8, DataType::Int64, Some(DataType::Utf8)),
            (DataType::Boolean, DataType::Int64, Some(DataType::Utf8)),
            (DataType::Binary, DataType::Int64, None),
        ] {
            assert_eq!(common_type(&left, &right), common, "{left} {right}");
            assert_eq!(common_type(&right, &left), common, "{right} {left}");
        }
    }

    #[test]
    fn json_values_become_columns_of_the_type_that_holds_them_all() {
        let cases = [
            (vec![json!(1), json!(null)], DataType::Int64),
            (vec![json!(1), json!(0.5)], DataType::Float64),
            (vec![json!(1), json!("x")], DataType::Utf8),
            (vec![json!([1]), json!({})], DataType::Utf8),
            (vec![json!(true)], DataType::Boolean),
        ];
        for (values, expected) in cases {
            let json_type = values
                .iter()
                .map(JsonType::of)
                .fold(JsonType::Null, JsonType::widen);
            assert_eq!(json_type.data_type(), expected);
            assert!(values.iter().all(|value| fits(value, &expected)));
        }
    }
}
