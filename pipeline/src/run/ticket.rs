//! What a pair carries with it through every hop, and how it ends.

use std::sync::Arc;
use std::time::Instant;

use img2tokens_schemas::{Digest, Failure, KeptColumns, Outcome, RowIndex, SequenceRow};
use img2tokens_shard::UnitCounts;
use img2tokens_shard::takedown::{Subject, Tombstones, taken_down};
use tokio::sync::mpsc;

use super::picture::KeptPicture;
use super::timings::{Part, Timings};

/// What a unit's writer is told.
#[derive(Debug)]
pub(super) enum UnitMessage {
    /// How a pair ended; `place` counts the unit's pairs without a gap.
    Ended {
        /// Its place among the unit's pairs.
        place: u64,
        /// Its end.
        outcome: Box<Outcome>,
    },
    /// A pair's picture, which is kept if the pair ends well. It comes before the pair's end.
    Kept {
        /// The pair's row.
        index: RowIndex,
        /// The picture.
        picture: Box<KeptPicture>,
    },
    /// All rows of the unit are read.
    AllRead(UnitCounts),
}

/// The way back to the unit a pair belongs to. The unit is complete when all of its handles are gone.
#[derive(Debug, Clone)]
pub(super) struct UnitHandle {
    pub(super) messages: mpsc::Sender<UnitMessage>,
    pub(super) timings: Arc<Timings>,
    /// What had been taken down of the output when the unit began.
    pub(super) tombstones: Arc<Tombstones>,
}

/// A pair on its way.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) unit: UnitHandle,
    pub(super) place: u64,
    pub(super) index: RowIndex,
    pub(super) key: String,
    pub(super) url: Option<String>,
    pub(super) kept: KeptColumns,
    /// How often the picture was asked for.
    pub(super) attempts: u32,
}

impl Ticket {
    /// Reports how the pair ended. A unit that is gone was given up: then there is nobody to tell.
    pub(super) async fn end(self, result: Result<Vec<SequenceRow>, Failure>) {
        let Self {
            unit,
            place,
            index,
            key,
            url,
            kept,
            attempts,
        } = self;
        let result = result.map_err(|failure| Failure {
            attempts: failure.attempts.max(attempts),
            ..failure
        });
        let outcome = Box::new(Outcome {
            index,
            key,
            url,
            kept,
            result,
        });
        let _ = unit.messages.send(UnitMessage::Ended { place, outcome }).await;
    }

    /// Hands over the picture that is kept of this pair, as [`Ticket::end`] does its end.
    pub(super) async fn keep(&self, picture: KeptPicture) {
        let message = UnitMessage::Kept {
            index: self.index,
            picture: Box::new(picture),
        };
        let _ = self.unit.messages.send(message).await;
    }

    /// Refuses the pair if it was taken down, as far as that can be told by now.
    pub(super) fn refuse_taken_down(&self, sha256: Option<Digest>) -> Result<(), Failure> {
        if self.unit.tombstones.is_empty() {
            return Ok(());
        }
        let sha256 = sha256.map(|digest| digest.to_string());
        let pair = Subject {
            key: &self.key,
            url: self.url.as_deref(),
            sha256: sha256.as_deref(),
        };
        if self.unit.tombstones.forbid(&pair) {
            return Err(taken_down());
        }
        Ok(())
    }

    /// Adds the time since `start` to the unit's timings.
    pub(super) fn spent(&self, part: Part, start: Instant) {
        self.unit.timings.add(part, start.elapsed());
    }
}
