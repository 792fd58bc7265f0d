//! What the image stage may be told: section `[image]` of a run's config.

use serde::{Deserialize, Serialize};

/// The settings of [`crate::ImageStage`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageConfig {
    /// The side S, in pixels, of the square that the model reads.
    pub size: u32,
    /// Images of more pixels than this are refused before anything is allocated for them.
    pub max_pixels: u64,
    /// Images with a side shorter than this, in pixels, are refused.
    pub min_side: u32,
    /// Images whose decoding is more work than a core does in this many seconds are refused by what their bytes state,
    /// before anything is decoded. Finite and above 0.
    pub decode_timeout_s: f64,
    /// How an image becomes S x S.
    pub resize: Resize,
}

/// How an image becomes S x S pixels. The aspect ratio is not kept and nothing is cropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Pillow's bicubic with antialiasing, as the published code does.
    Bicubic,
    /// The same, but a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size (still at least twice S on both sides):
    /// less work, other pixels, and so other codes than the published code gives.
    BicubicScaledDct,
}

impl Default for ImageConfig {
    fn default() -> Self {
        // Pillow warns of a decompression bomb above 1024^3 / 4 / 3 pixels.
        Self {
            size: 224,
            max_pixels: 89_478_485,
            min_side: 1,
            decode_timeout_s: 10.0,
            resize: Resize::Bicubic,
        }
    }
}
