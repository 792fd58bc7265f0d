//! What a picture carries with it through every hop, and how its row ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use img2tokens_schemas::{Digest, Failure, KeptColumns, Outcome, RowIndex, SequenceRow};
use img2tokens_shard::UnitCounts;
use img2tokens_shard::takedown::{Subject, Tombstones, taken_down};
use tokio::sync::mpsc;

use super::document::OpenDocument;
use super::picture::KeptPicture;
use super::timings::{Part, Timings};

/// What a unit's writer is told.
#[derive(Debug)]
pub(super) enum UnitMessage {
    /// How a row ended; `place` counts the unit's rows without a gap.
    Ended {
        /// Its place among the unit's rows.
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

/// The way back to the unit a row belongs to. The unit is complete when all of its handles are gone.
#[derive(Debug, Clone)]
pub(super) struct UnitHandle {
    pub(super) messages: mpsc::Sender<UnitMessage>,
    pub(super) timings: Arc<Timings>,
    /// What had been taken down of the output when the unit began.
    pub(super) tombstones: Arc<Tombstones>,
}

impl UnitHandle {
    /// Refuses a picture that was taken down, as far as that can be told by what is known of it.
    pub(super) fn refuse_taken_down(
        &self,
        key: &str,
        url: Option<&str>,
        sha256: Option<Digest>,
    ) -> Result<(), Failure> {
        if self.tombstones.is_empty() {
            return Ok(());
        }
        let sha256 = sha256.map(|digest| digest.to_string());
        let sha256 = sha256.as_deref();
        if self.tombstones.forbid(&Subject { key, url, sha256 }) {
            return Err(taken_down());
        }
        Ok(())
    }
}

/// A row on its way.
#[derive(Debug)]
pub(super) struct RowTicket {
    pub(super) unit: UnitHandle,
    pub(super) place: u64,
    pub(super) index: RowIndex,
    pub(super) key: String,
    pub(super) url: Option<String>,
    pub(super) kept: KeptColumns,
}

impl RowTicket {
    /// Reports how the row ended. A unit that is gone was given up: then there is nobody to tell.
    pub(super) async fn end(self, result: Result<Vec<SequenceRow>, Failure>) {
        let Self {
            unit,
            place,
            index,
            key,
            url,
            kept,
        } = self;
        let outcome = Box::new(Outcome {
            index,
            key,
            url,
            kept,
            result,
        });
        let _ = unit.messages.send(UnitMessage::Ended { place, outcome }).await;
    }
}

/// A picture on its way.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) whole: Whole,
    /// How often the picture was asked for.
    pub(super) attempts: u32,
}

/// What a picture is a part of.
#[derive(Debug)]
pub(super) enum Whole {
    /// It is the picture of a pair.
    Pair(RowTicket),
    /// It is one of a document's.
    Document {
        document: Arc<OpenDocument>,
        /// Which of its images, in their order, from 0.
        number: usize,
    },
}

impl Ticket {
    /// What selection noise is drawn by.
    pub(super) fn key(&self) -> &str {
        match &self.whole {
            Whole::Pair(row) => &row.key,
            Whole::Document { document, number } => document.image_key(*number),
        }
    }

    fn unit(&self) -> &UnitHandle {
        match &self.whole {
            Whole::Pair(row) => &row.unit,
            Whole::Document { document, .. } => document.unit(),
        }
    }

    /// Reports that there is no picture.
    pub(super) async fn fail(self, failure: Failure) {
        let failure = Failure {
            attempts: failure.attempts.max(self.attempts),
            ..failure
        };
        match self.whole {
            Whole::Pair(row) => row.end(Err(failure)).await,
            Whole::Document { document, number } => document.settle(number, Err(failure)).await,
        }
    }

    /// Hands over the picture that is kept of a pair, before its end.
    pub(super) async fn keep(&self, picture: KeptPicture) {
        if let Whole::Pair(row) = &self.whole {
            let message = UnitMessage::Kept {
                index: row.index,
                picture: Box::new(picture),
            };
            let _ = row.unit.messages.send(message).await;
        }
    }

    /// Refuses the picture if it was taken down, now that its digest is known.
    pub(super) fn refuse_taken_down(&self, sha256: Digest) -> Result<(), Failure> {
        match &self.whole {
            Whole::Pair(row) => row
                .unit
                .refuse_taken_down(&row.key, row.url.as_deref(), Some(sha256)),
            Whole::Document { document, number } => document.refuse_taken_down(*number, sha256),
        }
    }

    /// Adds the time since `start` to the unit's timings.
    pub(super) fn spent(&self, part: Part, start: Instant) {
        self.unit().timings.add(part, start.elapsed());
    }

    /// Adds time to the unit's timings.
    pub(super) fn add(&self, part: Part, spent: Duration) {
        self.unit().timings.add(part, spent);
    }
}
