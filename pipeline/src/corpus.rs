//! A corpus of texts, whose sequences are mixed in among those of pairs.

use std::ops::Range;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use img2tokens_schemas::{Outcome, Row};
use img2tokens_sequence::TextMix;
use img2tokens_source::{Extent, Input, Source, SourceError, Survey};
use img2tokens_text::TextStage;

/// The corpus, ready to be read.
pub struct TextCorpus {
    /// Reads its files.
    pub source: Arc<Source>,
    /// Encodes its texts.
    pub text: TextStage,
    /// How many of them go among the pairs.
    pub mix: TextMix,
    /// Its files with what is known of them, in their order.
    pub files: Vec<(Arc<Input>, Arc<Survey>)>,
}

/// A text as it is read.
pub type TextRow = Result<Row, Outcome>;

impl TextCorpus {
    /// The texts in this range of the corpus, in their order; fewer if it ends before.
    pub fn texts(&self, range: Range<u64>) -> BoxStream<'static, Result<TextRow, SourceError>> {
        let mut parts = Vec::new();
        let mut first_of_file = 0;
        for (number, (input, survey)) in (0_u32..).zip(&self.files) {
            for extent in &survey.extents {
                let first = first_of_file + extent.first_row;
                let end = first + extent.rows.unwrap_or(0);
                let wanted = range.start.clamp(first, end)..range.end.clamp(first, end);
                if !wanted.is_empty() {
                    let within = wanted.start - first..wanted.end - first;
                    parts.push(self.part(input, survey, extent, number, within));
                }
            }
            first_of_file += survey.rows.unwrap_or(0);
        }
        stream::iter(parts).flatten().boxed()
    }

    /// Some rows of an extent.
    fn part(
        &self,
        input: &Input,
        survey: &Survey,
        extent: &Extent,
        number: u32,
        within: Range<u64>,
    ) -> BoxStream<'static, Result<TextRow, SourceError>> {
        let batches = self.source.rows(input, survey, extent, number);
        let rows = batches.flat_map(|batch| match batch {
            Ok(batch) => stream::iter(batch.rows.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        });
        let skipped = usize::try_from(within.start).unwrap_or(usize::MAX);
        let taken = usize::try_from(within.end - within.start).unwrap_or(usize::MAX);
        rows.skip(skipped).take(taken).boxed()
    }
}
