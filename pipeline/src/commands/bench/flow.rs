//! The first half of a run alone: URLs to bytes, to pixels, to resized pictures in WebDataset archives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use img2tokens_engine::{
    CancellationToken, Crossing, MemoryBudget, Meter, ThreadDied, each_concurrently, each_on_threads,
};
use img2tokens_fetch::{Fetched, Fetcher};
use img2tokens_image::{ImageStage, Prepared, encode_png};
use img2tokens_schemas::{Digest, Failure, FailureReason};
use img2tokens_shard::{ImageArchive, ImageSample, KeptImage};
use serde_json::Map;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::config::Image;

/// Samples of one archive: img2dataset's own number.
const ARCHIVE_SAMPLES: usize = 10_000;

/// Pictures that wait between two steps.
const QUEUE: usize = 8;

/// A picture that is wanted.
pub(super) struct Wanted {
    pub(super) key: String,
    pub(super) url: String,
    pub(super) caption: String,
}

/// How far pictures go.
pub(super) enum Until {
    /// Downloaded.
    Fetched,
    /// Decoded and resized as well.
    Prepared(ImageStage),
    /// And written to archives in this folder.
    Written(ImageStage, PathBuf),
}

impl Until {
    /// What is measured, in a word.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Fetched => "fetch",
            Self::Prepared(_) => "fetch+image",
            Self::Written(..) => "fetch+image+write",
        }
    }
}

/// What happened so far.
#[derive(Default)]
pub(super) struct Tally {
    /// Pictures that came through to the end.
    pub(super) images: AtomicU64,
    pub(super) bytes: AtomicU64,
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
struct Stored {
    wanted: Wanted,
    png: Vec<u8>,
    size: u32,
    original: (u32, u32),
    sha256: Digest,
}

/// Downloads all that `wanted` gives, `concurrency` at a time, and takes it as far as `until` says.
///
/// # Errors
/// If an archive cannot be written. A picture that fails is counted.
pub(super) async fn run(
    wanted: Receiver<Wanted>,
    concurrency: usize,
    fetcher: &Fetcher,
    until: Until,
    tally: &Arc<Tally>,
) -> anyhow::Result<()> {
    let (got_out, got) = channel(concurrency);
    let (cancel, meter) = (CancellationToken::new(), Meter::default());
    let memory = Memory {
        budget: MemoryBudget::new(Image::default().max_memory),
        runtime: Handle::current(),
    };
    let download = |wanted| download(fetcher, wanted, tally);
    let fetching = each_concurrently(wanted, got_out, concurrency, &meter, &cancel, download);
    match until {
        Until::Fetched => {
            tokio::join!(fetching, count(got, tally));
        }
        Until::Prepared(images) => {
            let (ready_out, ready) = channel(QUEUE);
            let preparing = on_all_cores(got, ready_out, tally, move |got| prepare(&images, &memory, &got));
            let ((), prepared, ()) = tokio::join!(fetching, preparing, count(ready, tally));
            prepared?;
        }
        Until::Written(images, folder) => {
            let (ready_out, ready) = channel(QUEUE);
            let preparing = on_all_cores(got, ready_out, tally, move |got| store(&images, &memory, got));
            let counted = tally.clone();
            let writing = tokio::task::spawn_blocking(move || write_archives(&folder, ready, &counted));
            let ((), prepared, written) = tokio::join!(fetching, preparing, writing);
            prepared?;
            written??;
        }
    }
    Ok(())
}

/// The end of pictures that go no further.
async fn count<T>(mut pictures: Receiver<T>, tally: &Tally) {
    while pictures.recv().await.is_some() {
        tally.images.fetch_add(1, Ordering::Relaxed);
    }
}

async fn download(fetcher: &Fetcher, wanted: Wanted, tally: &Tally) -> Crossing<Got> {
    let in_flight = 1 + tally.in_flight.fetch_add(1, Ordering::Relaxed);
    tally.peak_in_flight.fetch_max(in_flight, Ordering::Relaxed);
    let fetched = fetcher.fetch(&wanted.url).await;
    tally.in_flight.fetch_sub(1, Ordering::Relaxed);
    match fetched {
        Ok(body) => {
            tally.bytes.fetch_add(body.bytes.len() as u64, Ordering::Relaxed);
            Crossing::Onward(Got { wanted, body })
        }
        Err(error) => {
            tally.fail(Failure::from(error).reason);
            Crossing::Ended
        }
    }
}

/// Works on pictures on as many threads as there are cores, as a run does.
async fn on_all_cores<T: Send + 'static>(
    got: Receiver<Got>,
    out: Sender<T>,
    tally: &Arc<Tally>,
    work: impl Fn(Got) -> Result<T, Failure> + Clone + Send + 'static,
) -> Result<(), ThreadDied> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let tally = tally.clone();
    let each = move |got| match work(got) {
        Ok(done) => Crossing::Onward(done),
        Err(failure) => {
            tally.fail(failure.reason);
            Crossing::Ended
        }
    };
    each_on_threads(
        "image",
        cores,
        got,
        out,
        Arc::default(),
        CancellationToken::new(),
        each,
    )
    .await
}

/// What decoding may take at once, over all threads.
#[derive(Clone)]
struct Memory {
    budget: MemoryBudget,
    runtime: Handle,
}

/// What a run does to every picture: pixels, and the digest of the file.
fn prepare(images: &ImageStage, memory: &Memory, got: &Got) -> Result<(Prepared, Digest), Failure> {
    let examined = images.examine(&got.body.bytes).map_err(Failure::from)?;
    let credit = memory
        .runtime
        .block_on(memory.budget.acquire(examined.memory_bytes()));
    let prepared = examined.prepare().map_err(Failure::from)?;
    drop(credit);
    Ok((prepared, Digest(Sha256::digest(&got.body.bytes).into())))
}

fn store(images: &ImageStage, memory: &Memory, got: Got) -> Result<Stored, Failure> {
    let (prepared, sha256) = prepare(images, memory, &got)?;
    let png = encode_png(&prepared.pixels)
        .map_err(|error| Failure::new(FailureReason::CorruptImage, error.to_string()))?;
    Ok(Stored {
        wanted: got.wanted,
        png,
        size: prepared.pixels.size(),
        original: (prepared.width, prepared.height),
        sha256,
    })
}

fn write_archives(folder: &Path, mut ready: Receiver<Stored>, tally: &Tally) -> anyhow::Result<()> {
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
            tally.images.fetch_add(1, Ordering::Relaxed);
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
    ready: &Stored,
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
