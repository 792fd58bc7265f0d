//! The texts that a unit mixes in among its pairs.
//!
//! A unit takes from the corpus what is a function of the plan and of its own pairs: from the first text that would be
//! due after the rows of the units before it, had each a sequence, and at most to the last that would be due so among
//! its own. So units never share a text, whoever runs them and whenever.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use img2tokens_schemas::{
    Failure, FailureReason, KeepMask, Order, Outcome, PairTokens, Row, Sequence, SequenceRow, VisualTokens,
};
use img2tokens_sequence::OrderPolicy;
use img2tokens_shard::takedown::{Subject, Tombstones, taken_down};
use img2tokens_source::SourceError;
use tokio::runtime::Handle;

use super::RunError;
use super::read::PlannedUnit;
use crate::corpus::{TextCorpus, TextRow};
use crate::stages::Stages;

/// A unit's texts, and how many of them are due.
pub(super) struct UnitTexts {
    corpus: Arc<TextCorpus>,
    stages: Arc<Stages>,
    /// What had been taken down of the output when the unit began.
    tombstones: Arc<Tombstones>,
    rows: BoxStream<'static, Result<TextRow, SourceError>>,
    /// Sequences of pairs so far, had all pairs of the units before one.
    sequences: u64,
    /// Texts so far, likewise.
    taken: u64,
}

/// A text and what became of it.
pub(super) struct MixedText {
    pub(super) key: String,
    pub(super) result: Result<SequenceRow, Failure>,
}

impl UnitTexts {
    pub(super) fn new(
        corpus: &Arc<TextCorpus>,
        stages: &Arc<Stages>,
        unit: &PlannedUnit,
        tombstones: &Arc<Tombstones>,
    ) -> Self {
        let of_documents = unit.survey.columns.document.is_some();
        let of_pair = if stages.sequence.order() == OrderPolicy::Both && !of_documents {
            2
        } else {
            1
        };
        let before = unit.rows.start * of_pair;
        // Set aside for this unit: what is due if all its pairs have sequences.
        let due = corpus.mix.due_after(before)..corpus.mix.due_after(unit.rows.end * of_pair);
        Self {
            taken: due.start,
            rows: corpus.texts(due),
            corpus: corpus.clone(),
            stages: stages.clone(),
            tombstones: tombstones.clone(),
            sequences: before,
        }
    }

    /// Counts sequences of pairs: more texts are due then.
    pub(super) const fn count(&mut self, sequences: usize) {
        self.sequences += sequences as u64;
    }

    /// The next text that is due now; none if none is, or the corpus has ended. Blocks.
    pub(super) fn next(&mut self, runtime: &Handle) -> Result<Option<MixedText>, RunError> {
        if self.taken >= self.corpus.mix.due_after(self.sequences) {
            return Ok(None);
        }
        let Some(row) = runtime.block_on(self.rows.next()).transpose()? else {
            return Ok(None);
        };
        self.taken += 1;
        let (Ok(Row { key, .. }) | Err(Outcome { key, .. })) = &row;
        let key = named(key);
        let result = match row {
            _ if self.is_taken_down(&key) => Err(taken_down()),
            Ok(Row { caption, .. }) => self.sequence(&caption.unwrap_or_default()),
            Err(Outcome { result, .. }) => {
                let unreadable = || Failure::new(FailureReason::CorruptRow, "an unreadable row");
                Err(result.err().unwrap_or_else(unreadable))
            }
        };
        Ok(Some(MixedText { key, result }))
    }

    fn is_taken_down(&self, key: &str) -> bool {
        self.tombstones.forbid(&Subject {
            key,
            url: None,
            sha256: None,
        })
    }

    fn sequence(&self, text: &str) -> Result<SequenceRow, Failure> {
        let encoded = self.corpus.text.encode(text).map_err(Failure::from)?;
        let refused =
            |error: &dyn std::fmt::Display| Failure::new(FailureReason::TextEncoding, error.to_string());
        let document = self
            .stages
            .sequence
            .assemble_text(&encoded.ids)
            .map_err(|error| refused(&error))?;
        let no_patches = KeepMask::from_bools(&[]);
        let visual = VisualTokens::new(Vec::new(), no_patches).map_err(|error| refused(&error))?;
        Ok(SequenceRow {
            sequence: Sequence {
                order: Order::Text,
                input_ids: document.input_ids,
                image_start: 0,
                image_len: 0,
                text_dropped: false,
            },
            pair: Arc::new(PairTokens {
                visual,
                features: None,
                reconstruction: None,
                text_ids: encoded.ids,
                caption: encoded.caption,
                caption_column: None,
                caption_truncated: encoded.truncated,
                width: 0,
                height: 0,
                digest_matches: None,
                sha256: None,
                document: None,
            }),
        })
    }
}

/// A name that no pair has by chance.
fn named(key: &str) -> String {
    format!("text-{key}")
}
