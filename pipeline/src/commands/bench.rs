//! `img2tokens bench`: measures a stage alone, prints one JSON object.

mod fetch;
mod flow;
mod usage;

use std::time::Instant;

use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::Pixels;
use img2tokens_vision::{Picture, PixelBatch};
use serde_json::json;

use super::files::read_image;
use crate::cli::{BenchImageArgs, BenchVisionArgs};
use crate::exit::{Exit, Failed};
use crate::model;
use crate::samples::{Draws, SampleSet};

pub(super) use fetch::fetch;

/// Random pixels, other ones for every batch, through the model.
pub(super) fn vision(args: &BenchVisionArgs) -> Result<Exit, Failed> {
    let vision = args.model.vision();
    let checkpoint =
        model::open_named(&args.model.model, args.model.model_config.as_deref()).map_err(Failed::usage)?;
    let mut tokenizer = model::load(&vision, &checkpoint).map_err(Failed::usage)?;
    let size = u32::try_from(checkpoint.config().image_size).map_err(Failed::usage)?;
    let mut noise = Draws::new(1);
    let mut tokens = 0;
    let mut measure = |counted: bool| -> anyhow::Result<f64> {
        let batch = random_batch(size, vision.batch_size, &mut noise)?;
        let started = Instant::now();
        let made = tokenizer.tokenize(&batch)?;
        if counted {
            tokens += made.iter().map(|tokens| tokens.codes().len()).sum::<usize>();
        }
        Ok(started.elapsed().as_secs_f64())
    };
    measure(false).map_err(Failed::run)?;
    let mut seconds = 0.0;
    for _ in 0..args.batches {
        seconds += measure(true).map_err(Failed::run)?;
    }
    let images = f64::from(args.batches) * vision.batch_size as f64;
    let report = json!({
        "images_per_s": images / seconds,
        "batch_size": vision.batch_size,
        "dtype": vision.dtype,
        "device": "cpu",
        "backend": vision.backend,
        "merger": vision.merger,
        "threads": model::threads(&vision),
        "model": vision.model,
        "images": images,
        "seconds": seconds,
        "tokens_per_image": tokens as f64 / images,
    });
    println!("{report}");
    Ok(Exit::Done)
}

fn random_batch(size: u32, pictures: usize, noise: &mut Draws) -> anyhow::Result<PixelBatch> {
    let bytes = size as usize * size as usize * 3;
    let pictures: Result<Vec<Picture>, _> = (0..pictures)
        .map(|number| {
            let rgb = (0..bytes).map(|_| noise.bits() as u8).collect();
            Pixels::new(size, rgb).map(|pixels| Picture {
                key: number.to_string(),
                pixels,
            })
        })
        .collect();
    Ok(PixelBatch::new(pictures?)?)
}

/// Files, or the embedded sample set, through the image stage on one thread.
pub(super) fn image(args: &BenchImageArgs) -> Result<Exit, Failed> {
    let files = encoded_images(args).map_err(Failed::usage)?;
    let stage = ImageStage::new(ImageConfig {
        size: args.size,
        ..ImageConfig::default()
    });
    let pass = || files.iter().filter(|bytes| stage.prepare(bytes).is_ok()).count();
    let prepared = pass();
    let started = Instant::now();
    for _ in 0..args.passes {
        pass();
    }
    let seconds = started.elapsed().as_secs_f64();
    let images = f64::from(args.passes) * files.len() as f64;
    let report = json!({
        "images_per_s": images / seconds,
        "batch_size": 1,
        "dtype": "u8",
        "device": "cpu",
        "backend": "image",
        "threads": 1,
        "size": args.size,
        "images": images,
        "seconds": seconds,
        "prepared": prepared,
        "refused": files.len() - prepared,
        "bytes": files.iter().map(Vec::len).sum::<usize>(),
    });
    println!("{report}");
    Ok(Exit::Done)
}

fn encoded_images(args: &BenchImageArgs) -> anyhow::Result<Vec<Vec<u8>>> {
    if args.images.is_empty() {
        let set = SampleSet::new(128);
        let bodies: Result<Vec<_>, _> = set
            .samples()
            .map(|sample| set.response(&sample.path).map(|response| response.body.to_vec()))
            .collect();
        return Ok(bodies?.into_iter().filter(|body| !body.is_empty()).collect());
    }
    args.images
        .iter()
        .map(|path| {
            read_image(path).map_err(|failure| anyhow::anyhow!("{}: {}", path.display(), failure.detail))
        })
        .collect()
}
