//! The first half of a run alone: URLs to bytes, and as an option to resized pictures in WebDataset archives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use img2tokens_engine::{CancellationToken, Crossing, Meter, each_concurrently};
use img2tokens_fetch::{Fetched, Fetcher};
use img2tokens_image::{ImageStage, encode_png};
use img2tokens_schemas::{Digest, Failure, FailureReason};
use img2tokens_shard::{ImageArchive, ImageSample, KeptImage};
use serde_json::Map;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{Receiver, channel};

/// Samples of one archive: img2dataset's own number.
const ARCHIVE_SAMPLES: usize = 10_000;

/// A picture that is wanted.
pub(super) struct Wanted {
    pub(super) key: String,
    pub(super) url: String,
    pub(super) caption: String,
}

/// What happened so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) fetched: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) written: AtomicU64,
    in_flight: AtomicUsize,
    pub(super) peak_in_flight: AtomicUsize,
    failures: Mutex<BTreeMap<FailureReason, u64>>,
}

impl Tally {
    pub(super) fn fail(&self, reason: FailureReason) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures.entry(reason).or_default() += 1;
    }

    pub(super) fn failures(&self) -> BTreeMap<FailureReason, u64> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.clone()
    }
}

struct Got {
    wanted: Wanted,
    body: Fetched,
}

/// A picture as it will be stored.
struct Ready {
    wanted: Wanted,
    png: Vec<u8>,
    size: u32,
    original: (u32, u32),
    sha256: Digest,
}

/// Downloads all that `wanted` gives, `concurrency` at a time; decodes, resizes and writes it if `write` says where.
///
/// # Errors
/// If an archive cannot be written. A picture that fails is counted.
pub(super) async fn run(
    wanted: Receiver<Wanted>,
    concurrency: usize,
    fetcher: &Fetcher,
    write: Option<(PathBuf, ImageStage)>,
    tally: &Arc<Tally>,
) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let (cancel, meters) = (CancellationToken::new(), [Meter::default(), Meter::default()]);
    let (got_out, mut got) = channel(2 * cores);
    let download = |wanted| download(fetcher, wanted, tally);
    let fetching = each_concurrently(wanted, got_out, concurrency, &meters[0], &cancel, download);
    let Some((folder, images)) = write else {
        let draining = async { while got.recv().await.is_some() {} };
        tokio::join!(fetching, draining);
        return Ok(());
    };
    let (ready_out, ready) = channel(2 * cores);
    let prepare = |got| prepare(images.clone(), got, tally);
    let preparing = each_concurrently(got, ready_out, cores, &meters[1], &cancel, prepare);
    let counted = tally.clone();
    let writing = tokio::task::spawn_blocking(move || write_archives(&folder, ready, &counted));
    let ((), (), written) = tokio::join!(fetching, preparing, writing);
    written?
}

async fn download(fetcher: &Fetcher, wanted: Wanted, tally: &Tally) -> Crossing<Got> {
    let in_flight = 1 + tally.in_flight.fetch_add(1, Ordering::Relaxed);
    tally.peak_in_flight.fetch_max(in_flight, Ordering::Relaxed);
    let fetched = fetcher.fetch(&wanted.url).await;
    tally.in_flight.fetch_sub(1, Ordering::Relaxed);
    match fetched {
        Ok(body) => {
            tally.fetched.fetch_add(1, Ordering::Relaxed);
            tally.bytes.fetch_add(body.bytes.len() as u64, Ordering::Relaxed);
            Crossing::Onward(Got { wanted, body })
        }
        Err(error) => {
            tally.fail(Failure::from(error).reason);
            Crossing::Ended
        }
    }
}

async fn prepare(images: ImageStage, got: Got, tally: &Tally) -> Crossing<Ready> {
    let work = tokio::task::spawn_blocking(move || prepare_bytes(&images, got));
    match work.await {
        Ok(Ok(ready)) => Crossing::Onward(ready),
        Ok(Err(failure)) => {
            tally.fail(failure.reason);
            Crossing::Ended
        }
        Err(_) => {
            tally.fail(FailureReason::CorruptImage);
            Crossing::Ended
        }
    }
}

fn prepare_bytes(images: &ImageStage, Got { wanted, body }: Got) -> Result<Ready, Failure> {
    let prepared = images.prepare(&body.bytes).map_err(Failure::from)?;
    let png = encode_png(&prepared.pixels)
        .map_err(|error| Failure::new(FailureReason::CorruptImage, error.to_string()))?;
    Ok(Ready {
        wanted,
        png,
        size: prepared.pixels.size(),
        original: (prepared.width, prepared.height),
        sha256: Digest(Sha256::digest(&body.bytes).into()),
    })
}

fn write_archives(folder: &Path, mut ready: Receiver<Ready>, tally: &Tally) -> anyhow::Result<()> {
    let columns = Map::new();
    let mut first = ready.blocking_recv();
    for number in 0_u32.. {
        let Some(sample) = first.take() else { break };
        let path = folder.join(format!("part-{number:05}.tar.zst"));
        let mut archive = ImageArchive::new(BufWriter::new(File::create(path)?))?;
        let mut samples = 0;
        let mut next = Some(sample);
        while let Some(ready_sample) = next.take() {
            append(&mut archive, &ready_sample, &columns)?;
            tally.written.fetch_add(1, Ordering::Relaxed);
            samples += 1;
            match ready.blocking_recv() {
                more if samples == ARCHIVE_SAMPLES => first = more,
                more => next = more,
            }
        }
        archive.finish()?.into_inner()?.sync_all()?;
    }
    Ok(())
}

fn append(
    archive: &mut ImageArchive<BufWriter<File>>,
    ready: &Ready,
    columns: &Map<String, serde_json::Value>,
) -> std::io::Result<()> {
    archive.append(&ImageSample {
        key: &ready.wanted.key,
        url: Some(&ready.wanted.url),
        image: KeptImage {
            bytes: &ready.png,
            extension: "png",
            width: ready.size,
            height: ready.size,
            caption: &ready.wanted.caption,
        },
        original: ready.original,
        sha256: ready.sha256,
        columns,
    })
}
