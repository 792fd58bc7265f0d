//! Hostile checkpoints, opened the one way there is: as a directory.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use img2tokens_vision::{Checkpoint, ModelConfig, ModelSource};

/// The smallest model that there is: so that a file which holds it is soon found.
const TINY: ModelConfig = ModelConfig {
    image_size: 4,
    patch_size: 2,
    width: 4,
    heads: 2,
    mlp_ratio: 2.0,
    encoder_depth: 1,
    merger_depth: 1,
    codebook_size: 6,
    code_dim: 2,
};

/// Writes these bytes under each of the names and opens them as a model; if they are one, reads every tensor of it.
pub fn open(names: &[&str], bytes: &[u8]) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder").keep());
    for name in names {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("room for a file");
    }
    let source = ModelSource::Directory {
        path: folder.clone(),
        config: Some(TINY),
    };
    if let Ok(checkpoint) = Checkpoint::open(&source) {
        checkpoint.digest().expect("an opened checkpoint is whole");
    }
}
