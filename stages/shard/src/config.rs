//! What a shard is written with.

use std::str::FromStr;
use std::sync::Arc;

use arrow_schema::{Field, Fields, Schema, SchemaRef};
use img2tokens_schemas::columns::data_fields;
use img2tokens_schemas::{OptionalColumns, Packing, Vocabulary};

use crate::ShardError;

/// What a kept column is called that has the name of one of the fixed columns: this and its name.
pub(crate) const COLLISION_PREFIX: &str = "input_";

/// How the pages of the files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Snappy.
    Snappy,
    /// LZ4 (raw blocks).
    Lz4,
    /// Zstandard.
    Zstd {
        /// From 1 (fast) to 22 (small).
        level: i32,
    },
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd { level: 3 }
    }
}

/// A compression that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression `{0}`: use none, snappy, lz4, zstd or zstd:LEVEL (1 to 22)")]
pub struct UnknownCompression(pub String);

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownCompression(name.to_owned());
        match name {
            "none" => Ok(Self::None),
            "snappy" => Ok(Self::Snappy),
            "lz4" => Ok(Self::Lz4),
            "zstd" => Ok(Self::default()),
            _ => {
                let level = name
                    .strip_prefix("zstd:")
                    .and_then(|level| level.parse().ok())
                    .ok_or_else(unknown)?;
                if (1..=22).contains(&level) {
                    Ok(Self::Zstd { level })
                } else {
                    Err(unknown())
                }
            }
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::Snappy => formatter.write_str("snappy"),
            Self::Lz4 => formatter.write_str("lz4"),
            Self::Zstd { level } => write!(formatter, "zstd:{level}"),
        }
    }
}

/// How a table stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// How pages are compressed.
    pub compression: Compression,
    /// Rows in a row group, at least 1.
    pub row_group_rows: usize,
}

/// What every shard of a run is written with. The bytes of a shard depend on this and on its outcomes alone.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// How pages are compressed.
    pub compression: Compression,
    /// Rows in a row group, at least 1: what a writer holds in memory, and what a reader can skip.
    pub row_group_rows: usize,
    /// The columns that are there only if asked for.
    pub optional: OptionalColumns,
    /// The kept input columns, in the order in which they stand in every [`img2tokens_schemas::KeptColumns`] batch.
    pub kept: Fields,
    /// The hash of the plan this run follows.
    pub plan: String,
    /// Where the rows come from: model, inputs, settings, program. Stands in every file's metadata as it is.
    pub provenance: serde_json::Value,
    /// The layout of the ids.
    pub vocabulary: Vocabulary,
    /// Whether every pair with sequences brings its picture along ([`crate::ShardWriter::keep`]).
    pub images: bool,
    /// Whether texts alone go among the pairs ([`crate::ShardWriter::push_text`]): kept columns are null in their rows.
    pub texts: bool,
    /// How sequences are packed to contexts, if they are ([`crate::ShardWriter::pack`]).
    pub packing: Option<Packing>,
}

impl ShardConfig {
    pub(crate) const fn encoding(&self) -> Encoding {
        Encoding {
            compression: self.compression,
            row_group_rows: self.row_group_rows,
        }
    }

    /// The schema of the data file: the fixed columns, the optional ones asked for, then the kept ones. A kept column that is called like a fixed or optional
    /// one (Re-LAION's `key`, say) is written as `input_` and its name; all others keep theirs.
    ///
    /// # Errors
    /// If `row_group_rows` is 0 or two columns would still have the same name.
    pub fn data_schema(&self) -> Result<SchemaRef, ShardError> {
        if self.row_group_rows == 0 {
            return Err(ShardError::Config {
                key: "output.row_group_rows",
                problem: "must be at least 1".to_owned(),
            });
        }
        let optional = self.optional.fields().into_iter().map(Arc::new);
        let fixed: Fields = data_fields().iter().cloned().chain(optional).collect();
        let mut fields: Vec<Arc<Field>> = fixed.iter().cloned().collect();
        for kept in &self.kept {
            let name = output_name(&fixed, kept.name());
            if fields.iter().any(|field| *field.name() == name) {
                return Err(ShardError::Config {
                    key: "input.keep_columns",
                    problem: format!("gives two output columns the name `{name}`"),
                });
            }
            let nullable = kept.is_nullable() || self.texts;
            fields.push(Arc::new(
                kept.as_ref().clone().with_name(name).with_nullable(nullable),
            ));
        }
        Ok(Arc::new(Schema::new(fields)))
    }
}

fn output_name(fixed: &Fields, name: &str) -> String {
    let collides = OptionalColumns::NAMES.contains(&name) || fixed.iter().any(|field| field.name() == name);
    if collides {
        format!("{COLLISION_PREFIX}{name}")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::DataType;

    fn config(kept: &[&str]) -> ShardConfig {
        ShardConfig {
            compression: Compression::default(),
            row_group_rows: 10,
            optional: OptionalColumns::default(),
            kept: kept
                .iter()
                .map(|name| Field::new(*name, DataType::Utf8, true))
                .collect(),
            plan: String::new(),
            provenance: serde_json::Value::Null,
            vocabulary: Vocabulary {
                text_size: 256,
                codebook_size: 16,
                bos: 1,
                eos: 2,
            },
            images: false,
            texts: false,
            packing: None,
        }
    }

    #[test]
    fn a_kept_column_named_like_a_fixed_one_is_renamed_and_others_are_not() {
        let schema = config(&["key", "WIDTH", "similarity"]).data_schema().unwrap();
        let names: Vec<_> = schema
            .fields()
            .iter()
            .skip(data_fields().len())
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(names, ["input_key", "WIDTH", "similarity"]);
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        assert!(config(&["key", "input_key"]).data_schema().is_err());
        assert!(config(&["nsfw", "nsfw"]).data_schema().is_err());
    }

    #[test]
    fn compressions_parse_back_from_their_names() {
        for name in ["none", "snappy", "lz4", "zstd:3", "zstd:19"] {
            assert_eq!(name.parse::<Compression>().unwrap().to_string(), name);
        }
        for name in ["zstd:0", "zstd:23", "gzip", "zstd:"] {
            assert!(name.parse::<Compression>().is_err(), "{name}");
        }
    }
}
