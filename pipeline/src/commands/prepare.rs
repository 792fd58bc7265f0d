//! `img2tokens prepare`: what the image stage makes of files, one JSON line each.

use std::path::{Path, PathBuf};

use anyhow::Context;
use img2tokens_image::{Decoded, ImageConfig, ImageStage, encode_png};
use img2tokens_schemas::{Failure, Pixels};
use serde_json::{Value, json};

use super::files::{failure_line, read_image};
use crate::cli::PrepareArgs;
use crate::console::print_line;
use crate::exit::{Exit, Failed};

pub(super) fn prepare(args: &PrepareArgs) -> Result<Exit, Failed> {
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--out {}: the folder cannot be made", folder.display()))
            .map_err(Failed::usage)?;
    }
    let images = ImageStage::new(ImageConfig {
        size: args.size,
        ..ImageConfig::default()
    });
    let mut all_done = true;
    for path in &args.images {
        let line = match read_image(path).and_then(|bytes| images.decode(&bytes).map_err(Failure::from)) {
            Ok(decoded) => {
                if let Some(folder) = &args.out {
                    let pixels = decoded.resize(args.size).map_err(Failed::run)?;
                    write_png(folder, path, &pixels).map_err(Failed::run)?;
                }
                decoded_line(path, &decoded)
            }
            Err(failure) => {
                all_done = false;
                failure_line(path, &failure)
            }
        };
        print_line(line).map_err(Failed::run)?;
    }
    Ok(if all_done { Exit::Done } else { Exit::Failed })
}

fn decoded_line(path: &Path, decoded: &Decoded) -> Value {
    json!({
        "path": path.to_string_lossy(),
        "format": decoded.format.name(),
        "width": decoded.width,
        "height": decoded.height,
        "mean_rgb": decoded.mean_rgb(),
    })
}

/// Writes `FOLDER/NAME.png`, where NAME is the input's file name with its extension.
fn write_png(folder: &Path, input: &Path, pixels: &Pixels) -> anyhow::Result<()> {
    let mut name = input.file_name().context("an image file has a name")?.to_owned();
    name.push(".png");
    let file: PathBuf = folder.join(name);
    std::fs::write(&file, encode_png(pixels)?)
        .with_context(|| format!("{} cannot be written", file.display()))
}
