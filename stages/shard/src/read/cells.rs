//! Typed access to the columns of a batch, checked once a batch so that rows can be lent without failing.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, GenericListArray, PrimitiveArray, RecordBatch};

/// What is wrong with a batch, in words.
pub(super) type Problem = String;

pub(super) fn column<'a, A: 'static>(
    batch: &'a RecordBatch,
    name: &'static str,
    cast: impl FnOnce(&'a dyn Array) -> Option<&'a A>,
) -> Result<&'a A, Problem> {
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| format!("it has no column `{name}`"))?;
    cast(column.as_ref()).ok_or_else(|| format!("column `{name}` is {}", column.data_type()))
}

pub(super) fn numbers<T: ArrowPrimitiveType>(
    batch: &RecordBatch,
    name: &'static str,
) -> Result<PrimitiveArray<T>, Problem> {
    column(batch, name, |array| array.as_primitive_opt::<T>()).cloned()
}

pub(super) fn strings(batch: &RecordBatch, name: &'static str) -> Result<arrow_array::StringArray, Problem> {
    column(batch, name, |array| array.as_string_opt::<i32>()).cloned()
}

/// A column of lists of numbers, none of which is null.
#[derive(Debug)]
pub(super) struct Lists<T: ArrowPrimitiveType> {
    lists: GenericListArray<i32>,
    items: PrimitiveArray<T>,
}

impl<T: ArrowPrimitiveType> Lists<T> {
    pub(super) fn new(batch: &RecordBatch, name: &'static str) -> Result<Self, Problem> {
        let lists = column(batch, name, |array| array.as_list_opt::<i32>())?.clone();
        let items = lists.values().as_primitive_opt::<T>().cloned();
        let items = items.ok_or_else(|| format!("column `{name}` is {}", lists.data_type()))?;
        if items.null_count() > 0 {
            return Err(format!("a list in column `{name}` has a null"));
        }
        Ok(Self { lists, items })
    }

    pub(super) fn get(&self, row: usize) -> &[T::Native] {
        self.items.values().get(self.range(row)).unwrap_or_default()
    }

    fn range(&self, row: usize) -> Range<usize> {
        let offset = |at: usize| {
            self.lists
                .value_offsets()
                .get(at)
                .map_or(0, |offset| *offset as usize)
        };
        offset(row)..offset(row + 1)
    }
}
