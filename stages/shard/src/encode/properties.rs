//! How the columns are encoded, and what the files say of themselves. All of it is fixed: the same rows give the same
//! bytes.

use img2tokens_schemas::SCHEMA_VERSION;
use img2tokens_schemas::columns::metadata;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::features::hugging_face_features;
use crate::{Compression, ShardConfig, ShardError, UnitId};

/// A row group is closed at this size even if it has few rows: kept columns may hold anything.
const ROW_GROUP_BYTES: usize = 256 << 20;

pub(crate) fn data_properties(config: &ShardConfig, unit: UnitId) -> Result<WriterProperties, ShardError> {
    let fields = config.data_schema()?;
    let mut builder = common_properties(config, unit, hugging_face_features(fields.fields()))?;
    // Each value is another one, or nearly: a dictionary would only be given up on, and bounds help nobody.
    for column in ["kept_patches", "caption", "sha256", "key", "url"] {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    for column in ["kept_patches", "caption"] {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
    }
    // Who looks for one sample asks by key, URL or digest, and finds most row groups ruled out.
    for column in ["key", "url", "sha256"] {
        let column = ColumnPath::from(column);
        builder = builder
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_max_ndv(column, config.row_group_rows as u64);
    }
    Ok(builder.build())
}

pub(crate) fn failure_properties(config: &ShardConfig, unit: UnitId) -> Result<WriterProperties, ShardError> {
    let schema = img2tokens_schemas::columns::failure_schema();
    Ok(common_properties(config, unit, hugging_face_features(schema.fields()))?.build())
}

fn common_properties(
    config: &ShardConfig,
    unit: UnitId,
    features: Option<serde_json::Value>,
) -> Result<WriterPropertiesBuilder, ShardError> {
    let vocabulary =
        serde_json::to_string(&config.vocabulary).map_err(ShardError::json(metadata::VOCABULARY))?;
    let mut pairs = vec![
        (metadata::SCHEMA_VERSION, SCHEMA_VERSION.to_owned()),
        (metadata::UNIT, unit.0.to_string()),
        (metadata::PLAN, config.plan.clone()),
        (metadata::VOCABULARY, vocabulary),
        (metadata::PROVENANCE, config.provenance.to_string()),
    ];
    pairs.extend(features.map(|features| (metadata::HUGGING_FACE, features.to_string())));
    let pairs = pairs
        .into_iter()
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .collect();
    Ok(WriterProperties::builder()
        .set_created_by(format!("img2tokens version {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(pairs))
        .set_compression(codec(config.compression)?)
        .set_max_row_group_row_count(Some(config.row_group_rows))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES)))
}

fn codec(compression: Compression) -> Result<Codec, ShardError> {
    Ok(match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Zstd { level } => {
            Codec::ZSTD(ZstdLevel::try_new(level).map_err(|error| ShardError::Config {
                key: "output.compression",
                problem: error.to_string(),
            })?)
        }
    })
}
