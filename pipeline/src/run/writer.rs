//! A unit's writer: puts its pairs back in order and commits the shard when all of them have ended.

use std::sync::Arc;

use img2tokens_engine::{CancellationToken, Reorder};
use img2tokens_schemas::{Outcome, Sequence, SequenceRow};
use img2tokens_sequence::PackConfig;
use img2tokens_shard::{Destination, ShardConfig, ShardStats, ShardWriter, UnitCounts, UnitId};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::RunError;
use super::meters::Meters;
use super::texts::{MixedText, UnitTexts};
use super::ticket::UnitMessage;
use super::timings::Timings;
use crate::packing::ContextPacker;

/// One unit's writer, before it runs.
pub(super) struct UnitWriter {
    pub(super) unit: UnitId,
    pub(super) destination: Arc<Destination>,
    pub(super) shard: Arc<ShardConfig>,
    pub(super) packing: Option<PackConfig>,
    pub(super) texts: Option<UnitTexts>,
    pub(super) messages: mpsc::Receiver<UnitMessage>,
    pub(super) timings: Arc<Timings>,
    pub(super) meters: Meters,
    pub(super) cancel: CancellationToken,
}

impl UnitWriter {
    /// Takes all messages of the unit, then commits. Encoding Parquet is CPU work and files block: this runs on a
    /// blocking thread. None if the unit was given up because the run is being cancelled.
    ///
    /// # Errors
    /// If the shard cannot be written, or a pair was lost on the way; the run is then cancelled as well.
    pub(super) fn write(self, runtime: &Handle) -> Result<Option<ShardStats>, RunError> {
        let cancel = self.cancel.clone();
        let written = self.take_all(runtime);
        if written.is_err() {
            cancel.cancel();
        }
        written
    }

    fn take_all(mut self, runtime: &Handle) -> Result<Option<ShardStats>, RunError> {
        let mut shard = OpenShard {
            shard: ShardWriter::begin(&self.destination, self.unit, &self.shard)?,
            packer: self
                .packing
                .map(|packing| ContextPacker::new(packing, self.shard.vocabulary))
                .transpose()?,
            texts: self.texts.take(),
        };
        let mut in_order = Reorder::default();
        let mut all_read = None;
        while let Some(message) = self.messages.blocking_recv() {
            match message {
                UnitMessage::AllRead(counts) => all_read = Some(counts),
                UnitMessage::Kept { index, picture } => shard.shard.keep(index, &picture.as_image())?,
                UnitMessage::Ended { place, outcome } => {
                    for outcome in in_order.push(place, *outcome)? {
                        self.push(runtime, &mut shard, outcome)?;
                    }
                }
            }
        }
        match all_read {
            Some(counts) if !self.cancel.is_cancelled() => self.commit(runtime, shard, counts).map(Some),
            _ => Ok(None),
        }
    }

    fn push(&self, runtime: &Handle, shard: &mut OpenShard, outcome: Outcome) -> Result<(), RunError> {
        self.meters.write.take(1);
        match outcome.result {
            Ok(_) => self.meters.write.finish(1),
            Err(_) => self.meters.write.fail(1),
        }
        shard.push(runtime, outcome)
    }

    fn commit(&self, runtime: &Handle, shard: OpenShard, counts: UnitCounts) -> Result<ShardStats, RunError> {
        let stats = runtime.block_on(shard.finish()?.commit(counts, self.timings.seconds()))?;
        self.meters.units.add();
        Ok(stats)
    }
}

/// A shard under way, what packs its sequences, and the texts that go among them.
struct OpenShard {
    shard: ShardWriter,
    packer: Option<ContextPacker>,
    texts: Option<UnitTexts>,
}

impl OpenShard {
    /// Takes a pair's end, and the texts that are due after it.
    fn push(&mut self, runtime: &Handle, outcome: Outcome) -> Result<(), RunError> {
        let rows = outcome.result.iter().flatten();
        for SequenceRow { sequence, .. } in rows.clone() {
            self.pack(&outcome.key, sequence)?;
        }
        let sequences = rows.count();
        self.shard.push(outcome)?;
        let Some(mut texts) = self.texts.take() else {
            return Ok(());
        };
        texts.count(sequences);
        while let Some(MixedText { key, result }) = texts.next(runtime)? {
            if let Ok(SequenceRow { sequence, .. }) = &result {
                self.pack(&key, sequence)?;
            }
            self.shard.push_text(&key, &result)?;
        }
        self.texts = Some(texts);
        Ok(())
    }

    fn pack(&mut self, key: &str, sequence: &Sequence) -> Result<(), RunError> {
        if let Some(packer) = &mut self.packer {
            for context in packer.push(key, sequence.order, &sequence.input_ids)? {
                self.shard.pack(&context)?;
            }
        }
        Ok(())
    }

    /// Packs what is left.
    fn finish(mut self) -> Result<ShardWriter, RunError> {
        if let Some(packer) = self.packer {
            let (contexts, _) = packer.finish();
            for context in contexts {
                self.shard.pack(&context)?;
            }
        }
        Ok(self.shard)
    }
}
