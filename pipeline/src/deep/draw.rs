//! Which pairs are tokenized again.

use std::collections::BTreeMap;

use img2tokens_schemas::Order;
use img2tokens_schemas::document::image_key;
use img2tokens_shard::read::{DataBatch, DataReader, DataRow, DocumentParts, ImageItem};
use img2tokens_shard::{Destination, ShardError, UnitId, committed};
use tokio::task::spawn_blocking;

/// A pair of the output, or an image of a document, as it was drawn: what names its picture, and what came of it.
#[derive(Debug)]
pub(super) struct DrawnPair {
    pub(super) unit: UnitId,
    /// The first of its rows in the data file.
    pub(super) row: u64,
    /// By which its selection noise is drawn.
    pub(super) key: String,
    pub(super) url: Option<String>,
    pub(super) sha256: String,
    pub(super) codes: Vec<u16>,
    pub(super) kept_patches: Vec<u8>,
}

impl DrawnPair {
    /// All images of a row that is no text: its one, or those of a document.
    fn all_of(unit: UnitId, batch: &DataBatch, row: &DataRow<'_>) -> Vec<Self> {
        match (batch.document(row), row.sample.order) {
            (_, Order::Text) => Vec::new(),
            (Some(document), _) => Self::of_document(unit, row, &document),
            (None, _) => vec![Self::of(unit, row)],
        }
    }

    fn of_document(unit: UnitId, row: &DataRow<'_>, document: &DocumentParts<'_>) -> Vec<Self> {
        let mut codes = row.image_codes;
        let image = |image: &ImageItem<'_>| {
            let len = usize::try_from(image.len).unwrap_or(0).min(codes.len());
            let (of_image, rest) = codes.split_at(len);
            codes = rest;
            Self {
                unit,
                row: row.sample.row,
                key: image_key(row.sample.key, u32::try_from(image.place).unwrap_or(0)),
                url: image.url.map(str::to_owned),
                sha256: image.sha256.to_owned(),
                codes: of_image.to_vec(),
                kept_patches: image.kept_patches.to_vec(),
            }
        };
        document.images.iter().map(image).collect()
    }

    fn of(unit: UnitId, row: &DataRow<'_>) -> Self {
        Self {
            unit,
            row: row.sample.row,
            key: row.sample.key.to_owned(),
            url: row.url.map(str::to_owned),
            sha256: row.sha256.to_owned(),
            codes: row.image_codes.to_vec(),
            kept_patches: row.kept_patches.to_vec(),
        }
    }
}

/// The pairs whose keys have the smallest hashes under the seed: the same ones whenever they are drawn, whatever the
/// order of units. In the order of units and rows.
pub(super) async fn draw(
    destination: &Destination,
    count: usize,
    seed: u64,
) -> Result<Vec<DrawnPair>, ShardError> {
    let mut hand = Hand {
        pairs: BTreeMap::new(),
        count,
        seed,
    };
    for unit in committed(destination).await? {
        if let Some(reader) = DataReader::open(destination, unit).await? {
            hand = spawn_blocking(move || hand.deal(unit, reader)).await??;
        }
    }
    let mut drawn: Vec<_> = hand.pairs.into_values().collect();
    drawn.sort_unstable_by_key(|pair| (pair.unit, pair.row));
    Ok(drawn)
}

struct Hand {
    pairs: BTreeMap<[u8; 32], DrawnPair>,
    count: usize,
    seed: u64,
}

impl Hand {
    fn deal(mut self, unit: UnitId, reader: DataReader) -> Result<Self, ShardError> {
        for batch in reader {
            let batch = batch?;
            for pair in batch.rows().flat_map(|row| DrawnPair::all_of(unit, &batch, &row)) {
                let rank = self.rank(&pair.key);
                let is_low = self.pairs.len() < self.count
                    || self.pairs.last_key_value().is_some_and(|(last, _)| rank < *last);
                if is_low {
                    // A pair's second order has the same key: its first row stays.
                    self.pairs.entry(rank).or_insert(pair);
                }
                if self.pairs.len() > self.count {
                    self.pairs.pop_last();
                }
            }
        }
        Ok(self)
    }

    fn rank(&self, key: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(key.as_bytes());
        *hasher.finalize().as_bytes()
    }
}
