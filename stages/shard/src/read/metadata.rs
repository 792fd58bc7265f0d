//! What a shard's file says of itself.

use img2tokens_schemas::columns::metadata;
use img2tokens_schemas::{Packing, SCHEMA_VERSION, Vocabulary};
use parquet::file::metadata::FileMetaData;

use super::cells::Problem;
use crate::UnitId;

/// The metadata of a table of a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardMetadata {
    /// The unit.
    pub unit: UnitId,
    /// The hash of the plan that the unit belongs to.
    pub plan: String,
    /// The layout of the ids.
    pub vocabulary: Vocabulary,
    /// Model, inputs, settings and program that the rows come from.
    pub provenance: serde_json::Value,
    /// How contexts were filled, in a packed file.
    pub packing: Option<Packing>,
}

impl ShardMetadata {
    pub(super) fn of(file: &FileMetaData) -> Result<Self, Problem> {
        let pairs = file.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
        let get = |key: &str| {
            let found = pairs
                .iter()
                .find(|pair| pair.key == key)
                .and_then(|pair| pair.value.as_deref());
            found.ok_or_else(|| format!("its metadata lack `{key}`"))
        };
        let wrong =
            |key: &str, error: &dyn std::fmt::Display| format!("`{key}` in its metadata is wrong: {error}");
        let version = get(metadata::SCHEMA_VERSION)?;
        if version != SCHEMA_VERSION {
            return Err(format!(
                "its schema has version {version}, and this program reads {SCHEMA_VERSION}"
            ));
        }
        let unit = get(metadata::UNIT)?
            .parse()
            .map_err(|error| wrong(metadata::UNIT, &error))?;
        let vocabulary = serde_json::from_str(get(metadata::VOCABULARY)?);
        let provenance = serde_json::from_str(get(metadata::PROVENANCE)?);
        Ok(Self {
            unit: UnitId(unit),
            plan: get(metadata::PLAN)?.to_owned(),
            vocabulary: vocabulary.map_err(|error| wrong(metadata::VOCABULARY, &error))?,
            packing: get(metadata::PACKING)
                .ok()
                .map(serde_json::from_str)
                .transpose()
                .map_err(|error| wrong(metadata::PACKING, &error))?,
            provenance: provenance.map_err(|error| wrong(metadata::PROVENANCE, &error))?,
        })
    }
}
