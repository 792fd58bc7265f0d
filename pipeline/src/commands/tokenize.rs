//! `img2tokens tokenize`: codes of local images, one JSON line each, in the order they were named.

use std::path::PathBuf;

use anyhow::Context;
use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::Failure;
use img2tokens_vision::{Extras, Picture, PixelBatch, TokenizedPicture, VisualTokenizer};
use serde_json::{Value, json};

use super::files::{failure_line, read_image};
use crate::cli::TokenizeArgs;
use crate::console::print_line;
use crate::exit::{Exit, Failed};
use crate::{local_copy, model};

/// A picture's name seeds its gumbel noise: here that is its path as given.
pub(super) async fn tokenize(args: &TokenizeArgs) -> Result<Exit, Failed> {
    let extras = Extras {
        reconstruction: args.reconstruction,
        ..Extras::default()
    };
    let vision = local_copy::vision(&args.model.vision(), extras)
        .await
        .map_err(Failed::usage)?;
    let opened = model::open(&vision, args.model.model_config.as_deref()).map_err(Failed::usage)?;
    let mut loaded = model::load(&vision, extras, &opened).map_err(Failed::usage)?;
    let size = u32::try_from(opened.config().image_size).map_err(Failed::usage)?;
    let images = ImageStage::new(ImageConfig {
        size,
        ..ImageConfig::default()
    });
    let mut all_done = true;
    for paths in args.images.chunks(loaded.batch_size) {
        all_done &= tokenize_batch(loaded.first(), &images, paths).map_err(Failed::run)?;
    }
    Ok(if all_done { Exit::Done } else { Exit::Failed })
}

/// Prints a line for each path; false if one of them failed.
fn tokenize_batch(
    tokenizer: &mut dyn VisualTokenizer,
    images: &ImageStage,
    paths: &[PathBuf],
) -> anyhow::Result<bool> {
    let mut all_done = true;
    for (path, picture) in paths.iter().zip(tokenized(tokenizer, images, paths)?) {
        let line = match picture {
            Ok(picture) => picture_line(path, &picture),
            Err(failure) => {
                all_done = false;
                failure_line(path, &failure)
            }
        };
        print_line(line)?;
    }
    Ok(all_done)
}

/// What the model makes of each image file, or why it makes nothing. A picture's key is its path as given.
///
/// # Errors
/// If the model fails: then no file is to blame.
pub(super) fn tokenized(
    tokenizer: &mut dyn VisualTokenizer,
    images: &ImageStage,
    paths: &[PathBuf],
) -> anyhow::Result<Vec<Result<TokenizedPicture, Failure>>> {
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
    let made = if pictures.is_empty() {
        Vec::new()
    } else {
        tokenizer.tokenize(&PixelBatch::new(pictures)?)?
    };
    let mut made = made.into_iter();
    let result = |prepared| match prepared {
        Ok(()) => made
            .next()
            .map(|picture| picture.map_err(Failure::from))
            .context("the model gave fewer results than it got pictures"),
        Err(failure) => Ok(Err(failure)),
    };
    prepared.into_iter().map(result).collect()
}

fn picture_line(path: &std::path::Path, picture: &TokenizedPicture) -> Value {
    let tokens = &picture.tokens;
    let mut line = json!({
        "path": path.to_string_lossy(),
        "codes": tokens.codes(),
        "num_tokens": tokens.codes().len(),
        "kept": tokens.kept().to_hex(),
    });
    if let Some(cosine) = picture.reconstruction {
        line["reconstruction_cosine"] = json!(cosine);
    }
    line
}
