//! Contexts gathered into columns, a batch at a time.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use img2tokens_schemas::PackedRow;
use img2tokens_schemas::columns::list_item;

use super::columns::{append_ids, int32};
use crate::ShardError;

/// The packed file's rows that wait to be encoded. The order of fields is that of `packed_fields()`.
pub(crate) struct PackedColumns {
    schema: SchemaRef,
    input_ids: ListBuilder<Int32Builder>,
    num_tokens: Int32Builder,
    segment_starts: ListBuilder<Int32Builder>,
    segment_offsets: ListBuilder<Int32Builder>,
    keys: ListBuilder<StringBuilder>,
    orders: ListBuilder<StringBuilder>,
    rows: usize,
}

impl PackedColumns {
    /// None yet.
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let numbers = || ListBuilder::new(Int32Builder::new()).with_field(list_item(DataType::Int32));
        let texts = || ListBuilder::new(StringBuilder::new()).with_field(list_item(DataType::Utf8));
        Self {
            schema,
            input_ids: numbers(),
            num_tokens: Int32Builder::new(),
            segment_starts: numbers(),
            segment_offsets: numbers(),
            keys: texts(),
            orders: texts(),
            rows: 0,
        }
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn append(&mut self, row: &PackedRow) -> Result<(), ShardError> {
        append_ids(&mut self.input_ids, "input_ids", &row.input_ids)?;
        self.num_tokens
            .append_value(int32("num_tokens", row.input_ids.len() as u64)?);
        for segment in &row.segments {
            let start = int32("segment_starts", segment.start.into())?;
            let offset = int32("segment_offsets", segment.offset.into())?;
            self.segment_starts.values().append_value(start);
            self.segment_offsets.values().append_value(offset);
            self.keys.values().append_value(&segment.key);
            self.orders.values().append_value(segment.order.name());
        }
        self.segment_starts.append(true);
        self.segment_offsets.append(true);
        self.keys.append(true);
        self.orders.append(true);
        self.rows += 1;
        Ok(())
    }

    /// The rows so far; none are left.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ShardError> {
        self.rows = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.input_ids.finish()),
            Arc::new(self.num_tokens.finish()),
            Arc::new(self.segment_starts.finish()),
            Arc::new(self.segment_offsets.finish()),
            Arc::new(self.keys.finish()),
            Arc::new(self.orders.finish()),
        ];
        RecordBatch::try_new(self.schema.clone(), columns).map_err(|source| ShardError::Batch {
            table: "packed",
            source,
        })
    }
}
