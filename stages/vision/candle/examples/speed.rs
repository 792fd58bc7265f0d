//! Measures the tokenizer on one thread, its peak in the same run.
//!
//! `speed` takes `builtin:nano`; `speed DIR` writes a model of the full width, four encoder and two merger blocks deep,
//! with random weights into that directory, 0.8 GB, and takes that.

#![expect(clippy::unwrap_used, reason = "a measurement ends where it cannot be made")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use img2tokens_schemas::Pixels;
use img2tokens_vision::{
    Checkpoint, Dtype, Extras, Merger, ModelConfig, ModelSource, Picture, PixelBatch, Selection,
    VisualTokenizer,
};
use img2tokens_vision_candle::{CandleTokenizer, Settings, peak_flops_per_second};

/// Batches of four pictures, of which the fastest counts: others share the machine.
const BATCHES: usize = 8;

fn main() {
    let source = match std::env::args().nth(1) {
        None => ModelSource::Nano,
        Some(directory) => {
            write_model(Path::new(&directory));
            ModelSource::Directory {
                path: directory.into(),
                config: None,
            }
        }
    };
    let checkpoint = Checkpoint::open(&source).unwrap();
    for merger in [Merger::Full, Merger::Packed] {
        let settings = Settings {
            dtype: Dtype::F32,
            selection: Selection::argmax(),
            merger,
            extras: Extras::default(),
            threads: 1,
        };
        let mut tokenizer = CandleTokenizer::new(&checkpoint, settings.clone()).unwrap();
        let batch = PixelBatch::new((0..4).map(picture).collect()).unwrap();
        let (mut best, mut peak) = (f64::INFINITY, 0.0_f64);
        let mut kept = 0;
        for _ in 0..BATCHES {
            peak = peak.max(peak_flops_per_second(settings.dtype, 1, 20));
            let begun = Instant::now();
            let tokens = tokenizer.tokenize(&batch).unwrap();
            best = best.min(begun.elapsed().as_secs_f64() / 4.0);
            kept = tokens
                .iter()
                .flatten()
                .map(|picture| picture.tokens.codes().len())
                .sum::<usize>()
                / 4;
        }
        let flops = checkpoint.config().flops(merger, kept);
        println!(
            "{merger:?}: {:.1} ms a picture, {kept} of 256 kept, {:.1} GFLOP: {:.1} GFLOP/s of {:.1}, {:.0} %",
            best * 1e3,
            flops / 1e9,
            flops / best / 1e9,
            peak / 1e9,
            100.0 * flops / best / peak
        );
    }
}

fn picture(number: usize) -> Picture {
    let wave =
        |x: usize, y: usize, c: usize| ((x * (number + 1) + y * (c + 2)) / 3 + x * y / (40 + number)) as u8;
    let rgb = (0..224 * 224 * 3)
        .map(|at| wave(at / 3 % 224, at / 672, at % 3))
        .collect();
    Picture {
        key: format!("picture {number}"),
        pixels: Pixels::new(224, rgb).unwrap(),
    }
}

/// `config.json` and `model.safetensors`.
fn write_model(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    let config = ModelConfig {
        encoder_depth: 4,
        merger_depth: 2,
        ..ModelConfig::lavit()
    };
    std::fs::write(
        directory.join("config.json"),
        serde_json::to_vec(&config).unwrap(),
    )
    .unwrap();
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (key, shape) in config.tensors() {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        header.insert(
            key,
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}),
        );
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = BufWriter::new(File::create(directory.join("model.safetensors")).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    let mut state = 1_u32;
    for (key, shape) in config.tensors() {
        let inputs: usize = shape.iter().skip(1).product();
        let norm = shape.len() == 1 && key.ends_with("weight");
        let scale = if inputs > 0 && shape.len() > 1 {
            1.7 / (inputs as f32).sqrt()
        } else {
            0.05
        };
        for _ in 0..shape.iter().product::<usize>() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = (state >> 8) as f32 / 8_388_608.0 - 1.0;
            let value = if norm { 1.0 + 0.1 * value } else { scale * value };
            file.write_all(&value.to_le_bytes()).unwrap();
        }
    }
    file.flush().unwrap();
}
