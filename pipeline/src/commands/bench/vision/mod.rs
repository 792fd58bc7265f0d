//! `img2tokens bench vision`: the model alone, and how near it comes to what the machine can multiply.

mod cuda;
mod pictures;

use std::time::Instant;

use img2tokens_vision::{Extras, ModelConfig};
use img2tokens_vision_candle::peak_flops_per_second;
use serde_json::{Value, json};

use crate::cli::BenchVisionArgs;
use crate::config::Vision;
use crate::console::print_line;
use crate::exit::{Exit, Failed};
use crate::model::{self, Devices, Loaded};
use pictures::Pictures;

/// Runs of the product's inner loop, of which the fastest is the peak, before every batch.
const PEAK_RUNS: usize = 8;

/// One batch that is not counted, then as many as asked for.
pub(super) fn vision(args: &BenchVisionArgs) -> Result<Exit, Failed> {
    let vision = args.model.vision();
    let opened = model::open(&vision, args.model.model_config.as_deref()).map_err(Failed::usage)?;
    let config = opened.config().clone();
    let size = u32::try_from(config.image_size).map_err(Failed::usage)?;
    let pictures = Pictures::new(&args.images, size).map_err(Failed::usage)?;
    let loaded = model::load(&vision, Extras::default(), &opened).map_err(Failed::usage)?;
    drop(opened);
    let mut report = json!({
        "batch_size": loaded.batch_size,
        "dtype": vision.dtype,
        "device": loaded.devices.to_string(),
        "backend": vision.backend,
        "merger": vision.merger,
        "model": vision.model,
    });
    let scene = Scene {
        vision: &vision,
        config: &config,
        batches: args.batches,
    };
    let measured = match loaded.devices {
        Devices::Cpu | Devices::Onnx(_) => on_cpu(&scene, loaded, pictures),
        Devices::Cuda { .. } => cuda::measure(&scene, loaded, pictures),
    };
    if let (Some(report), Value::Object(measured)) = (report.as_object_mut(), measured.map_err(Failed::run)?)
    {
        report.extend(measured);
    }
    print_line(report).map_err(Failed::run)?;
    Ok(Exit::Done)
}

/// What is measured.
struct Scene<'a> {
    vision: &'a Vision,
    config: &'a ModelConfig,
    batches: u32,
}

fn on_cpu(scene: &Scene<'_>, mut loaded: Loaded, mut pictures: Pictures) -> anyhow::Result<Value> {
    let (vision, batch_size) = (scene.vision, loaded.batch_size);
    let threads = model::threads(vision);
    let (mut seconds, mut fastest, mut peak) = (0.0, f64::INFINITY, 0.0_f64);
    let (mut tokens, mut flops, mut fastest_flops) = (0, 0.0, 0.0_f64);
    for number in 0..=scene.batches {
        let batch = pictures.batch(batch_size)?;
        peak = peak.max(peak_flops_per_second(vision.dtype, threads, PEAK_RUNS));
        let started = Instant::now();
        let made = loaded.first().tokenize(&batch)?;
        let took = started.elapsed().as_secs_f64();
        if number > 0 {
            seconds += took;
            fastest = fastest.min(took);
            let mut of_batch = 0.0;
            for picture in made {
                let kept = picture?.tokens.codes().len();
                tokens += kept;
                of_batch += scene.config.flops(vision.merger, kept);
            }
            flops += of_batch;
            fastest_flops = fastest_flops.max(of_batch / took);
        }
    }
    let images = f64::from(scene.batches) * batch_size as f64;
    Ok(json!({
        "images_per_s": images / seconds,
        "fastest_images_per_s": batch_size as f64 / fastest,
        "threads": threads,
        "images": images,
        "seconds": seconds,
        "tokens_per_image": tokens as f64 / images,
        "flops_per_s": flops / seconds,
        "fastest_flops_per_s": fastest_flops,
        "peak_flops_per_s": peak,
        "share_of_peak": flops / seconds / peak,
    }))
}
