//! From the committed units of an output to the files of a format, in bounded memory.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use img2tokens_schemas::Vocabulary;
use img2tokens_sequence::{PackConfig, PackStats};
use img2tokens_shard::read::{Sample, SampleReader, ShardMetadata};
use img2tokens_shard::takedown::{Tombstones, forbidden_sequences};
use img2tokens_shard::{Destination, UnitId, committed};
use indicatif::ProgressBar;
use tokio::task::spawn_blocking;

use super::ExportError;
use super::format::{Format, Sequence, SequenceWriter, Setup};
use super::ids::IdWidth;
use super::staging::Staging;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Units read.
    pub units: u64,
    /// Sequences written.
    pub sequences: u64,
    /// Ids in them.
    pub tokens: u64,
    /// What packing came to, in the format `packed`.
    pub packed: Option<PackStats>,
}

/// Writes the sequences of all committed units to `folder`, which must not exist or be empty; `progress` counts units.
/// Only the format `packed` looks at `packing`.
///
/// # Errors
/// If nothing is committed, `folder` cannot be written, or a shard cannot be read or holds what the format cannot. In
/// every case `folder` is as it was.
pub async fn export(
    output: &Destination,
    format: Format,
    packing: PackConfig,
    folder: &Path,
    progress: &ProgressBar,
) -> Result<Exported, ExportError> {
    let units = committed(output).await?;
    if units.is_empty() {
        let output = output.to_string();
        return Err(ExportError::NothingCommitted { output });
    }
    progress.set_length(units.len() as u64);
    let folder = folder.to_owned();
    let tombstones = Tombstones::read(output).await?;
    let mut stream = spawn_blocking(move || Stream::begin(format, packing, &folder, tombstones)).await??;
    for unit in units {
        let data = output.open(&unit.data_file()).await?;
        let data = data.ok_or(ExportError::Missing { unit })?;
        stream = spawn_blocking(move || stream.add(unit, data)).await??;
        progress.inc(1);
        progress.set_message(format!("{} sequences", stream.exported.sequences));
    }
    if stream.exported.sequences == 0 {
        return Err(ExportError::NoSequences {
            output: output.to_string(),
            units: stream.exported.units,
        });
    }
    spawn_blocking(move || stream.finish()).await?
}

/// An export under way.
struct Stream {
    format: Format,
    packing: PackConfig,
    /// What must not be exported even where a shard holds it still.
    tombstones: Arc<Tombstones>,
    open: Option<Open>,
    staging: Staging,
    exported: Exported,
}

/// What is known once the first unit has been opened.
struct Open {
    vocabulary: Vocabulary,
    width: IdWidth,
    writer: Box<dyn SequenceWriter>,
    /// The bytes of the sequence at hand.
    ids: Vec<u8>,
}

impl Stream {
    fn begin(
        format: Format,
        packing: PackConfig,
        folder: &Path,
        tombstones: Arc<Tombstones>,
    ) -> Result<Self, ExportError> {
        Ok(Self {
            format,
            packing,
            tombstones,
            open: None,
            staging: Staging::begin(folder)?,
            exported: Exported::default(),
        })
    }

    fn add(mut self, unit: UnitId, data: File) -> Result<Self, ExportError> {
        let forbidden = forbidden_sequences(unit, &data, &self.tombstones)?;
        let samples = SampleReader::of_file(unit.data_file(), data)?;
        let vocabulary = samples.metadata().vocabulary;
        let open = match self.open.take() {
            None => self.open(samples.metadata())?,
            Some(open) if open.vocabulary == vocabulary => open,
            Some(_) => return Err(ExportError::Vocabulary { unit }),
        };
        let open = self.open.insert(open);
        for batch in samples {
            let batch = batch?;
            for sample in batch.samples().filter(|sample| !forbidden.contains(&sample.row)) {
                self.exported.tokens += open.add(unit, &sample, &self.staging)?;
                self.exported.sequences += 1;
            }
        }
        self.exported.units += 1;
        Ok(self)
    }

    fn open(&self, metadata: &ShardMetadata) -> Result<Open, ExportError> {
        let width = self.format.id_width(metadata.vocabulary.size());
        let setup = Setup {
            folder: self.staging.path(),
            metadata,
            packing: self.packing,
        };
        let writer = self.format.writer(setup, width);
        Ok(Open {
            vocabulary: metadata.vocabulary,
            width,
            writer: writer.map_err(ExportError::write(self.staging.destination()))?,
            ids: Vec::new(),
        })
    }

    fn finish(mut self) -> Result<Exported, ExportError> {
        if let Some(open) = self.open {
            let write = ExportError::write(self.staging.destination());
            self.exported.packed = open.writer.finish().map_err(write)?;
        }
        self.staging.publish()?;
        Ok(self.exported)
    }
}

impl Open {
    /// Writes a sample; returns the number of its ids.
    fn add(&mut self, unit: UnitId, sample: &Sample<'_>, staging: &Staging) -> Result<u64, ExportError> {
        let (row, vocabulary_size) = (sample.row, self.vocabulary.size());
        if sample.input_ids.is_empty() {
            return Err(ExportError::Empty { unit, row });
        }
        self.width
            .encode(sample.input_ids, vocabulary_size, &mut self.ids)
            .map_err(|id| ExportError::Id {
                unit,
                row,
                id,
                vocabulary_size,
            })?;
        // The offsets of a list in the shard are 32 bits wide.
        let tokens = sample.input_ids.len() as u32;
        let sequence = Sequence {
            key: sample.key,
            order: sample.order,
            tokens,
            ids: &self.ids,
        };
        self.writer
            .write(&sequence)
            .map_err(ExportError::write(staging.destination()))?;
        Ok(u64::from(tokens))
    }
}
