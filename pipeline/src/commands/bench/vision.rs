//! `img2tokens bench vision`: the model alone, and how near it comes to what the machine can multiply.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::Pixels;
use img2tokens_vision::{Extras, Picture, PixelBatch};
use img2tokens_vision_candle::peak_flops_per_second;
use serde_json::json;

use crate::cli::BenchVisionArgs;
use crate::commands::files::read_image;
use crate::exit::{Exit, Failed};
use crate::model;
use crate::samples::Draws;

/// Runs of the product's inner loop, of which the fastest is the peak, before every batch.
const PEAK_RUNS: usize = 8;

/// One batch that is not counted, then as many as asked for.
pub(super) fn vision(args: &BenchVisionArgs) -> Result<Exit, Failed> {
    let vision = args.model.vision();
    let opened = model::open(&vision, args.model.model_config.as_deref()).map_err(Failed::usage)?;
    let (config, device) = (opened.config().clone(), opened.device());
    let size = u32::try_from(config.image_size).map_err(Failed::usage)?;
    let mut pictures = Pictures::new(&args.images, size).map_err(Failed::usage)?;
    let mut tokenizer = model::load(&vision, Extras::default(), &opened).map_err(Failed::usage)?;
    drop(opened);
    let threads = model::threads(&vision);
    let (mut seconds, mut fastest, mut peak) = (0.0, f64::INFINITY, 0.0_f64);
    let (mut tokens, mut flops, mut fastest_flops) = (0, 0.0, 0.0_f64);
    for number in 0..=args.batches {
        let batch = pictures.batch(vision.batch_size).map_err(Failed::run)?;
        peak = peak.max(peak_flops_per_second(vision.dtype, threads, PEAK_RUNS));
        let started = Instant::now();
        let made = tokenizer.tokenize(&batch).map_err(Failed::run)?;
        let took = started.elapsed().as_secs_f64();
        if number > 0 {
            seconds += took;
            fastest = fastest.min(took);
            let mut of_batch = 0.0;
            for picture in made {
                let kept = picture.map_err(Failed::run)?.tokens.codes().len();
                tokens += kept;
                of_batch += config.flops(vision.merger, kept);
            }
            flops += of_batch;
            fastest_flops = fastest_flops.max(of_batch / took);
        }
    }
    let images = f64::from(args.batches) * vision.batch_size as f64;
    let report = json!({
        "images_per_s": images / seconds,
        "fastest_images_per_s": vision.batch_size as f64 / fastest,
        "batch_size": vision.batch_size,
        "dtype": vision.dtype,
        "device": device,
        "backend": vision.backend,
        "merger": vision.merger,
        "threads": threads,
        "model": vision.model,
        "images": images,
        "seconds": seconds,
        "tokens_per_image": tokens as f64 / images,
        "flops_per_s": flops / seconds,
        "fastest_flops_per_s": fastest_flops,
        "peak_flops_per_s": peak,
        "share_of_peak": flops / seconds / peak,
    });
    println!("{report}");
    Ok(Exit::Done)
}

/// Pictures without end.
enum Pictures {
    /// Files, prepared once, in a circle from here on.
    Files { prepared: Vec<Pixels>, next: usize },
    /// Noise, never the same.
    Random { size: u32, noise: Draws },
}

impl Pictures {
    fn new(paths: &[PathBuf], size: u32) -> anyhow::Result<Self> {
        if paths.is_empty() {
            return Ok(Self::Random {
                size,
                noise: Draws::new(1),
            });
        }
        let stage = ImageStage::new(ImageConfig {
            size,
            ..ImageConfig::default()
        });
        let prepare = |path: &PathBuf| {
            let bytes = read_image(path).map_err(|failure| anyhow::anyhow!(failure.detail));
            let image = bytes.and_then(|bytes| Ok(stage.prepare(&bytes)?));
            image
                .map(|image| image.pixels)
                .with_context(|| path.display().to_string())
        };
        Ok(Self::Files {
            prepared: paths.iter().map(prepare).collect::<anyhow::Result<_>>()?,
            next: 0,
        })
    }

    fn batch(&mut self, count: usize) -> anyhow::Result<PixelBatch> {
        let pictures = (0..count).map(|number| {
            Ok(Picture {
                key: number.to_string(),
                pixels: self.next()?,
            })
        });
        Ok(PixelBatch::new(pictures.collect::<anyhow::Result<_>>()?)?)
    }

    fn next(&mut self) -> anyhow::Result<Pixels> {
        match self {
            Self::Files { prepared, next } => {
                let pixels = prepared[*next % prepared.len()].clone();
                *next += 1;
                Ok(pixels)
            }
            Self::Random { size, noise } => {
                let bytes = *size as usize * *size as usize * 3;
                let rgb = (0..bytes).map(|_| noise.bits() as u8).collect();
                Ok(Pixels::new(*size, rgb)?)
            }
        }
    }
}
