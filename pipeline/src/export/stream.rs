//! From the committed units of an output to the files of a format: units are read several at a time and written in their
//! order, so that what is written is a function of them, and can be gone on with wherever it ended.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use img2tokens_engine::CancellationToken;
use img2tokens_sequence::PackStats;
use img2tokens_shard::{Destination, UnitId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::ExportError;
use super::chunk::Chunk;
use super::format::{Format, FormatOptions, SequenceWriter, Setup};
use super::input::Input;
use super::journal::Mark;
use super::meter::Meter;
use super::read::{Shards, UnitReader};
use super::staging::{Begun, Staging};

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Units exported.
    pub units: u64,
    /// Of these, those that an earlier start had exported.
    pub reused: u64,
    /// Sequences written.
    pub sequences: u64,
    /// Ids in them.
    pub tokens: u64,
    /// What packing came to, in the format `packed`.
    pub packed: Option<PackStats>,
}

/// What is to be exported, and how.
#[derive(Debug)]
pub struct Export {
    /// The output.
    pub output: Destination,
    /// What to write.
    pub format: Format,
    /// What is asked of the format.
    pub options: FormatOptions,
    /// Units read at a time, at least 1; without effect on what is written. Memory: 16 MiB each.
    pub workers: usize,
    /// The folder to write, which must not exist or be empty.
    pub folder: PathBuf,
}

impl Export {
    /// Writes the sequences of all committed units; none if it was told to stop before the end. Where an earlier start
    /// of the same export ended, this one goes on.
    ///
    /// # Errors
    /// If nothing is committed, the folder cannot be written, or a shard cannot be read or holds what the format cannot.
    /// In every case the folder is as it was, and what is done is kept beside it.
    pub async fn run(self, meter: &Meter, stop: &CancellationToken) -> Result<Option<Exported>, ExportError> {
        let input = tokio::select! {
            input = Input::of(&self.output) => input?,
            () = stop.cancelled() => return Ok(None),
        };
        let (meter, stop) = (meter.clone(), stop.clone());
        spawn_blocking(move || Stream::run(self, input, meter, stop)).await?
    }

    /// A line that differs if anything does that changes what is written.
    fn header(&self, input: &Input) -> String {
        let header = json!({
            "program": crate::VERSION,
            "format": self.format,
            "settings": self.format.settings(&self.options),
            "input": input.hash,
            "tombstones": input.tombstones.records(),
        });
        header.to_string()
    }
}

/// An export under way, on a thread that may block.
struct Stream {
    writer: Box<dyn SequenceWriter>,
    staging: Staging,
    /// What stands before the next sequence.
    mark: Mark,
    meter: Meter,
    stop: CancellationToken,
}

/// Whether there is more to do.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    Ended,
    Stopped,
}

impl Stream {
    fn run(
        export: Export,
        input: Input,
        meter: Meter,
        stop: CancellationToken,
    ) -> Result<Option<Exported>, ExportError> {
        let staging = match Staging::begin(&export.folder, &export.header(&input))? {
            Begun::UnderWay(staging) => staging,
            Begun::Done(exported) => return Ok(Some(exported)),
        };
        let vocabulary = input.metadata.vocabulary;
        let width = export.format.id_width(vocabulary.size());
        let setup = Setup {
            staged: staging.path(),
            metadata: &input.metadata,
            options: export.options,
            width,
        };
        let writer = export.format.writer(setup);
        let stream = Self {
            writer: writer.map_err(ExportError::write(staging.destination()))?,
            mark: staging.start(),
            staging,
            meter,
            stop,
        };
        let shards = Arc::new(Shards {
            output: export.output,
            vocabulary,
            width,
            tombstones: input.tombstones,
        });
        stream.write(&shards, &input.units, export.workers)
    }

    fn write(
        mut self,
        shards: &Arc<Shards>,
        units: &[UnitId],
        workers: usize,
    ) -> Result<Option<Exported>, ExportError> {
        let start = self.mark;
        self.meter.begin(units.len() as u64, start.units);
        let mut first_row = start.row;
        let mut rest = units.iter().skip(start.units as usize);
        let mut ahead = VecDeque::new();
        loop {
            while ahead.len() < workers
                && let Some(unit) = rest.next()
            {
                ahead.push_back(UnitReader::begin(shards, *unit, std::mem::take(&mut first_row)));
            }
            let Some(unit) = ahead.pop_front() else {
                break;
            };
            let flow = self.write_unit(unit)?;
            self.settle()?;
            if flow == Flow::Stopped {
                return Ok(None);
            }
        }
        self.finish(start.units, &shards.output)
    }

    /// Writes a unit's sequences as they are read.
    fn write_unit(&mut self, mut unit: UnitReader) -> Result<Flow, ExportError> {
        let runtime = Handle::current();
        let stop = self.stop.clone();
        loop {
            let next = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => None,
                    chunk = unit.next() => Some(chunk),
                }
            });
            let Some(next) = next else {
                return Ok(Flow::Stopped);
            };
            let Some(chunk) = next? else {
                break;
            };
            self.write_chunk(&chunk)?;
        }
        self.mark.units += 1;
        self.mark.row = 0;
        self.meter.count_unit();
        Ok(Flow::Ended)
    }

    fn write_chunk(&mut self, chunk: &Chunk) -> Result<(), ExportError> {
        for sequence in chunk.sequences() {
            self.writer
                .write(&sequence, self.mark)
                .map_err(ExportError::write(self.staging.destination()))?;
            self.mark.row = sequence.row + 1;
            self.mark.sequences += 1;
            self.mark.tokens += u64::from(sequence.tokens);
        }
        self.meter.set(self.mark.sequences, self.mark.tokens);
        Ok(())
    }

    fn settle(&mut self) -> Result<(), ExportError> {
        let step = self.writer.settle(self.mark);
        match step.map_err(ExportError::write(self.staging.destination()))? {
            Some(step) => self.staging.record(step),
            None => Ok(()),
        }
    }

    fn finish(self, reused: u64, output: &Destination) -> Result<Option<Exported>, ExportError> {
        let Mark {
            units,
            sequences,
            tokens,
            ..
        } = self.mark;
        if sequences == 0 {
            self.staging.discard();
            return Err(ExportError::NoSequences {
                output: output.to_string(),
                units,
            });
        }
        let finished = self.writer.finish();
        let exported = Exported {
            units,
            reused,
            sequences,
            tokens,
            packed: finished.map_err(ExportError::write(self.staging.destination()))?,
        };
        self.staging.publish(exported)?;
        Ok(Some(exported))
    }
}
