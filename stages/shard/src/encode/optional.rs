//! The columns that are there only if asked for.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, FixedSizeListBuilder, Float16Builder, Float32Builder, ListBuilder,
    StringBuilder,
};
use arrow_schema::{ArrowError, DataType};
use img2tokens_schemas::columns::{feature_row, list_item};
use img2tokens_schemas::{OptionalColumns, Order, PairTokens, SequenceRow};

use super::documents::DocumentBuilders;
use crate::ShardError;

/// Rows of the optional columns that wait to be encoded; the order is that of [`OptionalColumns::fields`].
pub(super) struct OptionalBuilders {
    image_features: Option<FeatureBuilder>,
    reconstruction_cosine: Option<Float32Builder>,
    caption_column: Option<StringBuilder>,
    caption_truncated: Option<BooleanBuilder>,
    text_dropped: Option<BooleanBuilder>,
    digest_matches: Option<BooleanBuilder>,
    documents: Option<DocumentBuilders>,
}

struct FeatureBuilder {
    width: usize,
    rows: ListBuilder<FixedSizeListBuilder<Float16Builder>>,
}

impl FeatureBuilder {
    fn append(&mut self, pair: &PairTokens) -> Result<(), ShardError> {
        let features = pair.features.as_ref().ok_or_else(|| missing("image_features"))?;
        if features.width() != self.width {
            return Err(missing("image_features"));
        }
        for row in features.values().chunks_exact(features.width()) {
            self.rows.values().values().append_slice(row);
            self.rows.values().append(true);
        }
        self.rows.append(true);
        Ok(())
    }
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
            caption_column: columns.caption_column.then(StringBuilder::new),
            caption_truncated: columns.caption_truncated.then(BooleanBuilder::new),
            text_dropped: columns.text_dropped.then(BooleanBuilder::new),
            digest_matches: columns.digest_matches.then(BooleanBuilder::new),
            documents: columns.documents.then(DocumentBuilders::default),
        }
    }

    /// Bytes of the features that wait.
    pub(super) fn feature_bytes(&self) -> usize {
        self.image_features.as_ref().map_or(0, |features| {
            features.rows.values_ref().len() * features.width * size_of::<half::f16>()
        })
    }

    pub(super) fn append(&mut self, row: &SequenceRow) -> Result<(), ShardError> {
        let (sequence, pair) = (&row.sequence, &row.pair);
        let is_text = sequence.order == Order::Text;
        if let Some(builder) = &mut self.image_features {
            if is_text {
                builder.rows.append(true);
            } else {
                builder.append(pair)?;
            }
        }
        if let Some(builder) = &mut self.reconstruction_cosine {
            if pair.reconstruction.is_none() && !is_text {
                return Err(missing("reconstruction_cosine"));
            }
            builder.append_option(pair.reconstruction);
        }
        if let Some(builder) = &mut self.caption_column {
            if pair.caption_column.is_none() && !is_text {
                return Err(missing("caption_column"));
            }
            builder.append_option(pair.caption_column.as_deref());
        }
        if let Some(builder) = &mut self.caption_truncated {
            builder.append_value(pair.caption_truncated);
        }
        if let Some(builder) = &mut self.text_dropped {
            builder.append_value(sequence.text_dropped);
        }
        if let Some(builder) = &mut self.digest_matches {
            builder.append_option(pair.digest_matches);
        }
        match (&mut self.documents, &pair.document) {
            (Some(builder), document) => builder.append(document.as_ref()),
            (None, None) => Ok(()),
            (None, Some(_)) => Err(ShardError::Config {
                key: "input",
                problem: "has pairs, and a document came".to_owned(),
            }),
        }
    }

    pub(super) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        if let Some(builder) = &mut self.image_features {
            columns.push(Arc::new(builder.rows.finish()));
        }
        if let Some(builder) = &mut self.reconstruction_cosine {
            columns.push(Arc::new(builder.finish()));
        }
        if let Some(builder) = &mut self.caption_column {
            columns.push(Arc::new(builder.finish()));
        }
        for builder in [
            &mut self.caption_truncated,
            &mut self.text_dropped,
            &mut self.digest_matches,
        ] {
            columns.extend(
                builder
                    .as_mut()
                    .map(|builder| Arc::new(builder.finish()) as ArrayRef),
            );
        }
        if let Some(builder) = &mut self.documents {
            columns.extend(builder.finish()?);
        }
        Ok(columns)
    }
}

/// A pair came without what its run promises.
fn missing(column: &'static str) -> ShardError {
    ShardError::Config {
        key: "output",
        problem: format!("asks for the column `{column}`, and a pair came without"),
    }
}
