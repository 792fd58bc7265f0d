//! `img2tokens bench image`: decoding and resizing alone, one JSON object.

use std::time::Instant;

use img2tokens_image::{ImageConfig, ImageStage};
use serde_json::json;

use super::usage;
use crate::cli::BenchImageArgs;
use crate::commands::files::read_image;
use crate::console::print_line;
use crate::exit::{Exit, Failed};
use crate::samples::SampleSet;

/// Files, or the embedded sample set, through the image stage on one thread.
pub(super) fn image(args: &BenchImageArgs) -> Result<Exit, Failed> {
    let files = encoded_images(args).map_err(Failed::usage)?;
    let stage = ImageStage::new(ImageConfig {
        size: args.size,
        ..ImageConfig::default()
    });
    let pass = || files.iter().filter(|bytes| stage.prepare(bytes).is_ok()).count();
    let prepared = pass();
    let (started, cpu_before) = (Instant::now(), usage::cpu_s());
    for _ in 0..args.passes {
        pass();
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu_s = usage::cpu_s().zip(cpu_before).map(|(now, before)| now - before);
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
        "cpu_s": cpu_s,
        "prepared": prepared,
        "refused": files.len() - prepared,
        "bytes": files.iter().map(Vec::len).sum::<usize>(),
    });
    print_line(report).map_err(Failed::run)?;
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
