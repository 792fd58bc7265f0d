//! The golden data: two small models, and what the published code made of a dozen pictures with each.

use std::path::{Path, PathBuf};

use img2tokens_schemas::{KeepMask, Pixels, VisualTokens};

use super::Npz;
use crate::{Checkpoint, ModelConfig, ModelSource, Picture};

/// The golden pictures.
pub const NAMES: [&str; 11] = [
    "astronaut",
    "camera_gray",
    "chelsea",
    "chelsea_palette",
    "coffee_crop",
    "coffee_exif6",
    "logo_rgba",
    "rocket",
    "synth_gradient",
    "synth_noise_37x53",
    "synth_solid_224",
];

/// One golden model.
pub struct Golden {
    /// Its directory.
    pub directory: PathBuf,
    /// Its weights.
    pub checkpoint: Checkpoint,
}

/// A picture and what the published code made of it.
pub struct Sample {
    /// The picture, resized by Pillow.
    pub picture: Picture,
    /// Every array (see the golden data's README).
    pub arrays: Npz,
}

/// Where the golden data lies: `tests/data/golden` of the repository, or `golden` in the copy of `tests/data` that
/// `IMG2TOKENS_TEST_DATA` names (for tests that run on another machine than they were compiled on).
///
/// # Panics
/// If there is none.
#[must_use]
pub fn golden_directory() -> PathBuf {
    let data = std::env::var_os("IMG2TOKENS_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data"),
        PathBuf::from,
    );
    let golden = data.join("golden");
    assert!(golden.is_dir(), "{} is missing", golden.display());
    golden
}

impl Golden {
    /// Opens `small_a` or `small_b`.
    ///
    /// # Panics
    /// If the data is missing or broken.
    #[must_use]
    pub fn open(name: &str) -> Self {
        let directory = golden_directory().join(name);
        let source = ModelSource::Directory {
            path: directory.clone(),
            config: None,
        };
        Self {
            directory,
            checkpoint: Checkpoint::open(&source).unwrap(),
        }
    }

    /// Both models.
    #[must_use]
    pub fn both() -> [Self; 2] {
        ["small_a", "small_b"].map(Self::open)
    }

    /// The model's shapes.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        self.checkpoint.config()
    }

    /// One picture.
    #[must_use]
    pub fn sample(&self, name: &str) -> Sample {
        let arrays = self.arrays(name);
        let size = arrays.shape("resized_u8")[0] as u32;
        let pixels = Pixels::new(size, arrays.u8("resized_u8").to_vec()).unwrap();
        Sample {
            picture: Picture {
                key: name.to_owned(),
                pixels,
            },
            arrays,
        }
    }

    /// All pictures.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        NAMES.iter().map(|name| self.sample(name)).collect()
    }

    /// The arrays of one file.
    #[must_use]
    pub fn arrays(&self, name: &str) -> Npz {
        Npz::read(&self.directory.join(format!("{name}.npz")))
    }
}

/// The tokens that `keep_CASE` and `ids_CASE` hold.
pub(super) fn tokens(arrays: &Npz, case: &str) -> VisualTokens {
    let kept: Vec<bool> = arrays
        .u8(&format!("keep_{case}"))
        .iter()
        .map(|kept| *kept == 1)
        .collect();
    let codes = arrays
        .i32(&format!("ids_{case}"))
        .into_iter()
        .map(|code| u16::try_from(code).unwrap())
        .collect();
    VisualTokens::new(codes, KeepMask::from_bools(&kept)).unwrap()
}
