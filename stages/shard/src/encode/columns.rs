//! Outcomes gathered into columns, a batch at a time.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, Int32Builder, ListBuilder, StringBuilder, UInt16Builder, UInt32Builder,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Fields, Schema, SchemaRef};
use arrow_select::interleave::interleave;
use img2tokens_schemas::columns::list_item;
use img2tokens_schemas::{Failure, FailureReason, KeptColumns, SequenceRow};

use super::optional::OptionalBuilders;
use crate::{ShardConfig, ShardError};

/// The data file's rows that wait to be encoded. The order of fields is that of `data_fields()`, the optional
/// columns, the kept ones.
pub(crate) struct DataColumns {
    schema: SchemaRef,
    key: StringBuilder,
    order: StringBuilder,
    input_ids: ListBuilder<Int32Builder>,
    num_tokens: Int32Builder,
    image_start: Int32Builder,
    image_len: Int32Builder,
    text_ids: ListBuilder<Int32Builder>,
    image_codes: ListBuilder<UInt16Builder>,
    kept_patches: BinaryBuilder,
    caption: StringBuilder,
    url: StringBuilder,
    width: Int32Builder,
    height: Int32Builder,
    sha256: StringBuilder,
    optional: OptionalBuilders,
    kept: KeptRows,
}

impl DataColumns {
    /// None yet. `schema` names all columns.
    pub(crate) fn new(schema: SchemaRef, config: &ShardConfig) -> Self {
        let ids = || ListBuilder::new(Int32Builder::new()).with_field(list_item(DataType::Int32));
        Self {
            schema,
            key: StringBuilder::new(),
            order: StringBuilder::new(),
            input_ids: ids(),
            num_tokens: Int32Builder::new(),
            image_start: Int32Builder::new(),
            image_len: Int32Builder::new(),
            text_ids: ids(),
            image_codes: ListBuilder::new(UInt16Builder::new()).with_field(list_item(DataType::UInt16)),
            kept_patches: BinaryBuilder::new(),
            caption: StringBuilder::new(),
            url: StringBuilder::new(),
            width: Int32Builder::new(),
            height: Int32Builder::new(),
            sha256: StringBuilder::new(),
            optional: OptionalBuilders::new(config.optional),
            kept: KeptRows {
                announced: config.kept.clone(),
                batches: Vec::new(),
                rows: Vec::new(),
            },
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.kept.rows.len()
    }

    pub(crate) fn feature_bytes(&self) -> usize {
        self.optional.feature_bytes()
    }

    pub(crate) fn append(
        &mut self,
        key: &str,
        url: Option<&str>,
        kept: Option<&KeptColumns>,
        row: &SequenceRow,
    ) -> Result<(), ShardError> {
        let (sequence, pair) = (&row.sequence, &row.pair);
        self.key.append_value(key);
        self.order.append_value(sequence.order.name());
        append_ids(&mut self.input_ids, "input_ids", &sequence.input_ids)?;
        self.num_tokens
            .append_value(int32("num_tokens", sequence.input_ids.len() as u64)?);
        self.image_start
            .append_value(int32("image_start", sequence.image_start.into())?);
        self.image_len
            .append_value(int32("image_len", sequence.image_len.into())?);
        append_ids(&mut self.text_ids, "text_ids", &pair.text_ids)?;
        self.image_codes.values().append_slice(pair.visual.codes());
        self.image_codes.append(true);
        // A document's images have a mask each, among its parts.
        let kept_patches = match &pair.document {
            None => pair.visual.kept().as_bytes(),
            Some(_) => &[],
        };
        self.kept_patches.append_value(kept_patches);
        self.caption.append_value(&pair.caption);
        self.url.append_option(url);
        self.width.append_value(int32("width", pair.width.into())?);
        self.height.append_value(int32("height", pair.height.into())?);
        let sha256 = pair.sha256.map(|digest| digest.to_string());
        self.sha256.append_value(sha256.unwrap_or_default());
        self.optional.append(row)?;
        match kept {
            Some(kept) => self.kept.append(kept),
            None => self.kept.append_nulls(),
        }
    }

    /// The rows so far; none are left.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ShardError> {
        let rows = self.rows();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.key.finish()),
            Arc::new(self.order.finish()),
            Arc::new(self.input_ids.finish()),
            Arc::new(self.num_tokens.finish()),
            Arc::new(self.image_start.finish()),
            Arc::new(self.image_len.finish()),
            Arc::new(self.text_ids.finish()),
            Arc::new(self.image_codes.finish()),
            Arc::new(self.kept_patches.finish()),
            Arc::new(self.caption.finish()),
            Arc::new(self.url.finish()),
            Arc::new(self.width.finish()),
            Arc::new(self.height.finish()),
            Arc::new(self.sha256.finish()),
        ];
        self.optional
            .finish()
            .and_then(|optional| {
                columns.extend(optional);
                columns.extend(self.kept.take(rows)?);
                RecordBatch::try_new(self.schema.clone(), columns)
            })
            .map_err(|source| ShardError::Batch {
                table: "data",
                source,
            })
    }
}

/// Rows of the input's batches that wait to be gathered. A batch is held until then.
struct KeptRows {
    announced: Fields,
    batches: Vec<Arc<RecordBatch>>,
    /// Batch and row of each.
    rows: Vec<(usize, usize)>,
}

impl KeptRows {
    fn append(&mut self, kept: &KeptColumns) -> Result<(), ShardError> {
        // Rows come in input order: theirs is the latest batch, or a new one.
        if !self
            .batches
            .last()
            .is_some_and(|batch| Arc::ptr_eq(batch, kept.batch()))
        {
            check_kept(&self.announced, kept.batch())?;
            self.batches.push(kept.batch().clone());
        }
        self.rows.push((self.batches.len() - 1, kept.row()));
        Ok(())
    }

    /// A row that no input brought along.
    fn append_nulls(&mut self) -> Result<(), ShardError> {
        let columns = self.announced.iter();
        let nulls = columns.map(|field| arrow_array::new_null_array(field.data_type(), 1));
        let fields = self.announced.iter();
        let fields: Fields = fields
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new_with_options(schema, nulls.collect(), &options);
        self.batches
            .push(Arc::new(batch.map_err(|source| ShardError::Batch {
                table: "data",
                source,
            })?));
        self.rows.push((self.batches.len() - 1, 0));
        Ok(())
    }

    fn take(&mut self, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        let gathered = if rows == 0 {
            self.announced
                .iter()
                .map(|field| Ok(arrow_array::new_empty_array(field.data_type())))
                .collect()
        } else {
            (0..self.announced.len())
                .map(|column| {
                    let parts: Vec<&dyn Array> = self
                        .batches
                        .iter()
                        .map(|batch| batch.column(column).as_ref())
                        .collect();
                    interleave(&parts, &self.rows)
                })
                .collect()
        };
        self.batches.clear();
        self.rows.clear();
        gathered
    }
}

fn check_kept(announced: &Fields, batch: &RecordBatch) -> Result<(), ShardError> {
    let schema = batch.schema_ref();
    if announced.len() != schema.fields().len() {
        return Err(ShardError::Config {
            key: "input.keep_columns",
            problem: format!(
                "announces {} columns, and a batch has {}",
                announced.len(),
                schema.fields().len()
            ),
        });
    }
    let differing = announced.iter().zip(schema.fields()).find(|(announced, found)| {
        announced.name() != found.name() || announced.data_type() != found.data_type()
    });
    match differing {
        None => Ok(()),
        Some((announced, found)) => Err(ShardError::KeptColumn {
            column: announced.name().clone(),
            expected: Box::new(announced.data_type().clone()),
            found: format!("`{}` of type {}", found.name(), found.data_type()),
        }),
    }
}

pub(super) fn append_ids(
    column: &mut ListBuilder<Int32Builder>,
    name: &'static str,
    ids: &[u32],
) -> Result<(), ShardError> {
    for id in ids {
        column.values().append_value(int32(name, u64::from(*id))?);
    }
    column.append(true);
    Ok(())
}

pub(super) fn int32(column: &'static str, value: u64) -> Result<i32, ShardError> {
    i32::try_from(value).map_err(|_| ShardError::Overflow { column, value })
}

/// The failures file's rows that wait to be encoded. The order of fields is that of `failure_schema()`.
pub(crate) struct FailureColumns {
    schema: SchemaRef,
    key: StringBuilder,
    url: StringBuilder,
    reason: StringBuilder,
    detail: StringBuilder,
    http_status: UInt16Builder,
    attempts: UInt32Builder,
    rows: usize,
}

impl FailureColumns {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            key: StringBuilder::new(),
            url: StringBuilder::new(),
            reason: StringBuilder::new(),
            detail: StringBuilder::new(),
            http_status: UInt16Builder::new(),
            attempts: UInt32Builder::new(),
            rows: 0,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a pair that failed. Of one that was taken down only the key is kept.
    pub(crate) fn append(&mut self, key: &str, url: Option<&str>, failure: &Failure) {
        self.key.append_value(key);
        self.url
            .append_option(url.filter(|_| failure.reason != FailureReason::TakenDown));
        self.reason.append_value(failure.reason.code());
        self.detail.append_value(&failure.detail);
        self.http_status.append_option(failure.http_status);
        self.attempts.append_value(failure.attempts);
        self.rows += 1;
    }

    /// The rows so far; none are left.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ShardError> {
        self.rows = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.key.finish()),
            Arc::new(self.url.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.detail.finish()),
            Arc::new(self.http_status.finish()),
            Arc::new(self.attempts.finish()),
        ];
        RecordBatch::try_new(self.schema.clone(), columns).map_err(|source| ShardError::Batch {
            table: "failures",
            source,
        })
    }
}
