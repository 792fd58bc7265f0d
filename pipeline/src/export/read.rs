//! Units read ahead of the writer, several at a time, each on threads of its own.

use std::fs::File;
use std::sync::Arc;

use img2tokens_schemas::Vocabulary;
use img2tokens_shard::read::{Sample, SampleReader};
use img2tokens_shard::takedown::{Tombstones, forbidden_sequences};
use img2tokens_shard::{Destination, UnitId};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::ExportError;
use super::chunk::Chunk;
use super::ids::IdWidth;

/// The size of a chunk, but for its last sequence.
const CHUNK_BYTES: usize = 1 << 20;
/// How many chunks a unit is ahead of the writer: room for all of a unit of 10,000 rows in both orders, which so is read
/// to its end while others are written.
const CHUNKS_AHEAD: usize = 16;

/// How units are read.
#[derive(Debug)]
pub(super) struct Shards {
    /// The output.
    pub(super) output: Destination,
    /// What all units must have been written with.
    pub(super) vocabulary: Vocabulary,
    /// The width of ids in the format.
    pub(super) width: IdWidth,
    /// What must not be exported even where a shard holds it still.
    pub(super) tombstones: Arc<Tombstones>,
}

/// A unit that is being read. Memory: 16 MiB, and what a reader takes.
#[derive(Debug)]
pub(super) struct UnitReader {
    chunks: mpsc::Receiver<Chunk>,
    read: JoinHandle<Result<(), ExportError>>,
}

impl UnitReader {
    /// Begins to read a unit from this row of its data file on.
    pub(super) fn begin(shards: &Arc<Shards>, unit: UnitId, first_row: u64) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let shards = shards.clone();
        let read = tokio::spawn(async move {
            let data = shards.output.open(&unit.data_file()).await?;
            let data = data.ok_or(ExportError::Missing { unit })?;
            spawn_blocking(move || shards.read(unit, first_row, data, &sender)).await?
        });
        Self { chunks, read }
    }

    /// The next chunk; none at the unit's end, after which it must not be asked again.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, ExportError> {
        match self.chunks.recv().await {
            Some(chunk) => Ok(Some(chunk)),
            None => (&mut self.read).await?.map(|()| None),
        }
    }
}

impl Drop for UnitReader {
    fn drop(&mut self) {
        self.read.abort();
    }
}

impl Shards {
    fn read(
        &self,
        unit: UnitId,
        first_row: u64,
        data: File,
        chunks: &mpsc::Sender<Chunk>,
    ) -> Result<(), ExportError> {
        let forbidden = forbidden_sequences(unit, &data, &self.tombstones)?;
        let samples = SampleReader::of_file(unit.data_file(), data)?;
        if samples.metadata().vocabulary != self.vocabulary {
            return Err(ExportError::Vocabulary { unit });
        }
        let mut chunk = Chunk::default();
        for batch in samples {
            let batch = batch?;
            let wanted = batch
                .samples()
                .filter(|sample| sample.row >= first_row && !forbidden.contains(&sample.row));
            for sample in wanted {
                self.encode(unit, &sample, &mut chunk)?;
                if chunk.bytes() >= CHUNK_BYTES && chunks.blocking_send(std::mem::take(&mut chunk)).is_err() {
                    // The writer has stopped, and knows why.
                    return Ok(());
                }
            }
        }
        let _ = chunks.blocking_send(chunk);
        Ok(())
    }

    fn encode(&self, unit: UnitId, sample: &Sample<'_>, chunk: &mut Chunk) -> Result<(), ExportError> {
        let (row, vocabulary_size) = (sample.row, self.vocabulary.size());
        if sample.input_ids.is_empty() {
            return Err(ExportError::Empty { unit, row });
        }
        chunk
            .push(sample, self.width, vocabulary_size)
            .map_err(|id| ExportError::Id {
                unit,
                row,
                id,
                vocabulary_size,
            })
    }
}
