//! The columns that are there only if asked for.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, FixedSizeListBuilder, Float16Builder, Float32Builder, ListBuilder,
};
use arrow_schema::DataType;
use img2tokens_schemas::columns::{feature_row, list_item};
use img2tokens_schemas::{OptionalColumns, PairTokens};

use crate::ShardError;

/// Rows of `image_features`, `reconstruction_cosine` and `digest_matches` that wait to be encoded.
pub(super) struct OptionalBuilders {
    image_features: Option<FeatureBuilder>,
    reconstruction_cosine: Option<Float32Builder>,
    digest_matches: Option<BooleanBuilder>,
}

struct FeatureBuilder {
    width: usize,
    rows: ListBuilder<FixedSizeListBuilder<Float16Builder>>,
}

impl OptionalBuilders {
    pub(super) fn new(columns: OptionalColumns) -> Self {
        let features = |width: i32| {
            let row = FixedSizeListBuilder::new(Float16Builder::new(), width)
                .with_field(list_item(DataType::Float16));
            FeatureBuilder {
                width: width.unsigned_abs() as usize,
                rows: ListBuilder::new(row).with_field(list_item(feature_row(width))),
            }
        };
        Self {
            image_features: columns.image_features.map(features),
            reconstruction_cosine: columns.reconstruction_cosine.then(Float32Builder::new),
            digest_matches: columns.digest_matches.then(BooleanBuilder::new),
        }
    }

    /// Bytes of the features that wait.
    pub(super) fn feature_bytes(&self) -> usize {
        self.image_features.as_ref().map_or(0, |features| {
            features.rows.values_ref().len() * features.width * size_of::<half::f16>()
        })
    }

    pub(super) fn append(&mut self, pair: &PairTokens) -> Result<(), ShardError> {
        if let Some(builder) = &mut self.image_features {
            let features = pair.features.as_ref().ok_or_else(missing("image_features"))?;
            if features.width() != builder.width {
                return Err(missing("image_features")());
            }
            for row in features.values().chunks_exact(features.width()) {
                builder.rows.values().values().append_slice(row);
                builder.rows.values().append(true);
            }
            builder.rows.append(true);
        }
        if let Some(builder) = &mut self.reconstruction_cosine {
            let cosine = pair.reconstruction.ok_or_else(missing("reconstruction_cosine"))?;
            builder.append_value(cosine);
        }
        if let Some(builder) = &mut self.digest_matches {
            builder.append_option(pair.digest_matches);
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Vec<ArrayRef> {
        let features = self
            .image_features
            .as_mut()
            .map(|builder| Arc::new(builder.rows.finish()) as ArrayRef);
        let cosine = self
            .reconstruction_cosine
            .as_mut()
            .map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let digest = self
            .digest_matches
            .as_mut()
            .map(|builder| Arc::new(builder.finish()) as ArrayRef);
        features.into_iter().chain(cosine).chain(digest).collect()
    }
}

/// A pair came without what its run promises.
fn missing(column: &'static str) -> impl Fn() -> ShardError {
    move || ShardError::Config {
        key: "output",
        problem: format!("asks for the column `{column}`, and a pair came without"),
    }
}
