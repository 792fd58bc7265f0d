//! What a model is measured with.

use std::path::PathBuf;

use anyhow::Context;
use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::Pixels;
use img2tokens_vision::{Picture, PixelBatch};

use crate::commands::files::read_image;
use crate::samples::Draws;

/// Pictures without end.
pub(super) enum Pictures {
    /// Files, prepared once, in a circle from here on.
    Files { prepared: Vec<Pixels>, next: usize },
    /// Noise, never the same.
    Random { size: u32, noise: Draws },
}

impl Pictures {
    /// The files, or noise where there is none.
    pub(super) fn new(paths: &[PathBuf], size: u32) -> anyhow::Result<Self> {
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

    pub(super) fn batch(&mut self, count: usize) -> anyhow::Result<PixelBatch> {
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
