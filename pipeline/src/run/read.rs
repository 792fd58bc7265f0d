//! Reads units row by row and opens a writer for each.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use img2tokens_engine::CancellationToken;
use img2tokens_schemas::PictureSource;
use img2tokens_shard::takedown::Tombstones;
use img2tokens_shard::{Destination, ShardConfig, ShardStats, UnitCounts, UnitId};
use img2tokens_source::{Extent, Input, SourceError, Survey};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};

use super::RunError;
use super::admit::{Admission, admit};
use super::hops::WantedPair;
use super::meters::Meters;
use super::texts::UnitTexts;
use super::ticket::{UnitHandle, UnitMessage};
use super::timings::Timings;
use super::writer::UnitWriter;
use crate::corpus::TextCorpus;
use crate::stages::Stages;
use crate::summary::Totals;

/// A unit that is to be done, with all it takes to read it.
#[derive(Debug, Clone)]
pub struct PlannedUnit {
    /// Its number: the name of its shard.
    pub id: UnitId,
    /// Its rows among those of the whole input, as far as they are counted.
    pub rows: Range<u64>,
    /// The file its rows are in.
    pub input: Arc<Input>,
    /// That file's number in the plan: the first part of keys that the input does not give.
    pub input_number: u32,
    /// What the plan knows of the file.
    pub survey: Arc<Survey>,
    /// Which of its rows.
    pub extent: Extent,
}

/// The first hop: from planned units to pairs that want their picture.
pub(super) struct Reader {
    pub(super) stages: Arc<Stages>,
    pub(super) texts: Option<Arc<TextCorpus>>,
    pub(super) destination: Arc<Destination>,
    pub(super) shard: Arc<ShardConfig>,
    pub(super) meters: Meters,
    pub(super) drain: CancellationToken,
    pub(super) cancel: CancellationToken,
    pub(super) units_in_flight: usize,
}

/// The writers of the units in flight, and what became of those before.
#[derive(Default)]
struct Writers {
    running: JoinSet<Written>,
    committed: Totals,
    failed: Option<RunError>,
}

/// A unit's stats; none if it was given up.
type Written = Result<Option<ShardStats>, RunError>;

impl Writers {
    /// A run may have a million units: only sums of them are kept.
    fn note(&mut self, ended: Result<Written, JoinError>) {
        match ended.unwrap_or_else(|lost| Err(RunError::Lost(lost))) {
            Ok(Some(stats)) => self.committed.add(&stats),
            Ok(None) => {}
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }
}

impl Reader {
    /// Reads the units in their order into `rows`; returns when all of them are committed or given up.
    ///
    /// # Errors
    /// The first error of the input or of a writer. A broken file is told when all units are through but those it breaks.
    pub(super) async fn read(
        self,
        units: Vec<PlannedUnit>,
        rows: mpsc::Sender<WantedPair>,
    ) -> Result<Totals, RunError> {
        let mut writers = Writers::default();
        let read = tokio::select! {
            read = self.read_all(units, &rows, &mut writers) => read,
            () = self.cancel.cancelled() => Ok(Vec::new()),
        };
        if read.is_err() {
            self.cancel.cancel();
        }
        drop(rows);
        while let Some(ended) = writers.running.join_next().await {
            writers.note(ended);
        }
        let Writers {
            committed, failed, ..
        } = writers;
        // A reader is often stopped by a writer that failed first: the writer's error is the cause.
        if let Some(error) = failed {
            return Err(error);
        }
        match read? {
            broken if broken.is_empty() => Ok(committed),
            broken => Err(RunError::Broken(broken)),
        }
    }

    /// Returns what is wrong with each file that is broken: its unit is given up, as it can never be whole.
    async fn read_all(
        &self,
        units: Vec<PlannedUnit>,
        rows: &mpsc::Sender<WantedPair>,
        writers: &mut Writers,
    ) -> Result<Vec<SourceError>, RunError> {
        let places = Arc::new(Semaphore::new(self.units_in_flight));
        let mut tombstones = Arc::<Tombstones>::default();
        let mut broken = BTreeMap::new();
        for unit in units {
            let place = tokio::select! {
                biased;
                () = self.drain.cancelled() => break,
                place = places.clone().acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            while let Some(ended) = writers.running.try_join_next() {
                writers.note(ended);
            }
            // What is taken down while this runs holds for the units to come.
            tombstones = tombstones.read_again(&self.destination).await?;
            let (messages, inbox) = mpsc::channel(256);
            let timings = Arc::new(Timings::default());
            let writer = UnitWriter {
                unit: unit.id,
                destination: self.destination.clone(),
                shard: self.shard_config(&unit),
                packing: self.stages.packing,
                texts: self
                    .texts
                    .as_ref()
                    .map(|corpus| UnitTexts::new(corpus, &self.stages, &unit, &tombstones)),
                messages: inbox,
                timings: timings.clone(),
                meters: self.meters.clone(),
                cancel: self.cancel.clone(),
            };
            let runtime = Handle::current();
            writers.running.spawn_blocking(move || {
                let written = writer.write(&runtime);
                drop(place);
                written
            });
            let handle = UnitHandle {
                messages,
                timings,
                tombstones: tombstones.clone(),
            };
            match self.read_unit(&unit, handle, rows).await {
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    broken.entry(unit.input.name.clone()).or_insert(error);
                }
                Ok(()) => {}
            }
        }
        Ok(broken.into_values().collect())
    }

    /// The shards' settings, with the rows that this one comes from.
    fn shard_config(&self, unit: &PlannedUnit) -> Arc<ShardConfig> {
        let mut shard = ShardConfig::clone(&self.shard);
        shard.provenance["input"] = json!({
            "name": unit.input.name,
            "first_row": unit.extent.first_row,
            "rows": unit.extent.rows,
        });
        Arc::new(shard)
    }

    async fn read_unit(
        &self,
        unit: &PlannedUnit,
        handle: UnitHandle,
        rows: &mpsc::Sender<WantedPair>,
    ) -> Result<(), SourceError> {
        let mut counts = UnitCounts {
            rows_read: 0,
            filtered: 0,
        };
        let mut place = 0;
        let mut batches = self
            .stages
            .source
            .rows(&unit.input, &unit.survey, &unit.extent, unit.input_number);
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            counts.rows_read += batch.rows_read;
            counts.filtered += batch.filtered;
            self.meters.read.take(batch.rows_read);
            for row in batch.rows {
                let waiting_since = Instant::now();
                match admit(&self.stages, row, handle.clone(), place) {
                    Admission::Wanted(pictures) => {
                        for mut wanted in pictures {
                            if let PictureSource::Bytes { bytes, .. } = &wanted.picture {
                                wanted.credit = Some(self.stages.fetch.credit(bytes.len()).await);
                            }
                            if rows.send(wanted).await.is_err() {
                                return Ok(());
                            }
                        }
                        self.meters.read.finish(1);
                    }
                    Admission::Refused(ticket, failure) => {
                        ticket.end(Err(failure)).await;
                        self.meters.read.fail(1);
                    }
                }
                place += 1;
                self.meters.read.blocked_since(waiting_since);
            }
        }
        // The writer may be gone because it failed: then its own error is told.
        let _ = handle.messages.send(UnitMessage::AllRead(counts)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
