//! `img2tokens tokenize`: codes of local images, one JSON line each, in the order they were named.

use std::io::Write;
use std::path::PathBuf;

use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::{Failure, VisualTokens};
use img2tokens_vision::{Picture, PixelBatch, VisualTokenizer};
use serde_json::{Value, json};

use super::files::{failure_line, read_image};
use crate::cli::TokenizeArgs;
use crate::exit::{Exit, Failed};
use crate::model;

/// A picture's name seeds its gumbel noise: here that is its path as given.
pub(super) fn tokenize(args: &TokenizeArgs) -> Result<Exit, Failed> {
    let vision = args.model.vision();
    let checkpoint = model::open(&vision).map_err(Failed::usage)?;
    let mut tokenizer = model::load(&vision, &checkpoint).map_err(Failed::usage)?;
    let size = u32::try_from(tokenizer.config().image_size).map_err(Failed::usage)?;
    let images = ImageStage::new(ImageConfig {
        size,
        ..ImageConfig::default()
    });
    let mut all_done = true;
    for paths in args.images.chunks(vision.batch_size) {
        all_done &= tokenize_batch(tokenizer.as_mut(), &images, paths).map_err(Failed::run)?;
    }
    Ok(if all_done { Exit::Done } else { Exit::Failed })
}

/// Prints a line for each path; false if one of them failed.
fn tokenize_batch(
    tokenizer: &mut dyn VisualTokenizer,
    images: &ImageStage,
    paths: &[PathBuf],
) -> anyhow::Result<bool> {
    let mut pictures = Vec::new();
    let mut prepared: Vec<Result<(), Failure>> = Vec::new();
    for path in paths {
        let result = read_image(path).and_then(|bytes| images.prepare(&bytes).map_err(Failure::from));
        prepared.push(result.map(|image| {
            pictures.push(Picture {
                key: path.to_string_lossy().into_owned(),
                pixels: image.pixels,
            });
        }));
    }
    let tokens = if pictures.is_empty() {
        Vec::new()
    } else {
        tokenizer.tokenize(&PixelBatch::new(pictures)?)?
    };
    let mut tokens = tokens.into_iter();
    let mut output = std::io::stdout().lock();
    let mut all_done = true;
    for (path, prepared) in paths.iter().zip(prepared) {
        let line = match prepared.map(|()| tokens.next()) {
            Ok(Some(tokens)) => tokens_line(path, &tokens),
            Ok(None) => anyhow::bail!("the model gave fewer results than it got pictures"),
            Err(failure) => {
                all_done = false;
                failure_line(path, &failure)
            }
        };
        writeln!(output, "{line}")?;
    }
    Ok(all_done)
}

fn tokens_line(path: &std::path::Path, tokens: &VisualTokens) -> Value {
    json!({
        "path": path.to_string_lossy(),
        "codes": tokens.codes(),
        "num_tokens": tokens.codes().len(),
        "kept": tokens.kept().to_hex(),
    })
}
