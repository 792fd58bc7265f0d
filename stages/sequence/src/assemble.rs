//! Parts to sequences.

use img2tokens_schemas::{Order, Sequence, Vocabulary};

use crate::draw::{Purpose, fraction};
use crate::layout::{Segment, SegmentRef, Span, lay_out};
use crate::{OrderPolicy, SequenceConfig, SequenceError};

/// The sequence stage: a config over a vocabulary.
#[derive(Debug, Clone)]
pub struct SequenceStage {
    config: SequenceConfig,
    vocabulary: Vocabulary,
}

/// A sequence that is not a pair: a text alone, or texts and images in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// All ids, specials included.
    pub input_ids: Vec<u32>,
    /// Where its images' codes stand, in their order.
    pub images: Vec<Span>,
    /// Where its texts' ids stand, in their order.
    pub texts: Vec<Span>,
}

impl SequenceStage {
    /// The stage. Call [`SequenceConfig::validate`] first: what it would refuse fails at every pair here.
    #[must_use]
    pub const fn new(config: SequenceConfig, vocabulary: Vocabulary) -> Self {
        Self { config, vocabulary }
    }

    /// The layout of the ids that the stage writes.
    #[must_use]
    pub const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Which orders pairs have.
    #[must_use]
    pub const fn order(&self) -> OrderPolicy {
        self.config.order
    }

    /// Whether the sequence of the sample `key` in this order goes without its text ([`SequenceConfig::text_dropout`]).
    #[must_use]
    pub fn drops_text(&self, key: &str, order: Order) -> bool {
        order == Order::TextImage
            && fraction(Purpose::TextDropout, self.config.seed, key) < self.config.text_dropout
    }

    /// The sequences of the pair `key`: one, or two (`image_text` first) if both orders are asked for.
    /// `codes` are the image's, `[T]`, T > 0, each below K; `text_ids` the caption's, without specials, each below V.
    ///
    /// # Errors
    /// If the parts do not belong to the vocabulary, or the config asks for a special token that it has not.
    pub fn assemble(
        &self,
        key: &str,
        codes: &[u16],
        text_ids: &[u32],
    ) -> Result<Vec<Sequence>, SequenceError> {
        let orders = self.config.order.orders(self.config.seed, key);
        orders
            .iter()
            .map(|order| self.pair(key, *order, codes, text_ids))
            .collect()
    }

    /// The sequence of a text alone: `t1 .. tn EOS`.
    ///
    /// # Errors
    /// As [`SequenceStage::assemble`].
    pub fn assemble_text(&self, text_ids: &[u32]) -> Result<Document, SequenceError> {
        self.document([SegmentRef::Text(text_ids)])
    }

    /// The sequence of a document whose texts and images stand in this order, each image its own `[IMG] .. [/IMG]`.
    ///
    /// # Errors
    /// As [`SequenceStage::assemble`].
    pub fn assemble_document(&self, segments: &[Segment]) -> Result<Document, SequenceError> {
        self.document(segments.iter().map(SegmentRef::from))
    }

    fn document<'a>(
        &self,
        segments: impl IntoIterator<Item = SegmentRef<'a>>,
    ) -> Result<Document, SequenceError> {
        self.config.validate(&self.vocabulary)?;
        lay_out(&self.config, &self.vocabulary, segments)
    }

    fn pair(
        &self,
        key: &str,
        order: Order,
        codes: &[u16],
        text_ids: &[u32],
    ) -> Result<Sequence, SequenceError> {
        let text_dropped = self.drops_text(key, order);
        let text = SegmentRef::Text(if text_dropped { &[] } else { text_ids });
        let image = SegmentRef::Image(codes);
        let document = match order {
            Order::ImageText => self.document([image, text]),
            Order::TextImage => self.document([text, image]),
            Order::Text | Order::Document => self.document([text]),
        }?;
        match document.images.as_slice() {
            [span] => Ok(Sequence {
                order,
                input_ids: document.input_ids,
                image_start: span.start,
                image_len: span.len,
                text_dropped,
            }),
            _ => Err(SequenceError::NoCodes),
        }
    }
}
