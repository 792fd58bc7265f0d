//! What names the pairs of a data file.

use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::Fields;
use img2tokens_schemas::Order;
use img2tokens_schemas::columns::data_fields;

use super::cells::{Problem, strings};
use super::documents::ImageNames;
use super::reader::Table;
use crate::UnitId;
use crate::takedown::Subject;

/// Rows of a data file of which only the names were decoded.
#[derive(Debug)]
pub(crate) struct SubjectBatch {
    first_row: u64,
    key: StringArray,
    url: StringArray,
    sha256: StringArray,
    /// Where there are documents.
    images: Option<ImageNames>,
}

impl SubjectBatch {
    /// All that names the rows, each time with the row's number in the file, from 0: the row itself, and each image of a
    /// document.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = (u64, Subject<'_>)> {
        (0..self.key.len()).flat_map(move |row| {
            let key = self.key.value(row);
            let url = self.url.is_valid(row).then(|| self.url.value(row));
            let of_images = self.images.iter().flat_map(move |images| images.get(row));
            let names = std::iter::once((url, self.sha256.value(row))).chain(of_images);
            names.map(move |(url, sha256)| {
                let sha256 = Some(sha256);
                (self.first_row + row as u64, Subject { key, url, sha256 })
            })
        })
    }
}

impl Table for SubjectBatch {
    const PROJECTION: Option<&'static [&'static str]> = Some(&[
        "key",
        "order",
        "url",
        "sha256",
        "images.list.element.url",
        "images.list.element.sha256",
    ]);

    fn file(unit: UnitId) -> String {
        unit.data_file()
    }

    fn fields() -> Fields {
        data_fields()
    }

    fn of(batch: RecordBatch, first_row: u64) -> Result<Self, Problem> {
        let order = strings(&batch, "order")?;
        let has_documents = order.iter().any(|order| order == Some(Order::Document.name()));
        Ok(Self {
            images: has_documents.then(|| ImageNames::new(&batch)).transpose()?,
            first_row,
            key: strings(&batch, "key")?,
            url: strings(&batch, "url")?,
            sha256: strings(&batch, "sha256")?,
        })
    }
}
