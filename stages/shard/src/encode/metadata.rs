//! What a shard's file says of itself.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use img2tokens_schemas::columns::metadata;
use img2tokens_schemas::{SCHEMA_VERSION, Vocabulary};

use crate::features::hugging_face_features;
use crate::{ShardConfig, ShardError, UnitId};

/// The schema of a table with the metadata that its file carries: what all have, and `further`.
pub(crate) fn described(
    schema: &Schema,
    vocabulary: &Vocabulary,
    provenance: &serde_json::Value,
    further: Vec<(&'static str, String)>,
) -> Result<SchemaRef, ShardError> {
    let vocabulary = serde_json::to_string(vocabulary).map_err(ShardError::json(metadata::VOCABULARY))?;
    let mut pairs = vec![
        (metadata::SCHEMA_VERSION, SCHEMA_VERSION.to_owned()),
        (metadata::VOCABULARY, vocabulary),
        (metadata::PROVENANCE, provenance.to_string()),
    ];
    pairs.extend(further);
    let features = hugging_face_features(schema.fields());
    pairs.extend(features.map(|features| (metadata::HUGGING_FACE, features.to_string())));
    Ok(Arc::new(schema.clone().with_metadata(
        pairs.into_iter().collect::<arrow_schema::Metadata>(),
    )))
}

/// What a unit's files say beside.
pub(crate) fn of_unit(config: &ShardConfig, unit: UnitId) -> Vec<(&'static str, String)> {
    vec![
        (metadata::UNIT, unit.0.to_string()),
        (metadata::PLAN, config.plan.clone()),
    ]
}
