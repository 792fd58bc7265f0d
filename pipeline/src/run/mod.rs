//! The running pipeline: all of the program's concurrency, top to bottom like the flow.
//!
//! ```text
//! read -> rows -> FETCH -> pictures -> IMAGE -> pixels -> batches -> VISION -> tokens -> SEQUENCE -> a writer a unit
//! ```
//!
//! What travels is a picture: that of a pair, or one of a document's, which is put together when the last of its images has
//! ended. IMAGE also hands the pictures that are kept to their unit's writer. Every arrow is a bounded queue: a slow hop stops those before it, and memory stays what the configuration says
//! whatever the size of the input. Every hop in capitals ends some pairs as failures: they go straight to their unit's
//! writer. Several units are in flight, so that one slow host at the end of a unit does not drain the device.

mod admit;
mod caption;
mod decode;
mod document;
mod error;
mod hops;
mod meters;
mod picture;
mod read;
mod texts;
mod ticket;
mod timings;
mod writer;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use img2tokens_engine::{BatchLimits, CancellationToken, each_watched, gather_batches, work_on_threads};
use img2tokens_shard::{Destination, ShardConfig};
use img2tokens_vision::VisualTokenizer;
use tokio::sync::mpsc::channel;
use tokio::task::JoinSet;

pub use caption::Captions;
pub use error::{RunError, TokenizeError};
pub use meters::Meters;
pub(crate) use picture::ImageBytes;
pub use read::PlannedUnit;

use crate::corpus::TextCorpus;
use crate::stages::Stages;
use crate::stop::StopTokens;
use crate::summary::Totals;

/// How much is in flight at once.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Downloads.
    pub fetches: usize,
    /// Pictures in one batch.
    pub batch_size: usize,
    /// Rows in a full unit: with `fetches`, it decides how many units are in flight.
    pub unit_rows: u64,
    /// The most bytes that decoding takes at once, over all threads.
    pub decode_memory: u64,
    /// The most work of a picture's decoding, in seconds; a decoder that uses many times as much is left behind.
    pub decode_timeout_s: f64,
}

/// A batch goes to the device after this time even if it is not full, if the device is idle.
const BATCH_DELAY: Duration = Duration::from_millis(200);

/// Rows in the fetch hop for each download. Most of them wait, for a slow host's turn or before a retry, and take no
/// download's place; the more there are, the more rows of one host in a row it takes to stop the others.
const ROWS_PER_FETCH: usize = 8;

/// Rows that are downloaded or wait for that, at so many downloads.
const fn rows_in_fetch(fetches: usize) -> usize {
    fetches.saturating_mul(ROWS_PER_FETCH)
}

/// Enough units that their rows fill the fetch hop while the oldest unit waits for its last one.
pub(crate) fn units_in_flight(fetches: usize, unit_rows: u64) -> usize {
    let wanted = (rows_in_fetch(fetches) as u64).div_ceil(unit_rows.max(1)) + 1;
    usize::try_from(wanted).unwrap_or(usize::MAX).clamp(3, 64)
}

impl Flow {
    const fn rows_in_fetch(self) -> usize {
        rows_in_fetch(self.fetches)
    }

    fn units_in_flight(self) -> usize {
        units_in_flight(self.fetches, self.unit_rows)
    }

    const fn batch_limits(self) -> BatchLimits {
        BatchLimits {
            records: self.batch_size,
            delay: BATCH_DELAY,
        }
    }

    /// Pictures decoded at once: as many as there are cores.
    fn decoders() -> usize {
        std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
    }
}

/// A run, ready to start.
pub struct Run {
    /// All stages but the model.
    pub stages: Stages,
    /// The corpus of texts, if one is mixed in.
    pub texts: Option<Arc<TextCorpus>>,
    /// The model on its devices: they share the batches.
    pub tokenizers: Vec<Box<dyn VisualTokenizer>>,
    /// What is to be done.
    pub units: Vec<PlannedUnit>,
    /// Where shards go.
    pub destination: Arc<Destination>,
    /// What they are written with.
    pub shard: Arc<ShardConfig>,
    /// How much is in flight.
    pub flow: Flow,
    /// Where the hops count.
    pub meters: Meters,
    /// Stops the run.
    pub stop: StopTokens,
}

/// Runs units through the stages and commits a shard for each; returns the sums over those it committed.
///
/// When it is told to drain, it begins no further unit and ends with those in flight. When it is cancelled, units in
/// flight are given up and nothing half-written stays. What was committed is returned in both cases.
///
/// # Errors
/// The first thing that went wrong with something other than a pair: the input, the model, the device, the store.
pub async fn run(run: Run) -> Result<Totals, RunError> {
    let Run {
        stages,
        texts,
        tokenizers,
        units,
        destination,
        shard,
        flow,
        meters,
        stop: StopTokens { drain, cancel },
    } = run;
    let stages = Arc::new(stages);
    let (rows_out, rows) = channel(64);
    // Of what was downloaded no more waits here than has a download's place; it is given back on the other side.
    let (pictures_out, pictures) = channel(flow.fetches);
    let (pixels_out, pixels) = channel(flow.batch_size);
    let (batches_out, batches) = channel(1);
    let (tokens_out, tokens) = channel(2);

    let mut hops: JoinSet<Result<Totals, RunError>> = JoinSet::new();

    let reader = read::Reader {
        stages: stages.clone(),
        texts,
        destination,
        shard,
        meters: meters.clone(),
        drain,
        cancel: cancel.clone(),
        units_in_flight: flow.units_in_flight(),
    };
    hops.spawn(reader.read(units, rows_out));

    let (fetching, meter, stop) = (stages.clone(), meters.fetch.clone(), cancel.clone());
    hops.spawn(async move {
        hops::fetch_all(&fetching, rows, pictures_out, flow.rows_in_fetch(), &meter, &stop).await?;
        Ok(Totals::default())
    });

    let decode = decode::Decode::new(&stages, flow.decode_memory, &cancel);
    let (meter, stop, decoders) = (meters.image.clone(), cancel.clone(), Flow::decoders());
    hops.spawn(async move {
        let limits = decode::watch_limits(flow.decode_timeout_s, decoders);
        each_watched(
            "image",
            (decoders, limits),
            pictures,
            pixels_out,
            meter,
            stop,
            decode,
        )
        .await?;
        Ok(Totals::default())
    });

    let stop = cancel.clone();
    hops.spawn(async move {
        gather_batches(pixels, batches_out, flow.batch_limits(), &stop).await;
        Ok(Totals::default())
    });

    let (meter, stop) = (meters.vision.clone(), cancel.clone());
    hops.spawn(async move {
        let tokenize = |tokenizer| hops::tokenize_with(tokenizer, meter.clone());
        let works = tokenizers.into_iter().map(tokenize).collect();
        work_on_threads("vision", works, batches, tokens_out, meter.clone(), stop).await?;
        Ok(Totals::default())
    });

    hops.spawn(async move {
        hops::finish(&stages, tokens).await;
        Ok(Totals::default())
    });

    first_error_of(hops, &cancel).await
}

/// Waits for every hop. The first error cancels the others and is the one that is told; but one that may follow from
/// another, which was only told later, does not hide that.
async fn first_error_of(
    mut hops: JoinSet<Result<Totals, RunError>>,
    cancel: &CancellationToken,
) -> Result<Totals, RunError> {
    let mut committed = Totals::default();
    let mut first_error: Option<RunError> = None;
    while let Some(ended) = hops.join_next().await {
        match ended.unwrap_or_else(|lost| Err(RunError::Lost(lost))) {
            Ok(totals) => committed.merge(&totals),
            Err(error) => {
                cancel.cancel();
                if first_error.as_ref().is_none_or(RunError::may_follow_from_another) {
                    first_error = Some(error);
                }
            }
        }
    }
    first_error.map_or(Ok(committed), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_rows_of_one_host_leave_the_fetch_hop_open_to_others() {
        let flow = Flow {
            fetches: crate::config::Fetch::default().concurrency,
            batch_size: 32,
            unit_rows: 100,
            decode_memory: 1 << 30,
            decode_timeout_s: 1.0,
        };
        assert!(flow.rows_in_fetch() > 1000);
        assert!(flow.units_in_flight() as u64 * flow.unit_rows >= flow.rows_in_fetch() as u64);
    }
}
