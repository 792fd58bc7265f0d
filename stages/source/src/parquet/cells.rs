//! The cells of one batch of a Parquet table that say what a row is.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, BinaryViewArray, Float64Array, RecordBatch, StringViewArray};
use arrow_schema::{ArrowError, DataType};
use bytes::Bytes;
use img2tokens_schemas::FailureReason;

use super::documents::DocumentCells;
use crate::columns::Kind;
use crate::draft::{Draft, digest_of_binary, digest_of_text};
use crate::records::MAX_RECORD_BYTES;
use crate::{Columns, Filter, SourceConfig};

/// A batch's columns by what they are for.
pub(super) struct Cells {
    url: Option<TextColumn>,
    image: Option<BinaryViewArray>,
    caption: Option<TextColumn>,
    further_captions: Vec<TextColumn>,
    key: Option<TextColumn>,
    digest: Option<TextColumn>,
    document: Option<DocumentCells>,
    filters: Vec<(Filter, Float64Array)>,
    max_image_bytes: u64,
}

impl Cells {
    pub(super) fn new(
        batch: &RecordBatch,
        columns: &Columns,
        config: &SourceConfig,
    ) -> Result<Self, ArrowError> {
        let text = |name: &Option<String>| {
            name.as_deref()
                .map(|name| TextColumn::new(column(batch, name)?))
                .transpose()
        };
        let number = |filter: &Filter| {
            let numbers = arrow_cast::cast(column(batch, &filter.column)?, &DataType::Float64)?;
            Ok((filter.clone(), numbers.as_primitive::<Float64Type>().clone()))
        };
        Ok(Self {
            url: text(&columns.url)?,
            image: columns
                .image
                .as_deref()
                .map(|name| image_column(column(batch, name)?))
                .transpose()?,
            caption: text(&columns.text)?,
            further_captions: columns
                .further_text
                .iter()
                .map(|name| TextColumn::new(column(batch, name)?))
                .collect::<Result<_, ArrowError>>()?,
            key: text(&columns.key)?,
            digest: text(&columns.digest)?,
            document: columns
                .document
                .as_ref()
                .map(|columns| DocumentCells::new(batch, columns, config.max_images))
                .transpose()?,
            filters: config
                .filters
                .iter()
                .map(number)
                .collect::<Result<_, ArrowError>>()?,
            max_image_bytes: config.max_image_bytes,
        })
    }

    /// Whether a row passes every filter.
    pub(super) fn passes(&self, row: usize) -> bool {
        self.filters
            .iter()
            .all(|(filter, numbers)| filter.passes((!numbers.is_null(row)).then(|| numbers.value(row))))
    }

    /// What a row says.
    pub(super) fn draft(&self, row: usize) -> Draft {
        let mut draft = Draft::default();
        draft.url = text_at(&mut draft, self.url.as_ref(), row, "URL");
        draft.caption = text_at(&mut draft, self.caption.as_ref(), row, "caption");
        for captions in &self.further_captions {
            let caption = text_at(&mut draft, Some(captions), row, "caption");
            draft.further_captions.push(caption);
        }
        draft.key = text_at(&mut draft, self.key.as_ref(), row, "key");
        draft.stated_digest = self.digest.as_ref().and_then(|digests| match digests {
            TextColumn::Text(texts) => digest_of_text(value_at(texts.is_null(row), || texts.value(row))?),
            TextColumn::Bytes(bytes) => digest_of_binary(value_at(bytes.is_null(row), || bytes.value(row))?),
        });
        if let Some(documents) = &self.document {
            draft.take_document(documents.parts(row));
        }
        let image = self
            .image
            .as_ref()
            .and_then(|images| value_at(images.is_null(row), || images.value(row)));
        match image {
            Some(image) if image.len() as u64 > self.max_image_bytes => {
                let detail = format!(
                    "the picture has {} bytes, at most {} are allowed",
                    image.len(),
                    self.max_image_bytes
                );
                draft.fail(FailureReason::TooLarge, detail);
            }
            // A copy, so that one row that waits does not hold the pictures of its whole batch.
            image => draft.image = image.map(Bytes::copy_from_slice),
        }
        draft
    }
}

pub(super) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("column `{name}` is not there any more")))
}

/// The pictures of a binary column or of a Hugging Face image struct.
fn image_column(column: &ArrayRef) -> Result<BinaryViewArray, ArrowError> {
    let binary = match column.as_struct_opt() {
        None => arrow_cast::cast(column, &DataType::BinaryView)?,
        Some(images) => {
            let bytes = images
                .column_by_name("bytes")
                .ok_or_else(|| ArrowError::SchemaError("the image struct has no `bytes`".to_owned()))?;
            arrow_cast::cast(bytes, &DataType::BinaryView)?
        }
    };
    Ok(binary.as_binary_view().clone())
}

/// A column of text, marked as such or not.
enum TextColumn {
    Text(StringViewArray),
    Bytes(BinaryViewArray),
}

impl TextColumn {
    fn new(column: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match Kind::of(column.data_type()) {
            Kind::Binary => Self::Bytes(
                arrow_cast::cast(column, &DataType::BinaryView)?
                    .as_binary_view()
                    .clone(),
            ),
            _ => Self::Text(
                arrow_cast::cast(column, &DataType::Utf8View)?
                    .as_string_view()
                    .clone(),
            ),
        })
    }

    fn get(&self, row: usize) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Text(texts) => value_at(texts.is_null(row), || Cow::Borrowed(texts.value(row).as_bytes())),
            Self::Bytes(bytes) => value_at(bytes.is_null(row), || Cow::Borrowed(bytes.value(row))),
        }
    }
}

fn value_at<T>(is_null: bool, value: impl FnOnce() -> T) -> Option<T> {
    (!is_null).then(value)
}

/// A cell's text; one that is no text fails the row.
fn text_at(draft: &mut Draft, column: Option<&TextColumn>, row: usize, role: &str) -> Option<String> {
    let cell = column?.get(row)?;
    if cell.len() > MAX_RECORD_BYTES {
        let detail = format!(
            "the {role} has {} bytes, at most {MAX_RECORD_BYTES} are allowed",
            cell.len()
        );
        draft.fail(FailureReason::TooLarge, detail);
        return None;
    }
    match std::str::from_utf8(&cell) {
        Ok(text) => Some(text.to_owned()),
        Err(error) => {
            draft.fail(
                FailureReason::CorruptRow,
                format!("the {role} is not UTF-8: {error}"),
            );
            None
        }
    }
}
