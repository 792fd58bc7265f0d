//! Which pairs are tokenized again.

use std::collections::BTreeMap;

use img2tokens_schemas::Order;
use img2tokens_shard::read::{DataReader, DataRow};
use img2tokens_shard::{Destination, ShardError, UnitId, committed};
use tokio::task::spawn_blocking;

/// A pair of the output as it was drawn: what names its picture, and what came of it.
#[derive(Debug)]
pub(super) struct DrawnPair {
    pub(super) unit: UnitId,
    /// The first of its rows in the data file.
    pub(super) row: u64,
    pub(super) key: String,
    pub(super) url: Option<String>,
    pub(super) sha256: String,
    pub(super) codes: Vec<u16>,
    pub(super) kept_patches: Vec<u8>,
}

impl DrawnPair {
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
            // A text has no codes to compare.
            for row in batch?.rows().filter(|row| row.sample.order != Order::Text) {
                let rank = self.rank(row.sample.key);
                let is_low = self.pairs.len() < self.count
                    || self.pairs.last_key_value().is_some_and(|(last, _)| rank < *last);
                if is_low {
                    // A pair's second order has the same key: its first row stays.
                    self.pairs
                        .entry(rank)
                        .or_insert_with(|| DrawnPair::of(unit, &row));
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
