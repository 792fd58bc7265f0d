//! The columns of the files: those that inputs bring, and those that a shard has (docs/spec/program.md, "Output").

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema};

/// The version of the data file's schema, in its metadata under [`metadata::SCHEMA_VERSION`].
pub const SCHEMA_VERSION: &str = "1";

/// Keys of a shard's Parquet metadata.
pub mod metadata {
    /// The schema's version.
    pub const SCHEMA_VERSION: &str = "img2tokens.schema_version";
    /// The unit's number.
    pub const UNIT: &str = "img2tokens.unit";
    /// The hash of the plan that the unit belongs to.
    pub const PLAN: &str = "img2tokens.plan";
    /// The layout of the ids, as JSON ([`crate::Vocabulary`]).
    pub const VOCABULARY: &str = "img2tokens.vocabulary";
    /// The Hugging Face `datasets` features, as JSON.
    pub const HUGGING_FACE: &str = "huggingface";
    /// How contexts were filled, as JSON ([`crate::Packing`]); in packed files only.
    pub const PACKING: &str = "img2tokens.packing";
    /// Everything else that says where the rows came from, as one JSON object.
    pub const PROVENANCE: &str = "img2tokens.provenance";
}

/// What an input column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputColumn {
    /// The picture's URL.
    Url,
    /// The caption.
    Text,
    /// The row's own name.
    Key,
    /// A document's images.
    Images,
    /// A document's texts.
    Texts,
}

impl InputColumn {
    /// The names by which the known datasets call it, the first match winning: LAION-400M and LAION-2B, Re-LAION, COYO,
    /// DataComp (docs/spec/sequences.md, "LAION's own columns"); of documents OBELICS and MMC4.
    #[must_use]
    pub const fn known_names(self) -> &'static [&'static str] {
        match self {
            Self::Url => &["URL", "url", "image_url"],
            Self::Text => &["TEXT", "caption", "text", "top_caption"],
            Self::Key => &["key", "uid", "id", "hash"],
            Self::Images => &["images", "image_info"],
            Self::Texts => &["texts", "text_list"],
        }
    }
}

/// The columns of `data/part-*.parquet` that every shard has, in their order; the kept input columns follow.
#[must_use]
pub fn data_fields() -> Fields {
    vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("order", DataType::Utf8, false),
        Field::new("input_ids", list_of(DataType::Int32), false),
        Field::new("num_tokens", DataType::Int32, false),
        Field::new("image_start", DataType::Int32, false),
        Field::new("image_len", DataType::Int32, false),
        Field::new("text_ids", list_of(DataType::Int32), false),
        Field::new("image_codes", list_of(DataType::UInt16), false),
        Field::new("kept_patches", DataType::Binary, false),
        Field::new("caption", DataType::Utf8, false),
        Field::new("url", DataType::Utf8, true),
        Field::new("width", DataType::Int32, false),
        Field::new("height", DataType::Int32, false),
        Field::new("sha256", DataType::Utf8, false),
    ]
    .into()
}

/// The columns that documents have beside those of all rows, each a list of parts in the order of the document; in the
/// sequence of a text alone they are empty. (`images`: `start` and `len` are where an image's codes stand in `input_ids`,
/// `place` is its place in the input's list; `texts`: likewise its ids.)
#[must_use]
pub fn document_fields() -> Fields {
    let column = |name, parts| Field::new(name, list_of(DataType::Struct(parts)), false);
    vec![
        column("images", document_image_fields()),
        column("texts", document_text_fields()),
        column("dropped_images", dropped_image_fields()),
    ]
    .into()
}

/// An item of `images` ([`crate::DocumentImage`]).
#[must_use]
pub fn document_image_fields() -> Fields {
    vec![
        Field::new("place", DataType::Int32, false),
        Field::new("start", DataType::Int32, false),
        Field::new("len", DataType::Int32, false),
        Field::new("kept_patches", DataType::Binary, false),
        Field::new("url", DataType::Utf8, true),
        Field::new("width", DataType::Int32, false),
        Field::new("height", DataType::Int32, false),
        Field::new("sha256", DataType::Utf8, false),
    ]
    .into()
}

/// An item of `texts` ([`crate::DocumentText`]).
#[must_use]
pub fn document_text_fields() -> Fields {
    vec![
        Field::new("start", DataType::Int32, false),
        Field::new("len", DataType::Int32, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("truncated", DataType::Boolean, false),
    ]
    .into()
}

/// An item of `dropped_images` ([`crate::DroppedImage`]).
#[must_use]
pub fn dropped_image_fields() -> Fields {
    vec![
        Field::new("place", DataType::Int32, false),
        Field::new("reason", DataType::Utf8, false),
    ]
    .into()
}

/// The columns of a packed file: a row is a context, and its lists but for `input_ids` have an item for each stretch of
/// it that is of one sequence ([`crate::PackedRow`]).
#[must_use]
pub fn packed_fields() -> Fields {
    vec![
        Field::new("input_ids", list_of(DataType::Int32), false),
        Field::new("num_tokens", DataType::Int32, false),
        Field::new("segment_starts", list_of(DataType::Int32), false),
        Field::new("segment_offsets", list_of(DataType::Int32), false),
        Field::new("keys", list_of(DataType::Utf8), false),
        Field::new("orders", list_of(DataType::Utf8), false),
    ]
    .into()
}

/// Columns of `data/part-*.parquet` that a run may ask for; they stand between the fixed ones and the kept ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OptionalColumns {
    /// `image_features`: merged features of kept patches `[T, D]` in half precision, rows of this width D.
    pub image_features: Option<i32>,
    /// `reconstruction_cosine`: how near the codes lead back to the encoder's features.
    pub reconstruction_cosine: bool,
    /// `caption_column`: the input column that the caption came from.
    pub caption_column: bool,
    /// `caption_truncated`: whether the caption was cut off.
    pub caption_truncated: bool,
    /// `text_dropped`: whether the sequence goes without its text.
    pub text_dropped: bool,
    /// `digest_matches`: whether the image's bytes are those whose digest the dataset states; null where it states none.
    pub digest_matches: bool,
    /// `images`, `texts`, `dropped_images` ([`document_fields`]): the parts of documents.
    pub documents: bool,
}

impl OptionalColumns {
    /// The names of all of them, asked for or not, but for those of documents: no kept column may have them.
    pub const NAMES: [&str; 6] = [
        "image_features",
        "reconstruction_cosine",
        "caption_column",
        "caption_truncated",
        "text_dropped",
        "digest_matches",
    ];

    /// The fields of those asked for, in their order.
    #[must_use]
    pub fn fields(self) -> Vec<Field> {
        let features = self
            .image_features
            .map(|width| Field::new("image_features", list_of(feature_row(width)), false));
        let cosine = self
            .reconstruction_cosine
            .then(|| Field::new("reconstruction_cosine", DataType::Float32, true));
        let further = [
            (self.caption_column, "caption_column", DataType::Utf8),
            (self.caption_truncated, "caption_truncated", DataType::Boolean),
            (self.text_dropped, "text_dropped", DataType::Boolean),
        ];
        let further = further
            .into_iter()
            // A text alone has no such column.
            .filter_map(|(wanted, name, data_type)| {
                wanted.then(|| Field::new(name, data_type, name == "caption_column"))
            });
        let digest = self
            .digest_matches
            .then(|| Field::new("digest_matches", DataType::Boolean, true));
        let documents = self.documents.then(document_fields);
        let documents = documents.iter().flatten().map(|field| field.as_ref().clone());
        features
            .into_iter()
            .chain(cosine)
            .chain(further)
            .chain(digest)
            .chain(documents)
            .collect()
    }
}

/// A row of `image_features`: D numbers.
#[must_use]
pub fn feature_row(width: i32) -> DataType {
    DataType::FixedSizeList(list_item(DataType::Float16), width)
}

/// The schema of `failures/part-*.parquet`.
#[must_use]
pub fn failure_schema() -> Schema {
    Schema::new(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("url", DataType::Utf8, true),
        Field::new("reason", DataType::Utf8, false),
        Field::new("detail", DataType::Utf8, false),
        Field::new("http_status", DataType::UInt16, true),
        Field::new("attempts", DataType::UInt32, false),
    ])
}

/// The field of a list's items, named `element` as Parquet's list format names it; nullable, as every reader expects
/// of a list type, though no item is ever null.
#[must_use]
pub fn list_item(item: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", item, true))
}

fn list_of(item: DataType) -> DataType {
    DataType::List(list_item(item))
}
