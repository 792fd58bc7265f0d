//! On CUDA devices: all tokenizers at once, as in a run; then one alone, part by part.

use std::time::Instant;

use anyhow::Context;
use img2tokens_vision::{PartSeconds, PixelBatch, VisualTokenizer};
use serde_json::{Value, json};

use super::Scene;
use super::pictures::Pictures;
use crate::model::{Devices, Loaded};

/// What one tokenizer did.
#[derive(Default)]
struct Done {
    tokens: usize,
    flops: f64,
}

pub(super) fn measure(scene: &Scene<'_>, loaded: Loaded, mut pictures: Pictures) -> anyhow::Result<Value> {
    let Devices::Cuda { first, numbers } = &loaded.devices else {
        anyhow::bail!("no CUDA device");
    };
    let (name, devices) = (first.name().to_owned(), numbers.len());
    let peak = first.peak_flops_per_second()?;
    let (batch_size, batches) = (loaded.batch_size, scene.batches as usize);
    let mut tokenizers = loaded.into_tokenizers();
    // Made before any is timed; the first of each is not counted.
    let mut own = Vec::new();
    for _ in &tokenizers {
        let batches = (0..=batches).map(|_| pictures.batch(batch_size));
        own.push(batches.collect::<anyhow::Result<Vec<_>>>()?);
    }
    let (seconds, done) = together(scene, &mut tokenizers, &own)?;
    let images = (tokenizers.len() * batches * batch_size) as f64;
    let alone = tokenizers.first_mut().context("no tokenizer")?;
    let parts = alone_by_parts(&mut **alone, own.first().context("no pictures")?)?;
    let of_batch = |seconds: f64| seconds / batches as f64;
    Ok(json!({
        "images_per_s": images / seconds,
        "device_name": name,
        "tokenizers": tokenizers.len(),
        "images": images,
        "seconds": seconds,
        "tokens_per_image": done.tokens as f64 / images,
        "flops_per_s": done.flops / seconds,
        // Of all devices, as many times the first one's.
        "matmul_peak_flops_per_s": peak * devices as f64,
        "share_of_matmul_peak": done.flops / seconds / (peak * devices as f64),
        // Of a batch, of a tokenizer that has its device to itself, with what the CPU does between.
        "parts": {
            "copy_s": of_batch(parts.copy),
            "encoder_s": of_batch(parts.encoder),
            "selector_s": of_batch(parts.selector),
            "merger_s": of_batch(parts.merger),
            "quantiser_s": of_batch(parts.quantiser),
        },
    }))
}

/// Every tokenizer its own batches on a thread of its own; the seconds that all of them took, but for the first.
fn together(
    scene: &Scene<'_>,
    tokenizers: &mut [Box<dyn VisualTokenizer>],
    own: &[Vec<PixelBatch>],
) -> anyhow::Result<(f64, Done)> {
    on_all(tokenizers, own, |tokenizer, batches| {
        let warm = batches.first().map(|batch| tokenizer.tokenize(batch));
        warm.transpose()?;
        Ok(Done::default())
    })?;
    let started = Instant::now();
    let done = on_all(tokenizers, own, |tokenizer, batches| {
        let mut done = Done::default();
        for batch in batches.iter().skip(1) {
            for picture in tokenizer.tokenize(batch)? {
                let kept = picture?.tokens.codes().len();
                done.tokens += kept;
                done.flops += scene.config.flops(scene.vision.merger, kept);
            }
        }
        Ok(done)
    })?;
    Ok((started.elapsed().as_secs_f64(), done))
}

/// Each tokenizer and its batches on a thread, and the sum of what they did.
fn on_all(
    tokenizers: &mut [Box<dyn VisualTokenizer>],
    own: &[Vec<PixelBatch>],
    work: impl Fn(&mut dyn VisualTokenizer, &[PixelBatch]) -> anyhow::Result<Done> + Sync,
) -> anyhow::Result<Done> {
    std::thread::scope(|threads| {
        let work = &work;
        let running: Vec<_> = tokenizers
            .iter_mut()
            .zip(own)
            .map(|(tokenizer, batches)| threads.spawn(move || work(&mut **tokenizer, batches)))
            .collect();
        let mut all = Done::default();
        for thread in running {
            let done = thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread of the measurement died"))??;
            all.tokens += done.tokens;
            all.flops += done.flops;
        }
        Ok(all)
    })
}

fn alone_by_parts(
    tokenizer: &mut dyn VisualTokenizer,
    batches: &[PixelBatch],
) -> anyhow::Result<PartSeconds> {
    tokenizer.take_part_seconds();
    for batch in batches.iter().skip(1) {
        tokenizer.tokenize(batch)?;
    }
    tokenizer
        .take_part_seconds()
        .context("the backend measures no parts")
}
