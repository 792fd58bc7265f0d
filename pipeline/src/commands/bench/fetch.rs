//! `img2tokens bench fetch`: downloading alone, or all of what img2dataset does.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context;
use futures::StreamExt;
use img2tokens_fetch::Fetcher;
use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::{FailureReason, Outcome, PictureSource, Row};
use img2tokens_source::Source;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Sender, channel};

use super::flow::{self, Tally, Until, Wanted};
use super::usage;
use crate::cli::BenchFetchArgs;
use crate::config::Config;
use crate::console::print_line;
use crate::embedded::SAMPLES;
use crate::exit::{Exit, Failed};
use crate::samples::{SampleServer, SampleSet};
use crate::{job, stages};

const SAMPLE_COUNT: usize = 256;
/// Passes over the embedded samples, which one pass is over with in no time.
const SAMPLE_PASSES: u32 = 16;

/// Downloads, measures, prints one JSON object.
pub(in crate::commands) async fn fetch(args: &BenchFetchArgs) -> Result<Exit, Failed> {
    let embedded = args.input.is_empty() && args.urls.is_none();
    let config = config(args, embedded);
    let fetcher = Fetcher::new(stages::fetch_config(&config.fetch)).map_err(Failed::usage)?;
    let server = match embedded {
        true => Some(serve_samples().await.map_err(Failed::run)?),
        false => None,
    };
    let until = until(args).map_err(Failed::usage)?;
    let measured = until.name();
    let tally = Arc::<Tally>::default();
    let (wanted_out, wanted) = channel(64);
    let passes = args.passes.unwrap_or(if embedded { SAMPLE_PASSES } else { 1 });
    let feeding = async {
        // Dropped at the end: then there are no more.
        let wanted_out = wanted_out;
        for _ in 0..passes {
            match (&args.urls, &server) {
                (Some(urls), _) => feed_list(urls, &wanted_out).await?,
                (None, Some(server)) => feed_samples(server, &wanted_out).await,
                (None, None) => feed_tables(&config, &wanted_out, &tally).await?,
            }
        }
        anyhow::Ok(())
    };
    let (started, cpu_before) = (Instant::now(), usage::cpu_s());
    let flowing = flow::run(wanted, config.fetch.concurrency, &fetcher, until, &tally);
    let (fed, flowed) = tokio::join!(feeding, flowing);
    let seconds = started.elapsed().as_secs_f64();
    let cpu_s = usage::cpu_s().zip(cpu_before).map(|(now, before)| now - before);
    fed.map_err(Failed::usage)?;
    flowed.map_err(Failed::run)?;
    if let Some(server) = server {
        server.stop().await;
    }
    print_line(report(args, measured, &tally, seconds, cpu_s)).map_err(Failed::run)?;
    Ok(Exit::Done)
}

fn until(args: &BenchFetchArgs) -> anyhow::Result<Until> {
    let images = ImageStage::new(ImageConfig {
        size: args.size,
        ..ImageConfig::default()
    });
    Ok(match &args.write {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("--write {}: the folder cannot be made", folder.display()))?;
            Until::Written(images, folder.clone())
        }
        None if args.prepare => Until::Prepared(images),
        None => Until::Fetched,
    })
}

/// `images` are those that came through to the end.
fn report(args: &BenchFetchArgs, measured: &str, tally: &Tally, seconds: f64, cpu_s: Option<f64>) -> Value {
    let failures = tally.failures();
    let failed: u64 = failures.values().sum();
    let images = tally.images.load(Ordering::Relaxed);
    let bytes = tally.bytes.load(Ordering::Relaxed);
    let failures: serde_json::Map<_, _> = failures
        .into_iter()
        .map(|(reason, count)| (reason.code().to_owned(), count.into()))
        .collect();
    json!({
        "images_per_s": images as f64 / seconds,
        "batch_size": 1,
        "dtype": "u8",
        "device": "cpu",
        "backend": measured,
        "concurrency": args.concurrency,
        "peak_in_flight": tally.peak_in_flight.load(Ordering::Relaxed),
        "images": images,
        "failed": failed,
        "failures": failures,
        "bytes": bytes,
        "bytes_per_s": bytes as f64 / seconds,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "peak_memory_bytes": usage::peak_memory_bytes(),
    })
}

fn config(args: &BenchFetchArgs, embedded: bool) -> Config {
    let mut config = Config::default();
    config.input.paths.clone_from(&args.input);
    let fetch = &mut config.fetch;
    fetch.concurrency = args.concurrency as usize;
    fetch.per_host = match args.per_host {
        Some(per_host) => per_host as usize,
        None if embedded => fetch.concurrency,
        None => fetch.per_host,
    };
    fetch.timeout_s = args.timeout_s;
    fetch.retries = args.retries;
    fetch.allow_private_addresses = args.allow_private_addresses || embedded;
    // A server of one's own listens where it can.
    if fetch.allow_private_addresses {
        fetch.ports.clear();
    }
    config
}

/// Draws the samples and serves them from memory.
async fn serve_samples() -> anyhow::Result<SampleServer> {
    let set = tokio::task::spawn_blocking(|| SampleSet::drawn(SAMPLE_COUNT)).await??;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    SampleServer::start(set, any_port)
        .await
        .with_context(|| format!("{SAMPLES} cannot be served on loopback"))
}

async fn feed_samples(server: &SampleServer, wanted: &Sender<Wanted>) {
    for (number, sample) in SampleSet::new(SAMPLE_COUNT).samples().enumerate() {
        let sent = wanted.send(Wanted {
            key: format!("{number:09}"),
            url: format!("{}{}", server.base_url(), sample.path),
            caption: sample.caption,
        });
        if sent.await.is_err() {
            return;
        }
    }
}

async fn feed_list(file: &Path, wanted: &Sender<Wanted>) -> anyhow::Result<()> {
    let (path, wanted) = (file.to_owned(), wanted.clone());
    let feeding = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(File::open(path)?).lines();
        for (number, line) in lines.enumerate() {
            let line = line?;
            let url = line.trim();
            if url.is_empty() {
                continue;
            }
            let sent = wanted.blocking_send(Wanted {
                key: format!("{number:09}"),
                url: url.to_owned(),
                caption: String::new(),
            });
            if sent.is_err() {
                break;
            }
        }
        std::io::Result::Ok(())
    });
    feeding
        .await?
        .with_context(|| format!("--urls {}: it cannot be read", file.display()))
}

/// Rows without a URL are failures, also if they bring their picture along: there is nothing to download.
async fn feed_tables(config: &Config, wanted: &Sender<Wanted>, tally: &Tally) -> anyhow::Result<()> {
    let source = Source::new(stages::source_config(&config.input));
    for (number, input) in (0_u32..).zip(job::inputs(config, None).await?) {
        let survey = source.survey(&input).await?;
        for extent in &survey.extents {
            let mut batches = source.rows(&input, &survey, extent, number);
            while let Some(batch) = batches.next().await {
                for row in batch?.rows {
                    match wanted_of(row) {
                        Err(reason) => tally.fail(reason),
                        Ok(row) => {
                            if wanted.send(row).await.is_err() {
                                return Ok(());
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

fn wanted_of(row: Result<Row, Outcome>) -> Result<Wanted, FailureReason> {
    let unreadable = |outcome: Outcome| {
        let failure = outcome.result.err();
        failure.map_or(FailureReason::CorruptRow, |failure| failure.reason)
    };
    let row = row.map_err(unreadable)?;
    match row.picture {
        PictureSource::Url(url) => Ok(Wanted {
            key: row.key,
            url,
            caption: row.caption.unwrap_or_default(),
        }),
        _ => Err(FailureReason::MissingUrl),
    }
}
