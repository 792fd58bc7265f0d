//! The parts of documents in one batch of a Parquet table.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray, RecordBatch, StringViewArray};
use arrow_schema::{ArrowError, DataType, Field};
use img2tokens_schemas::{Failure, Part};

use super::cells::column;
use crate::columns::{DocumentColumns, Kind, TEXT_FIELD, URL_FIELD};
use crate::document::{MatchedImage, corrupt, matched, side_by_side};

/// A batch's columns of images and texts.
pub(super) struct DocumentCells {
    images: Images,
    texts: TextLists,
    max_images: usize,
}

/// Images in either shape.
enum Images {
    Urls(TextLists),
    Matched {
        lists: ListArray,
        urls: StringViewArray,
        texts: Int64Array,
    },
}

impl DocumentCells {
    pub(super) fn new(
        batch: &RecordBatch,
        columns: &DocumentColumns,
        max_images: usize,
    ) -> Result<Self, ArrowError> {
        let images = column(batch, &columns.images)?;
        Ok(Self {
            images: match Kind::of(images.data_type()) {
                Kind::Images => Images::matched(images)?,
                _ => Images::Urls(TextLists::new(images)?),
            },
            texts: TextLists::new(column(batch, &columns.texts)?)?,
            max_images,
        })
    }

    /// The parts of a row.
    pub(super) fn parts(&self, row: usize) -> Result<Vec<Part>, Failure> {
        let texts = self
            .texts
            .get(row)
            .ok_or_else(|| corrupt("it has no list of texts"))?;
        let no_images = || corrupt("it has no list of images");
        match &self.images {
            Images::Urls(urls) => side_by_side(urls.get(row).ok_or_else(no_images)?, texts, self.max_images),
            Images::Matched {
                lists,
                urls,
                texts: numbers,
            } => {
                let range = range_of(lists, row).ok_or_else(no_images)?;
                let images = range.map(|item| MatchedImage {
                    url: urls.is_valid(item).then(|| urls.value(item)),
                    text: numbers.is_valid(item).then(|| numbers.value(item)),
                });
                matched(images, texts, self.max_images)
            }
        }
    }
}

impl Images {
    fn matched(column: &ArrayRef) -> Result<Self, ArrowError> {
        let lists = match column.data_type() {
            DataType::LargeList(item) => arrow_cast::cast(column, &DataType::List(Arc::clone(item)))?,
            _ => Arc::clone(column),
        };
        let lists = as_lists(&lists)?;
        let field = |name: &str, data_type| {
            let items = lists.values().as_struct_opt();
            let field = items.and_then(|items| items.column_by_name(name));
            let field =
                field.ok_or_else(|| ArrowError::SchemaError(format!("its items have no `{name}`")))?;
            arrow_cast::cast(field, &data_type)
        };
        Ok(Self::Matched {
            urls: field(URL_FIELD, DataType::Utf8View)?.as_string_view().clone(),
            texts: field(TEXT_FIELD, DataType::Int64)?
                .as_primitive::<Int64Type>()
                .clone(),
            lists,
        })
    }
}

/// A column of lists of text.
struct TextLists {
    lists: ListArray,
    items: StringViewArray,
}

impl TextLists {
    fn new(column: &ArrayRef) -> Result<Self, ArrowError> {
        let item = Arc::new(Field::new("element", DataType::Utf8View, true));
        let lists = as_lists(&arrow_cast::cast(column, &DataType::List(item))?)?;
        let items = lists.values().as_string_view().clone();
        Ok(Self { lists, items })
    }

    /// The items of a row's list; none if it has no list.
    fn get(&self, row: usize) -> Option<impl ExactSizeIterator<Item = Option<&str>>> {
        let items = range_of(&self.lists, row)?;
        Some(items.map(|item| self.items.is_valid(item).then(|| self.items.value(item))))
    }
}

fn as_lists(column: &ArrayRef) -> Result<ListArray, ArrowError> {
    let lists = column.as_list_opt::<i32>().cloned();
    lists.ok_or_else(|| ArrowError::SchemaError(format!("{} are no lists", column.data_type())))
}

/// Where a row's items are among those of all rows; none if it has no list.
fn range_of(lists: &ListArray, row: usize) -> Option<Range<usize>> {
    let at = |place: usize| {
        let offset = lists.value_offsets().get(place)?;
        usize::try_from(*offset).ok()
    };
    lists.is_valid(row).then_some(at(row)?..at(row + 1)?)
}
