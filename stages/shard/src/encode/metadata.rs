//! What a shard's file says of itself.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use img2tokens_schemas::SCHEMA_VERSION;
use img2tokens_schemas::columns::metadata;

use crate::features::hugging_face_features;
use crate::{ShardConfig, ShardError, UnitId};

/// The schema of a table, with the metadata that its file in `unit` carries.
pub(crate) fn described(
    schema: &Schema,
    config: &ShardConfig,
    unit: UnitId,
) -> Result<SchemaRef, ShardError> {
    let vocabulary =
        serde_json::to_string(&config.vocabulary).map_err(ShardError::json(metadata::VOCABULARY))?;
    let mut pairs = vec![
        (metadata::SCHEMA_VERSION, SCHEMA_VERSION.to_owned()),
        (metadata::UNIT, unit.0.to_string()),
        (metadata::PLAN, config.plan.clone()),
        (metadata::VOCABULARY, vocabulary),
        (metadata::PROVENANCE, config.provenance.to_string()),
    ];
    let features = hugging_face_features(schema.fields());
    pairs.extend(features.map(|features| (metadata::HUGGING_FACE, features.to_string())));
    Ok(Arc::new(schema.clone().with_metadata(
        pairs.into_iter().collect::<arrow_schema::Metadata>(),
    )))
}
