//! Which columns hold the parts of documents.

use arrow_schema::DataType;
use img2tokens_schemas::InputColumn;
use serde::{Deserialize, Serialize};

use super::{Columns, KEY, Kind, Role, Table};
use crate::{SourceConfig, SourceError};

/// The columns of a file whose rows are documents of many texts and images in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentColumns {
    /// Lists of images: URLs beside the texts (OBELICS), or what is told of each image (MMC4).
    pub images: String,
    /// Lists of texts.
    pub texts: String,
}

/// The fields of what MMC4 tells of an image (`image_info`): its URL, and the number of the text before which it stands.
pub(crate) const URL_FIELD: &str = "raw_url";
pub(crate) const TEXT_FIELD: &str = "matched_text_index";

const IMAGES: Role = Role {
    key: "images_column",
    wanted: "lists of text, or of structs with raw_url and matched_text_index",
    serves: |kind| matches!(kind, Kind::Texts | Kind::Images | Kind::Nested),
};
const TEXTS: Role = Role {
    key: "texts_column",
    wanted: "lists of text",
    serves: |kind| matches!(kind, Kind::Texts | Kind::Nested),
};

impl Kind {
    /// What a list of such items can serve for.
    pub(super) fn of_list(item: &DataType) -> Self {
        let has = |name: &str, kind: Self| match item {
            DataType::Struct(fields) => fields
                .iter()
                .any(|field| field.name() == name && Self::of(field.data_type()) == kind),
            _ => false,
        };
        match Self::of(item) {
            Self::Text | Self::Binary => Self::Texts,
            _ if has(URL_FIELD, Self::Text) && has(TEXT_FIELD, Self::Integer) => Self::Images,
            _ => Self::Other,
        }
    }
}

impl Table<'_> {
    /// The columns to read of a table of documents; none if it is one of pairs. What the config names decides; where it
    /// names nothing, a table that is none of pairs is one of documents if it has their known columns.
    pub(super) fn resolve_document(
        &self,
        config: &SourceConfig,
        is_of_pairs: bool,
    ) -> Result<Option<Columns>, SourceError> {
        let is_configured = config.images_column.is_some() || config.texts_column.is_some();
        if !is_configured && (is_of_pairs || config.names_pairs()) {
            return Ok(None);
        }
        let find = |role: &Role, configured: Option<&str>, column: InputColumn| {
            self.find(role, configured, column.known_names())
        };
        let images = find(&IMAGES, config.images_column.as_deref(), InputColumn::Images)?;
        let texts = find(&TEXTS, config.texts_column.as_deref(), InputColumn::Texts)?;
        let document = match (images, texts) {
            (Some(images), Some(texts)) => DocumentColumns { images, texts },
            _ if !is_configured => return Ok(None),
            (None, _) => return Err(self.undetected(&IMAGES, InputColumn::Images)),
            (_, None) => return Err(self.undetected(&TEXTS, InputColumn::Texts)),
        };
        self.check_named(config)?;
        let key = self.find(&KEY, config.key_column.as_deref(), InputColumn::Key.known_names())?;
        Ok(Some(Columns {
            key,
            document: Some(document),
            ..Columns::default()
        }))
    }

    /// Refuses to look for documents where none can be.
    pub(super) fn refuse_documents(&self, config: &SourceConfig) -> Result<(), SourceError> {
        match &config.images_column {
            Some(column) => Err(SourceError::ColumnType {
                input: self.input.to_owned(),
                column: column.clone(),
                key: IMAGES.key,
                found: "a field of a tar's samples".to_owned(),
                wanted: "a column of Parquet or JSONL",
            }),
            None => Ok(()),
        }
    }
}
