//! The parts of documents, as they stand in a data file.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, BinaryArray, BooleanArray, Int32Array, ListArray, RecordBatch, StringArray, StructArray,
};

use super::cells::{Problem, column};

/// An image of a document; only its types are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageItem<'a> {
    /// Its place in the input's list of images, from 0.
    pub place: i32,
    /// The index in `input_ids` of its first code.
    pub start: i32,
    /// The number of its codes.
    pub len: i32,
    /// Which patches they stand for, as in [`super::DataRow::kept_patches`].
    pub kept_patches: &'a [u8],
    /// Where it came from.
    pub url: Option<&'a str>,
    /// The width of the original in pixels.
    pub width: i32,
    /// The height of the original in pixels.
    pub height: i32,
    /// The SHA-256 digest of its bytes, in hexadecimal.
    pub sha256: &'a str,
}

/// A text of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextItem<'a> {
    /// The index in `input_ids` of its first id.
    pub start: i32,
    /// The number of its ids.
    pub len: i32,
    /// The text.
    pub text: &'a str,
    /// Whether its ids were cut off.
    pub truncated: bool,
}

/// An image that a document goes without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedItem<'a> {
    /// Its place in the input's list of images, from 0.
    pub place: i32,
    /// The code of the reason.
    pub reason: &'a str,
}

/// The parts of a document, each kind in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentParts<'a> {
    /// Its images.
    pub images: Vec<ImageItem<'a>>,
    /// Its texts.
    pub texts: Vec<TextItem<'a>>,
    /// The images that it goes without.
    pub dropped: Vec<DroppedItem<'a>>,
}

/// A batch's columns of parts.
#[derive(Debug)]
pub(super) struct DocumentColumns {
    names: ImageNames,
    place: Int32Array,
    start: Int32Array,
    len: Int32Array,
    kept_patches: BinaryArray,
    width: Int32Array,
    height: Int32Array,
    texts: TextColumns,
    dropped: DroppedColumns,
}

#[derive(Debug)]
struct TextColumns {
    lists: ListArray,
    start: Int32Array,
    len: Int32Array,
    text: StringArray,
    truncated: BooleanArray,
}

#[derive(Debug)]
struct DroppedColumns {
    lists: ListArray,
    place: Int32Array,
    reason: StringArray,
}

impl DocumentColumns {
    pub(super) fn new(batch: &RecordBatch) -> Result<Self, Problem> {
        let (_, images) = items(batch, "images")?;
        let (texts, text_items) = items(batch, "texts")?;
        let (dropped, dropped_items) = items(batch, "dropped_images")?;
        Ok(Self {
            names: ImageNames::new(batch)?,
            place: numbers(images, "place")?,
            start: numbers(images, "start")?,
            len: numbers(images, "len")?,
            kept_patches: field(images, "kept_patches", |array| array.as_binary_opt::<i32>())?,
            width: numbers(images, "width")?,
            height: numbers(images, "height")?,
            texts: TextColumns {
                lists: texts.clone(),
                start: numbers(text_items, "start")?,
                len: numbers(text_items, "len")?,
                text: strings(text_items, "text")?,
                truncated: field(text_items, "truncated", |array| array.as_boolean_opt())?,
            },
            dropped: DroppedColumns {
                lists: dropped.clone(),
                place: numbers(dropped_items, "place")?,
                reason: strings(dropped_items, "reason")?,
            },
        })
    }

    pub(super) fn parts(&self, row: usize) -> DocumentParts<'_> {
        let image = |(item, (url, sha256))| ImageItem {
            place: self.place.value(item),
            start: self.start.value(item),
            len: self.len.value(item),
            kept_patches: self.kept_patches.value(item),
            url,
            width: self.width.value(item),
            height: self.height.value(item),
            sha256,
        };
        let text = |item| TextItem {
            start: self.texts.start.value(item),
            len: self.texts.len.value(item),
            text: self.texts.text.value(item),
            truncated: self.texts.truncated.value(item),
        };
        let dropped = |item| DroppedItem {
            place: self.dropped.place.value(item),
            reason: self.dropped.reason.value(item),
        };
        DocumentParts {
            images: range_of(&self.names.lists, row)
                .zip(self.names.get(row))
                .map(image)
                .collect(),
            texts: range_of(&self.texts.lists, row).map(text).collect(),
            dropped: range_of(&self.dropped.lists, row).map(dropped).collect(),
        }
    }
}

/// What names the images of documents.
#[derive(Debug)]
pub(super) struct ImageNames {
    lists: ListArray,
    url: StringArray,
    sha256: StringArray,
}

impl ImageNames {
    pub(super) fn new(batch: &RecordBatch) -> Result<Self, Problem> {
        let (lists, items) = items(batch, "images")?;
        Ok(Self {
            lists: lists.clone(),
            url: strings(items, "url")?,
            sha256: strings(items, "sha256")?,
        })
    }

    /// URL and digest of each image of a row.
    pub(super) fn get(&self, row: usize) -> impl Iterator<Item = (Option<&str>, &str)> {
        range_of(&self.lists, row).map(|item| {
            let url = self.url.is_valid(item).then(|| self.url.value(item));
            (url, self.sha256.value(item))
        })
    }
}

/// A column of lists, and the structs that are their items.
fn items<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<(&'a ListArray, &'a StructArray), Problem> {
    let lists = column(batch, name, |array| array.as_list_opt::<i32>())?;
    let items = lists.values().as_struct_opt();
    let items = items.ok_or_else(|| format!("column `{name}` is {}", lists.data_type()))?;
    Ok((lists, items))
}

fn field<A: Clone + 'static>(
    items: &StructArray,
    name: &str,
    cast: impl FnOnce(&dyn Array) -> Option<&A>,
) -> Result<A, Problem> {
    let field = items.column_by_name(name).and_then(|field| cast(field.as_ref()));
    field
        .cloned()
        .ok_or_else(|| format!("the parts of documents have no `{name}` of the right type"))
}

fn numbers(items: &StructArray, name: &str) -> Result<Int32Array, Problem> {
    field(items, name, |array| array.as_primitive_opt::<Int32Type>())
}

fn strings(items: &StructArray, name: &str) -> Result<StringArray, Problem> {
    field(items, name, |array| array.as_string_opt::<i32>())
}

/// Where a row's items are among those of all rows.
fn range_of(lists: &ListArray, row: usize) -> Range<usize> {
    let offset = |at: usize| lists.value_offsets().get(at).map_or(0, |offset| *offset as usize);
    offset(row)..offset(row + 1)
}
