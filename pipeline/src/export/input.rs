//! What is exported: the committed units of an output, and what tells them from any others.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use img2tokens_shard::read::{SampleReader, ShardMetadata};
use img2tokens_shard::takedown::Tombstones;
use img2tokens_shard::{Destination, ShardError, ShardStats, UnitId, committed, read_stats};

use super::ExportError;

/// Stats files read at a time.
const AT_ONCE: usize = 64;

/// The units, in their order.
pub(super) struct Input {
    /// At least one.
    pub(super) units: Vec<UnitId>,
    /// What the first of them says of itself.
    pub(super) metadata: ShardMetadata,
    /// What must not be exported.
    pub(super) tombstones: Arc<Tombstones>,
    /// A hash of all units' numbers and their data files' sizes and hashes: with the tombstones, of what is exported.
    pub(super) hash: String,
}

impl Input {
    /// Of the output as it is now. Memory: a few bytes a unit.
    pub(super) async fn of(output: &Destination) -> Result<Self, ExportError> {
        let units = committed(output).await?;
        let Some(first) = units.first().copied() else {
            let output = output.to_string();
            return Err(ExportError::NothingCommitted { output });
        };
        let tombstones = Tombstones::read(output).await?;
        let mut hasher = blake3::Hasher::new();
        let mut all = stream::iter(&units)
            .map(|unit| stats(output, *unit))
            .buffered(AT_ONCE);
        while let Some(ShardStats { unit, data_file, .. }) = all.try_next().await? {
            hasher.update(format!("{} {} {}\n", unit.0, data_file.size, data_file.blake3).as_bytes());
        }
        drop(all);
        let data = SampleReader::open(output, first).await?;
        let metadata = data
            .ok_or(ExportError::Missing { unit: first })?
            .metadata()
            .clone();
        Ok(Self {
            units: units.into_iter().collect(),
            metadata,
            tombstones,
            hash: hasher.finalize().to_hex().to_string(),
        })
    }
}

async fn stats(output: &Destination, unit: UnitId) -> Result<ShardStats, ShardError> {
    let stats = read_stats(output, unit).await?;
    stats.ok_or_else(|| ShardError::Missing {
        name: unit.stats_file(),
    })
}
