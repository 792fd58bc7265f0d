//! Sequences packed to contexts, in a Parquet file of their own: a unit's, beside its data file, or an export's.

use std::io::Write;

use arrow_schema::{Schema, SchemaRef};
use img2tokens_schemas::columns::{metadata, packed_fields};
use img2tokens_schemas::{PackedRow, Packing, Vocabulary};

use crate::encode::{PackedColumns, TableFile, described, of_unit, packed_properties};
use crate::hashed_file::{HashedFile, WrittenFile};
use crate::{Compression, Destination, Encoding, PackedSummary, ShardConfig, ShardError, UnitId};

/// Ids that a row group holds, or nearly: memory follows it, whatever the length of contexts.
const ROW_GROUP_IDS: usize = 2 << 20;
/// Ids gathered before they are handed to the encoder.
const BATCH_IDS: usize = 1 << 18;

/// What a packed file is written with, and says of itself.
#[derive(Debug, Clone)]
pub struct PackedConfig {
    /// How pages are compressed.
    pub compression: Compression,
    /// How contexts were filled.
    pub packing: Packing,
    /// The layout of the ids.
    pub vocabulary: Vocabulary,
    /// Where the sequences come from.
    pub provenance: serde_json::Value,
}

/// Writes contexts to a Parquet file. Memory: the encoded pages of one row group of about two million ids.
pub struct PackedWriter<W: Write + Send> {
    table: TableFile<W>,
    rows: PackedColumns,
    batch_rows: usize,
}

impl<W: Write + Send> PackedWriter<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// If it cannot be written, or the compression has no such level.
    pub fn new(file: W, config: &PackedConfig) -> Result<Self, ShardError> {
        Self::with_metadata(file, config, Vec::new())
    }

    fn with_metadata(
        file: W,
        config: &PackedConfig,
        mut further: Vec<(&'static str, String)>,
    ) -> Result<Self, ShardError> {
        let packing = serde_json::to_string(&config.packing).map_err(ShardError::json(metadata::PACKING))?;
        further.push((metadata::PACKING, packing));
        let schema = Schema::new(packed_fields());
        let schema = described(&schema, &config.vocabulary, &config.provenance, further)?;
        Self::with_schema(file, schema, config.compression, config.packing.length)
    }

    fn with_schema(
        file: W,
        schema: SchemaRef,
        compression: Compression,
        length: u32,
    ) -> Result<Self, ShardError> {
        let rows_of = |ids: usize| (ids / length.max(1) as usize).max(1);
        let encoding = Encoding {
            compression,
            row_group_rows: rows_of(ROW_GROUP_IDS),
        };
        let properties = packed_properties(encoding, &schema)?;
        Ok(Self {
            table: TableFile::new("packed", file, schema.clone(), properties)?,
            rows: PackedColumns::new(schema),
            batch_rows: rows_of(BATCH_IDS).min(1024),
        })
    }

    /// Adds a context.
    ///
    /// # Errors
    /// If it does not fit its columns or the file cannot be written.
    pub fn push(&mut self, row: &PackedRow) -> Result<(), ShardError> {
        self.rows.append(row)?;
        if self.rows.rows() >= self.batch_rows {
            self.table.write(&self.rows.take()?)?;
        }
        Ok(())
    }

    /// Completes the file and gives it back.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<W, ShardError> {
        if self.rows.rows() > 0 {
            self.table.write(&self.rows.take()?)?;
        }
        self.table.into_file()
    }
}

/// A unit's packed file while it is written.
pub(crate) struct UnitPacked {
    file: PackedWriter<HashedFile>,
    length: u32,
    summary: PackedSummary,
}

impl UnitPacked {
    /// None if sequences are not packed.
    pub(crate) fn begin(
        destination: &Destination,
        unit: UnitId,
        config: &ShardConfig,
    ) -> Result<Option<Self>, ShardError> {
        let Some(packing) = &config.packing else {
            return Ok(None);
        };
        let of_file = PackedConfig {
            compression: config.compression,
            packing: packing.clone(),
            vocabulary: config.vocabulary,
            provenance: config.provenance.clone(),
        };
        let file = HashedFile::new(destination.stage(unit, "packed")?);
        Ok(Some(Self {
            file: PackedWriter::with_metadata(file, &of_file, of_unit(config, unit))?,
            length: packing.length,
            summary: PackedSummary::default(),
        }))
    }

    /// One that is like another: of this schema, metadata included, and contexts of this length.
    pub(crate) fn like(
        destination: &Destination,
        unit: UnitId,
        schema: SchemaRef,
        compression: Compression,
        length: u32,
    ) -> Result<Self, ShardError> {
        let file = HashedFile::new(destination.stage(unit, "packed")?);
        Ok(Self {
            file: PackedWriter::with_schema(file, schema, compression, length)?,
            length,
            summary: PackedSummary::default(),
        })
    }

    pub(crate) fn push(&mut self, context: &PackedRow) -> Result<(), ShardError> {
        self.summary.add(context.input_ids.len(), self.length);
        self.file.push(context)
    }

    pub(crate) const fn summary(&self) -> PackedSummary {
        self.summary
    }

    /// Completes the file and waits until it is on the disk.
    pub(crate) fn finish(self) -> Result<WrittenFile, ShardError> {
        self.file.finish()?.finish("packed")
    }
}
