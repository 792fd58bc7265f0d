//! The parts of documents, a list a row.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, Int32Builder, StringBuilder};
use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Fields};
use img2tokens_schemas::columns::{
    document_image_fields, document_text_fields, dropped_image_fields, list_item,
};
use img2tokens_schemas::{DocumentImage, DocumentText, DocumentTokens, DroppedImage};

use super::columns::int32;
use crate::ShardError;

/// Rows of the columns of documents that wait to be encoded; the order is that of `document_fields()`.
#[derive(Default)]
pub(super) struct DocumentBuilders {
    images: ImageBuilders,
    texts: TextBuilders,
    dropped: DroppedBuilders,
}

impl DocumentBuilders {
    /// Adds a row: the parts of a document, or none of a row that is no document.
    pub(super) fn append(&mut self, document: Option<&DocumentTokens>) -> Result<(), ShardError> {
        let parts = document.map(|document| (&*document.images, &*document.texts, &*document.dropped));
        let (images, texts, dropped) = parts.unwrap_or_default();
        images.iter().try_for_each(|image| self.images.append(image))?;
        self.images.lengths.push(images.len());
        texts.iter().try_for_each(|text| self.texts.append(text))?;
        self.texts.lengths.push(texts.len());
        dropped.iter().try_for_each(|image| self.dropped.append(image))?;
        self.dropped.lengths.push(dropped.len());
        Ok(())
    }

    /// The rows so far; none are left.
    pub(super) fn finish(&mut self) -> Result<[ArrayRef; 3], ArrowError> {
        Ok([
            self.images.finish()?,
            self.texts.finish()?,
            self.dropped.finish()?,
        ])
    }
}

#[derive(Default)]
struct ImageBuilders {
    lengths: Vec<usize>,
    place: Int32Builder,
    start: Int32Builder,
    len: Int32Builder,
    kept_patches: BinaryBuilder,
    url: StringBuilder,
    width: Int32Builder,
    height: Int32Builder,
    sha256: StringBuilder,
}

impl ImageBuilders {
    fn append(&mut self, image: &DocumentImage) -> Result<(), ShardError> {
        self.place
            .append_value(int32("images.place", image.place.into())?);
        self.start
            .append_value(int32("images.start", image.start.into())?);
        self.len.append_value(int32("images.len", image.len.into())?);
        self.kept_patches.append_value(image.kept.as_bytes());
        self.url.append_option(image.url.as_deref());
        self.width
            .append_value(int32("images.width", image.width.into())?);
        self.height
            .append_value(int32("images.height", image.height.into())?);
        self.sha256.append_value(image.sha256.to_string());
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.place.finish()),
            Arc::new(self.start.finish()),
            Arc::new(self.len.finish()),
            Arc::new(self.kept_patches.finish()),
            Arc::new(self.url.finish()),
            Arc::new(self.width.finish()),
            Arc::new(self.height.finish()),
            Arc::new(self.sha256.finish()),
        ];
        lists(document_image_fields(), &mut self.lengths, columns)
    }
}

#[derive(Default)]
struct TextBuilders {
    lengths: Vec<usize>,
    start: Int32Builder,
    len: Int32Builder,
    text: StringBuilder,
    truncated: BooleanBuilder,
}

impl TextBuilders {
    fn append(&mut self, text: &DocumentText) -> Result<(), ShardError> {
        self.start.append_value(int32("texts.start", text.start.into())?);
        self.len.append_value(int32("texts.len", text.len.into())?);
        self.text.append_value(&text.text);
        self.truncated.append_value(text.truncated);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.start.finish()),
            Arc::new(self.len.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.truncated.finish()),
        ];
        lists(document_text_fields(), &mut self.lengths, columns)
    }
}

#[derive(Default)]
struct DroppedBuilders {
    lengths: Vec<usize>,
    place: Int32Builder,
    reason: StringBuilder,
}

impl DroppedBuilders {
    fn append(&mut self, image: &DroppedImage) -> Result<(), ShardError> {
        self.place
            .append_value(int32("dropped_images.place", image.place.into())?);
        self.reason.append_value(image.reason.code());
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![Arc::new(self.place.finish()), Arc::new(self.reason.finish())];
        lists(dropped_image_fields(), &mut self.lengths, columns)
    }
}

/// A column of lists of these lengths, whose items have these fields. No lengths are left.
fn lists(fields: Fields, lengths: &mut Vec<usize>, columns: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    let offsets = OffsetBuffer::from_lengths(lengths.drain(..));
    let item = list_item(DataType::Struct(fields.clone()));
    let items = StructArray::try_new(fields, columns, None)?;
    Ok(Arc::new(ListArray::try_new(
        item,
        offsets,
        Arc::new(items),
        None,
    )?))
}
