//! The rows of a data file.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, UInt16Type};
use arrow_array::{Array, ArrayRef, BinaryArray, Int32Array, RecordBatch, StringArray};
use arrow_schema::Fields;
use img2tokens_schemas::Order;
use img2tokens_schemas::columns::data_fields;

use super::cells::{Lists, Problem, column, numbers, strings};
use super::documents::{DocumentColumns, DocumentParts};
use super::reader::Table;
use crate::UnitId;
use crate::takedown::Subject;

/// A training sample: what an exporter needs of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The row in the file, from 0.
    pub row: u64,
    /// The pair's name.
    pub key: &'a str,
    /// Which half stands on the left, or that it is no pair.
    pub order: Order,
    /// All ids, specials included.
    pub input_ids: &'a [i32],
    /// The index in `input_ids` of the first visual code.
    pub image_start: i32,
    /// The number of visual codes.
    pub image_len: i32,
}

/// A whole row, as it stands in the file; only its types are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataRow<'a> {
    /// The sample.
    pub sample: Sample<'a>,
    /// The number of ids in the sample, as stated.
    pub num_tokens: i32,
    /// The caption's ids, without specials.
    pub text_ids: &'a [i32],
    /// The codes, without the vocabulary's offset.
    pub image_codes: &'a [u16],
    /// Which patches they stand for: bit `i % 8` (least significant first) of byte `i / 8` is patch i.
    pub kept_patches: &'a [u8],
    /// The caption.
    pub caption: &'a str,
    /// Where the picture came from.
    pub url: Option<&'a str>,
    /// The width of the original picture in pixels.
    pub width: i32,
    /// The height of the original picture in pixels.
    pub height: i32,
    /// The SHA-256 digest of the picture's bytes, in hexadecimal.
    pub sha256: &'a str,
}

/// Rows of a data file of which only the samples were decoded.
#[derive(Debug)]
pub struct SampleBatch {
    first_row: u64,
    key: StringArray,
    order: Vec<Order>,
    input_ids: Lists<Int32Type>,
    image_start: Int32Array,
    image_len: Int32Array,
}

impl SampleBatch {
    /// The samples, in the file's order.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample<'_>> {
        (0..self.order.len()).map(|row| self.sample(row))
    }

    fn sample(&self, row: usize) -> Sample<'_> {
        Sample {
            row: self.first_row + row as u64,
            key: self.key.value(row),
            order: self.order[row],
            input_ids: self.input_ids.get(row),
            image_start: self.image_start.value(row),
            image_len: self.image_len.value(row),
        }
    }
}

impl Table for SampleBatch {
    const PROJECTION: Option<&'static [&'static str]> =
        Some(&["key", "order", "input_ids", "image_start", "image_len"]);

    fn file(unit: UnitId) -> String {
        unit.data_file()
    }

    fn fields() -> Fields {
        data_fields()
    }

    fn of(batch: RecordBatch, first_row: u64) -> Result<Self, Problem> {
        let order = strings(&batch, "order")?;
        let order = (0..order.len())
            .map(|row| order_named(order.value(row)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            first_row,
            key: strings(&batch, "key")?,
            order,
            input_ids: Lists::new(&batch, "input_ids")?,
            image_start: numbers(&batch, "image_start")?,
            image_len: numbers(&batch, "image_len")?,
        })
    }
}

/// Rows of a data file.
#[derive(Debug)]
pub struct DataBatch {
    batch: RecordBatch,
    samples: SampleBatch,
    num_tokens: Int32Array,
    text_ids: Lists<Int32Type>,
    image_codes: Lists<UInt16Type>,
    kept_patches: BinaryArray,
    caption: StringArray,
    url: StringArray,
    width: Int32Array,
    height: Int32Array,
    sha256: StringArray,
    /// Where there are documents.
    documents: Option<DocumentColumns>,
}

impl DataBatch {
    /// The rows, in the file's order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = DataRow<'_>> {
        (0..self.batch.num_rows()).map(|row| DataRow {
            sample: self.samples.sample(row),
            num_tokens: self.num_tokens.value(row),
            text_ids: self.text_ids.get(row),
            image_codes: self.image_codes.get(row),
            kept_patches: self.kept_patches.value(row),
            caption: self.caption.value(row),
            url: self.url.is_valid(row).then(|| self.url.value(row)),
            width: self.width.value(row),
            height: self.height.value(row),
            sha256: self.sha256.value(row),
        })
    }

    /// The parts of one of its rows; none if it is no document.
    #[must_use]
    pub fn document(&self, row: &DataRow<'_>) -> Option<DocumentParts<'_>> {
        let documents = self.documents.as_ref()?;
        (row.sample.order == Order::Document).then(|| documents.parts(self.place(row)))
    }

    /// All that names one of its rows: the row itself, and each image of a document.
    pub(crate) fn subjects<'a>(&'a self, row: &DataRow<'a>) -> Vec<Subject<'a>> {
        let key = row.sample.key;
        let of_images = self.document(row).unwrap_or_default().images.into_iter();
        let of_images = of_images.map(|image| Subject {
            key,
            url: image.url,
            sha256: Some(image.sha256),
        });
        let of_row = Subject {
            key,
            url: row.url,
            sha256: Some(row.sha256),
        };
        std::iter::once(of_row).chain(of_images).collect()
    }

    /// A row's place in the batch.
    fn place(&self, row: &DataRow<'_>) -> usize {
        let place = row.sample.row.saturating_sub(self.samples.first_row);
        usize::try_from(place).unwrap_or(usize::MAX)
    }

    /// The same rows with all columns, the kept ones of the input at the end.
    #[must_use]
    pub const fn record_batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// How near the codes of one of its rows lead back to the encoder's features, if there is such a column.
    pub(crate) fn reconstruction_cosine(&self, row: &DataRow<'_>) -> Option<f32> {
        let (column, place) = self.optional("reconstruction_cosine", row)?;
        Some(column.as_primitive_opt::<Float32Type>()?.value(place))
    }

    /// What one of its rows says in this column of yes and no, if there is such a column.
    pub(crate) fn flag(&self, column: &str, row: &DataRow<'_>) -> Option<bool> {
        let (column, place) = self.optional(column, row)?;
        Some(column.as_boolean_opt()?.value(place))
    }

    /// An optional column and the row's place in it, if it is there and the row has a value.
    fn optional(&self, column: &str, row: &DataRow<'_>) -> Option<(&ArrayRef, usize)> {
        let column = self.batch.column_by_name(column)?;
        let place = self.place(row);
        column.is_valid(place).then_some((column, place))
    }
}

impl Table for DataBatch {
    const PROJECTION: Option<&'static [&'static str]> = None;

    fn file(unit: UnitId) -> String {
        unit.data_file()
    }

    fn fields() -> Fields {
        data_fields()
    }

    fn of(batch: RecordBatch, first_row: u64) -> Result<Self, Problem> {
        let samples = SampleBatch::of(batch.clone(), first_row)?;
        let documents = samples.order.contains(&Order::Document);
        Ok(Self {
            samples,
            documents: documents.then(|| DocumentColumns::new(&batch)).transpose()?,
            num_tokens: numbers(&batch, "num_tokens")?,
            text_ids: Lists::new(&batch, "text_ids")?,
            image_codes: Lists::new(&batch, "image_codes")?,
            kept_patches: column(&batch, "kept_patches", |array| array.as_binary_opt::<i32>())?.clone(),
            caption: strings(&batch, "caption")?,
            url: strings(&batch, "url")?,
            width: numbers(&batch, "width")?,
            height: numbers(&batch, "height")?,
            sha256: strings(&batch, "sha256")?,
            batch,
        })
    }
}

pub(super) fn order_named(name: &str) -> Result<Order, Problem> {
    Order::ALL
        .into_iter()
        .find(|order| order.name() == name)
        .ok_or_else(|| format!("there is no order `{name}`"))
}
