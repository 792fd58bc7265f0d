//! How the columns are encoded. All of it is fixed: the same rows give the same bytes.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use img2tokens_schemas::columns::{document_fields, packed_fields};
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::config::Encoding;
use crate::{Compression, ShardError};

/// A row group is closed at this size even if it has few rows: kept columns may hold anything.
const ROW_GROUP_BYTES: usize = 256 << 20;

/// The lists of ids are left to dictionaries, Parquet's default. Measured on 16,384 rows like LAION's (94 of 16,384
/// codes, 17 text ids), row groups of 8,192 rows, zstd level 3, bits an id of `input_ids` for uniform / skewed codes:
/// dictionary 16.0 / 14.7, plain 18.0 / 16.5, delta 16.4 / 16.4, byte stream split 14.9 / 14.3. The last saves 7 %, but
/// of integers only readers of 2024 and later know it.
pub(crate) fn data_properties(encoding: Encoding, schema: &Schema) -> Result<WriterProperties, ShardError> {
    let mut builder = common_properties(encoding, schema)?;
    // Each value is another one, or nearly: a dictionary would only be given up on, and bounds help nobody.
    for column in ["kept_patches", "caption", "sha256", "key", "url"] {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    for column in ["kept_patches", "caption"] {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
    }
    // Numbers of a network: no two alike.
    let features = ["image_features", "list", "element", "list", "element"];
    for path in [&features[..], &["reconstruction_cosine"]] {
        if path
            .first()
            .is_none_or(|column| schema.column_with_name(column).is_none())
        {
            continue;
        }
        let leaf = ColumnPath::new(path.iter().map(|part| (*part).to_owned()).collect());
        builder = builder
            .set_column_dictionary_enabled(leaf.clone(), false)
            .set_column_statistics_enabled(leaf, EnabledStatistics::None);
    }
    let has = |field: &Arc<Field>| {
        schema
            .column_with_name(field.name())
            .is_some_and(|(_, found)| found == &**field)
    };
    if document_fields().iter().all(has) {
        builder = document_properties(builder);
    }
    // Who looks for one sample asks by key, URL or digest, and finds most row groups ruled out.
    for column in ["key", "url", "sha256"] {
        let column = ColumnPath::from(column);
        builder = builder
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_max_ndv(column, encoding.row_group_rows as u64);
    }
    Ok(builder.build())
}

/// The parts of documents are like the columns of pairs.
fn document_properties(mut builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let leaf = |column: &str, field: &str| {
        ColumnPath::new([column, "list", "element", field].map(str::to_owned).into())
    };
    for field in ["kept_patches", "url", "sha256"] {
        builder = builder.set_column_dictionary_enabled(leaf("images", field), false);
    }
    for leaf in [leaf("images", "kept_patches"), leaf("texts", "text")] {
        builder = builder
            .set_column_dictionary_enabled(leaf.clone(), false)
            .set_column_statistics_enabled(leaf, EnabledStatistics::None);
    }
    builder
}

pub(crate) fn failure_properties(
    encoding: Encoding,
    schema: &Schema,
) -> Result<WriterProperties, ShardError> {
    Ok(common_properties(encoding, schema)?.build())
}

pub(crate) fn packed_properties(encoding: Encoding, schema: &Schema) -> Result<WriterProperties, ShardError> {
    let mut builder = common_properties(encoding, schema)?;
    for column in &packed_fields() {
        let name = column.name().as_str();
        let leaf = match column.data_type() {
            DataType::List(_) => ColumnPath::new([name, "list", "element"].map(str::to_owned).into()),
            _ => ColumnPath::from(name),
        };
        // No context is looked for by what is in it.
        builder = builder.set_column_statistics_enabled(leaf, EnabledStatistics::None);
    }
    Ok(builder.build())
}

/// The schema's metadata stand in the file twice: within the Arrow schema, where pyarrow and `datasets` look, and as
/// the file's own, where all others do.
fn common_properties(encoding: Encoding, schema: &Schema) -> Result<WriterPropertiesBuilder, ShardError> {
    let pairs = schema
        .metadata()
        .iter()
        .map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
    Ok(WriterProperties::builder()
        .set_created_by(format!("img2tokens version {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(pairs.collect()))
        .set_compression(codec(encoding.compression)?)
        .set_max_row_group_row_count(Some(encoding.row_group_rows))
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
