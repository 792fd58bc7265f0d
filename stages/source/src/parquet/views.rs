//! Text and bytes read as views onto their pages.
//!
//! Copied out, a long value of a dictionary takes its length again in each row that names it: a thousand rows of a table
//! of 500 bytes can say gigabytes. A view takes 16 bytes, and a value is copied when its row is.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_schema::{DataType, FieldRef, Fields};

/// The type with views wherever it has text or bytes.
pub(super) fn viewed(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(item) => DataType::List(viewed_field(item)),
        DataType::LargeList(item) => DataType::LargeList(viewed_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(viewed_field).collect::<Fields>()),
        other => other.clone(),
    }
}

fn viewed_field(field: &FieldRef) -> FieldRef {
    let data_type = viewed(field.data_type());
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// How many bytes a cell takes when it is copied, about.
pub(super) fn cell_bytes(column: &ArrayRef, row: usize) -> u64 {
    const FIXED: u64 = 16;
    if column.is_null(row) {
        return FIXED;
    }
    let items = |values: &ArrayRef, range: std::ops::Range<usize>| -> u64 {
        range.map(|item| cell_bytes(values, item)).sum()
    };
    let at = |offset: Option<&i32>| {
        offset
            .and_then(|offset| usize::try_from(*offset).ok())
            .unwrap_or(0)
    };
    let long = |offset: Option<&i64>| {
        offset
            .and_then(|offset| usize::try_from(*offset).ok())
            .unwrap_or(0)
    };
    let content = match column.data_type() {
        DataType::Utf8View => column.as_string_view().value(row).len() as u64,
        DataType::BinaryView => column.as_binary_view().value(row).len() as u64,
        DataType::Utf8 => column.as_string::<i32>().value(row).len() as u64,
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).len() as u64,
        DataType::Binary => column.as_binary::<i32>().value(row).len() as u64,
        DataType::LargeBinary => column.as_binary::<i64>().value(row).len() as u64,
        DataType::FixedSizeBinary(width) => u64::try_from(*width).unwrap_or(0),
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let offsets = lists.value_offsets();
            items(lists.values(), at(offsets.get(row))..at(offsets.get(row + 1)))
        }
        DataType::LargeList(_) => {
            let lists = column.as_list::<i64>();
            let offsets = lists.value_offsets();
            items(lists.values(), long(offsets.get(row))..long(offsets.get(row + 1)))
        }
        DataType::Map(..) => {
            let maps = column.as_map();
            let offsets = maps.value_offsets();
            let entries: ArrayRef = Arc::new(maps.entries().clone());
            items(&entries, at(offsets.get(row))..at(offsets.get(row + 1)))
        }
        DataType::Struct(_) => column
            .as_struct()
            .columns()
            .iter()
            .map(|field| cell_bytes(field, row))
            .sum(),
        DataType::Dictionary(..) => {
            // Of one row, as all keys are counted anew.
            let cell = column.slice(row, 1);
            let dictionary = cell.as_any_dictionary();
            let key = dictionary.normalized_keys().first().copied();
            key.map_or(0, |key| cell_bytes(dictionary.values(), key))
        }
        _ => 0,
    };
    FIXED + content
}
