//! Which columns are read, and for what: as configured, or by the names that the known datasets use.

mod documents;

pub use documents::DocumentColumns;
pub(crate) use documents::{TEXT_FIELD, URL_FIELD};

use arrow_schema::DataType;
use img2tokens_schemas::InputColumn;
use serde::{Deserialize, Serialize};

use crate::{SourceConfig, SourceError};

/// The columns of one file that are read, by what they are for. The kept ones stand in the survey beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// The picture's URL.
    pub url: Option<String>,
    /// The picture's bytes.
    pub image: Option<String>,
    /// The caption. In a tar without one configured, the caption's own member.
    pub text: Option<String>,
    /// Further captions, where several columns are configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_text: Vec<String>,
    /// The row's own name; none: its place in the input names it.
    pub key: Option<String>,
    /// The digest that the dataset states of the image's bytes.
    pub digest: Option<String>,
    /// The parts of documents, where the rows are such: then they have no columns of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentColumns>,
}

/// Names under which pictures are embedded: Hugging Face's `image`, img2dataset's Parquet output `jpg|png|webp`.
const IMAGE_NAMES: &[&str] = &["image", "jpg", "png", "webp", "jpeg", "img", "image_bytes"];
const DIGEST_NAMES: &[&str] = &["md5", "sha256"];

/// What a column can serve for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Binary,
    /// A Hugging Face image: a struct with a binary `bytes`.
    Image,
    /// Lists of text.
    Texts,
    /// Lists of what MMC4 tells of an image.
    Images,
    /// JSON's arrays and objects, of which only each row tells what they hold.
    Nested,
    Other,
}

impl Kind {
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Binary,
            DataType::Struct(fields) => {
                let is_bytes = |data_type| Self::of(data_type) == Self::Binary;
                match fields
                    .iter()
                    .any(|field| field.name() == "bytes" && is_bytes(field.data_type()))
                {
                    true => Self::Image,
                    false => Self::Other,
                }
            }
            DataType::List(item) | DataType::LargeList(item) => Self::of_list(item.data_type()),
            integer if integer.is_integer() => Self::Integer,
            number if number.is_numeric() => Self::Number,
            _ => Self::Other,
        }
    }
}

/// A column that a file has.
#[derive(Debug, Clone)]
pub(crate) struct Available {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Its type in words, for errors.
    pub(crate) shown: String,
}

/// A use of a column: its config key and what can serve.
struct Role {
    key: &'static str,
    wanted: &'static str,
    serves: fn(Kind) -> bool,
}

const URL: Role = Role {
    key: "url_column",
    wanted: "text",
    serves: is_text,
};
const TEXT: Role = Role {
    key: "text_column",
    wanted: "text",
    serves: is_text,
};
const CAPTIONS: Role = Role {
    key: "caption_columns",
    ..TEXT
};
const KEY: Role = Role {
    key: "key_column",
    wanted: "an integer or text",
    serves: |kind| matches!(kind, Kind::Text | Kind::Integer),
};
const IMAGE: Role = Role {
    key: "image_column",
    wanted: "binary or an image struct",
    serves: |kind| matches!(kind, Kind::Binary | Kind::Image),
};
const DIGEST: Role = Role {
    key: "digest_column",
    wanted: "text or binary",
    serves: is_text,
};
const FILTER: Role = Role {
    key: "filters",
    wanted: "a number, or text that holds one",
    serves: |kind| matches!(kind, Kind::Number | Kind::Integer | Kind::Text),
};
const KEEP: Role = Role {
    key: "keep_columns",
    wanted: "any type",
    serves: |_| true,
};

/// Old writers leave strings without the mark that makes them text.
fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Binary)
}

/// The columns of one file, ready to be asked for.
pub(crate) struct Table<'a> {
    pub(crate) input: &'a str,
    pub(crate) columns: &'a [Available],
}

impl Table<'_> {
    /// The columns to read of a table: all that the config names must be there; a URL or a picture, and a caption; or the
    /// images and texts of documents.
    pub(crate) fn resolve(&self, config: &SourceConfig) -> Result<Columns, SourceError> {
        if config.texts_alone {
            return self.resolve_text(config);
        }
        let columns = Columns {
            url: self.find(&URL, config.url_column.as_deref(), InputColumn::Url.known_names())?,
            image: self.find(&IMAGE, config.image_column.as_deref(), IMAGE_NAMES)?,
            text: self.find_text(config, InputColumn::Text.known_names())?,
            further_text: self.further_text(config)?,
            key: self.find(&KEY, config.key_column.as_deref(), InputColumn::Key.known_names())?,
            digest: self.find(&DIGEST, config.digest_column.as_deref(), DIGEST_NAMES)?,
            document: None,
        };
        let has_picture = columns.url.is_some() || columns.image.is_some();
        if let Some(of_documents) = self.resolve_document(config, has_picture && columns.text.is_some())? {
            return Ok(of_documents);
        }
        if columns.url.is_none() && columns.image.is_none() {
            return Err(self.undetected(&URL, InputColumn::Url));
        }
        if columns.text.is_none() {
            return Err(self.undetected(&TEXT, InputColumn::Text));
        }
        self.check_named(config)?;
        Ok(columns)
    }

    /// The columns to read of a table of texts.
    fn resolve_text(&self, config: &SourceConfig) -> Result<Columns, SourceError> {
        let text = self.find_text(config, InputColumn::Text.known_names())?;
        if text.is_none() {
            return Err(self.undetected(&TEXT, InputColumn::Text));
        }
        Ok(Columns {
            text,
            key: self.find(&KEY, config.key_column.as_deref(), InputColumn::Key.known_names())?,
            ..Columns::default()
        })
    }

    /// The columns to read of a tar's metadata: captions and pictures are members of their own, so nothing but the URL
    /// and the `key` that img2dataset and our own archives write is looked for (a member's name may be an encoded one),
    /// and only what the config names must be there.
    pub(crate) fn resolve_metadata(&self, config: &SourceConfig) -> Result<Columns, SourceError> {
        self.refuse_documents(config)?;
        self.check_named(config)?;
        Ok(Columns {
            url: self.find(&URL, config.url_column.as_deref(), InputColumn::Url.known_names())?,
            image: None,
            text: self.find_text(config, &[])?,
            further_text: self.further_text(config)?,
            key: self.find(&KEY, config.key_column.as_deref(), &["key"])?,
            digest: self.find(&DIGEST, config.digest_column.as_deref(), &[])?,
            document: None,
        })
    }

    fn check_named(&self, config: &SourceConfig) -> Result<(), SourceError> {
        for filter in &config.filters {
            self.named(&FILTER, &filter.column)?;
        }
        config
            .keep_columns
            .iter()
            .try_for_each(|column| self.named(&KEEP, column).map(drop))
    }

    /// The column of captions, or the first of several.
    fn find_text(&self, config: &SourceConfig, known: &[&str]) -> Result<Option<String>, SourceError> {
        match config.caption_columns.first() {
            Some(first) => self.find(&CAPTIONS, Some(first), known),
            None => self.find(&TEXT, config.text_column.as_deref(), known),
        }
    }

    /// All columns of captions but the first.
    fn further_text(&self, config: &SourceConfig) -> Result<Vec<String>, SourceError> {
        let further = config.caption_columns.iter().skip(1);
        further
            .map(|name| self.named(&CAPTIONS, name).map(|column| column.name.clone()))
            .collect()
    }

    /// The configured column, which must serve, or else the first known one that does.
    fn find(
        &self,
        role: &Role,
        configured: Option<&str>,
        known: &[&str],
    ) -> Result<Option<String>, SourceError> {
        if let Some(name) = configured {
            return self.named(role, name).map(|column| Some(column.name.clone()));
        }
        let serving = |name: &&&str| self.get(name).is_some_and(|column| (role.serves)(column.kind));
        Ok(known.iter().find(serving).map(|name| (*name).to_owned()))
    }

    fn named(&self, role: &Role, name: &str) -> Result<&Available, SourceError> {
        let column = self.get(name).ok_or_else(|| SourceError::MissingColumn {
            input: self.input.to_owned(),
            column: name.to_owned(),
            key: role.key,
            columns: self.names(),
        })?;
        match (role.serves)(column.kind) {
            true => Ok(column),
            false => Err(SourceError::ColumnType {
                input: self.input.to_owned(),
                column: name.to_owned(),
                key: role.key,
                found: column.shown.clone(),
                wanted: role.wanted,
            }),
        }
    }

    fn undetected(&self, role: &Role, column: InputColumn) -> SourceError {
        SourceError::UndetectedColumn {
            input: self.input.to_owned(),
            known: column.known_names().join(", "),
            key: role.key,
            columns: self.names(),
        }
    }

    fn get(&self, name: &str) -> Option<&Available> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// How many names of columns an error shows.
    const SHOWN: usize = 100;

    fn names(&self) -> String {
        let shown = self.columns.iter().take(Self::SHOWN);
        let mut names = shown.map(|column| column.name.as_str()).collect::<Vec<_>>();
        if self.columns.len() > Self::SHOWN {
            names.push("..");
        }
        names.join(", ")
    }
}
