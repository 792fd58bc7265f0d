//! What the `[input]` table of the config says to this room (docs/spec/program.md, "Config").

use std::num::{NonZeroU64, NonZeroUsize};

use serde::{Deserialize, Serialize};

use crate::InputFormat;

/// How inputs are to be read. The default detects all it can.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    /// The format of every input; if none, each file's name and then its content tell.
    pub format: Option<InputFormat>,
    /// What quotes mean in CSV and TSV files.
    pub quoting: Quoting,
    /// The column with the picture's URL; if none, a known name is looked for.
    pub url_column: Option<String>,
    /// The column with the picture itself (binary, or a Hugging Face image struct); if none, a known name is looked
    /// for. A row that has bytes is never fetched.
    pub image_column: Option<String>,
    /// The column with the caption; if none, a known name is looked for.
    pub text_column: Option<String>,
    /// Whether the rows are texts, without pictures: then nothing but a text has to be there.
    pub texts_alone: bool,
    /// The columns with captions, where there are several: instead of `text_column`. All must be there.
    pub caption_columns: Vec<String>,
    /// The column with the row's own name, an integer or a string; if none, a known name is looked for.
    pub key_column: Option<String>,
    /// The column with the MD5 or SHA-256 digest of the image's bytes; if none, `md5` and `sha256` are looked for,
    /// except in tars, whose pictures are rarely the bytes that were hashed.
    pub digest_column: Option<String>,
    /// The column of documents' images: lists of URLs, as long as those of texts, or of what MMC4 tells of each image; if
    /// none, known names are looked for in tables that are not of pairs. With this or the next, rows are documents.
    pub images_column: Option<String>,
    /// The column of documents' texts: lists of text.
    pub texts_column: Option<String>,
    /// The most images of a document; one of more fails its row.
    pub max_images: usize,
    /// The columns that go through to the output.
    pub keep_columns: Vec<String>,
    /// Rows that do not pass all of these are left out.
    pub filters: Vec<Filter>,
    /// Rows a unit, except in tars, where the file is the unit.
    pub unit_rows: NonZeroU64,
    /// Rows a batch at most.
    pub batch_rows: NonZeroUsize,
    /// The largest embedded picture in bytes; a larger one fails its row.
    pub max_image_bytes: u64,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            format: None,
            quoting: Quoting::Standard,
            url_column: None,
            image_column: None,
            text_column: None,
            texts_alone: false,
            caption_columns: Vec::new(),
            key_column: None,
            digest_column: None,
            images_column: None,
            texts_column: None,
            max_images: 32,
            keep_columns: Vec::new(),
            filters: Vec::new(),
            unit_rows: NonZeroU64::MIN.saturating_add(9_999),
            batch_rows: NonZeroUsize::MIN.saturating_add(1_023),
            max_image_bytes: 64 << 20,
        }
    }
}

impl SourceConfig {
    /// Whether any column is named that only pairs have.
    pub(crate) const fn names_pairs(&self) -> bool {
        self.url_column.is_some()
            || self.image_column.is_some()
            || self.text_column.is_some()
            || self.digest_column.is_some()
            || !self.caption_columns.is_empty()
    }
}

/// What `"` means in CSV and TSV files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quoting {
    /// It encloses fields that hold delimiters, quotes or line breaks (at most 256 a record), as in RFC 4180.
    #[default]
    Standard,
    /// It is a character like others, and every line is a record: for tables that were written without quoting.
    None,
}

/// Bounds on a numeric column, both inclusive. A row whose value is null or no number does not pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// The least value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Filter {
    /// Whether a row with this value passes.
    #[must_use]
    pub fn passes(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| {
            !value.is_nan()
                && self.min.is_none_or(|min| value >= min)
                && self.max.is_none_or(|max| value <= max)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_include_their_bounds_and_never_pass_what_is_no_number() {
        let filter = Filter {
            column: "punsafe".into(),
            min: Some(0.1),
            max: Some(0.5),
        };
        assert!(filter.passes(Some(0.1)) && filter.passes(Some(0.5)));
        assert!(!filter.passes(Some(0.09)) && !filter.passes(Some(0.51)));
        let open = Filter {
            column: "punsafe".into(),
            min: None,
            max: None,
        };
        assert!(open.passes(Some(f64::NEG_INFINITY)));
        assert!(!open.passes(None) && !open.passes(Some(f64::NAN)));
    }
}
