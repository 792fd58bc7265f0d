//! What the rows of a data file add up to.

use std::collections::BTreeMap;

use img2tokens_schemas::{FailureReason, Order};

use crate::read::{DataBatch, DataRow, DocumentParts};
use crate::{CosineSummary, Distribution};

/// Counts of rows that come in the file's order.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) pairs: u64,
    pub(crate) texts: u64,
    pub(crate) sequences: u64,
    pub(crate) document_images: u64,
    pub(crate) dropped_images: BTreeMap<FailureReason, u64>,
    pub(crate) image_codes: Distribution,
    pub(crate) input_ids: Distribution,
    pub(crate) cosines: CosineSummary,
    /// As far as there are columns that tell.
    pub(crate) captions_truncated: u64,
    pub(crate) texts_dropped: u64,
    /// The pair at hand: its key, and the orders of it that came.
    pair: (String, Vec<Order>),
}

impl Census {
    /// Counts a row of `batch`; true if a pair begins with it, or it is a text. The orders of a pair stand one after the
    /// other, each once.
    pub(crate) fn add(&mut self, batch: &DataBatch, row: &DataRow<'_>) -> bool {
        let sample = &row.sample;
        let is_first = self.sequences == 0;
        self.sequences += 1;
        self.input_ids.add(clamped(sample.input_ids.len()));
        self.texts_dropped += u64::from(batch.flag("text_dropped", row) == Some(true));
        let is_text = sample.order == Order::Text;
        let (key, orders) = &mut self.pair;
        if !is_first && !is_text && *key == sample.key && !orders.contains(&sample.order) {
            orders.push(sample.order);
            return false;
        }
        self.pair = (sample.key.to_owned(), vec![sample.order]);
        self.captions_truncated += u64::from(batch.flag("caption_truncated", row) == Some(true));
        if is_text {
            self.texts += 1;
            return true;
        }
        self.pairs += 1;
        match batch.document(row) {
            Some(document) => self.add_document(&document),
            None => self.image_codes.add(clamped(row.image_codes.len())),
        }
        if let Some(cosine) = batch.reconstruction_cosine(row) {
            self.cosines.add(cosine);
        }
        true
    }

    fn add_document(&mut self, document: &DocumentParts<'_>) {
        self.document_images += document.images.len() as u64;
        for image in &document.images {
            self.image_codes.add(u32::try_from(image.len).unwrap_or(0));
        }
        // A reason that is none is found where rows are checked.
        for reason in document
            .dropped
            .iter()
            .filter_map(|image| image.reason.parse().ok())
        {
            *self.dropped_images.entry(reason).or_default() += 1;
        }
    }
}

fn clamped(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}
