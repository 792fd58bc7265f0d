//! Models and tokenizers that lie in a store (`s3://`, `gs://`, `az://`, `http(s)://`), as files on this machine.
//!
//! What is brought is kept in the cache and found there again, as long as the store states the same sizes and entity
//! tags (or times): one look-up a file, no download. A changed object is another copy beside the old one.

mod cache;
mod needed;

pub use cache::{Cache, CopyError};

use img2tokens_vision::Extras;

use crate::config::{Config, Vision};
use crate::{model, storage};

/// The config with every model and tokenizer of a store replaced by its copy here.
///
/// # Errors
/// If one is not to be had, or the cache not to be written.
pub async fn of(config: &Config) -> Result<Config, CopyError> {
    let mut here = config.clone();
    here.vision = vision(&config.vision, model::extras(&config.output)).await?;
    here.text.tokenizer = tokenizer(&config.text.tokenizer).await?;
    Ok(here)
}

/// The same of the model alone: all of it that is needed for `extras`.
///
/// # Errors
/// As [`of`].
pub async fn vision(vision: &Vision, extras: Extras) -> Result<Vision, CopyError> {
    let mut here = vision.clone();
    if is_remote(&vision.model) {
        let parts = needed::model(vision.backend, extras);
        here.model = Cache::from_env()?.folder(&vision.model, &parts).await?;
    }
    Ok(here)
}

/// The text tokenizer of this name: itself, or its copy here.
///
/// # Errors
/// As [`of`].
pub async fn tokenizer(name: &str) -> Result<String, CopyError> {
    if is_remote(name) {
        Cache::from_env()?.file(name).await
    } else {
        Ok(name.to_owned())
    }
}

fn is_remote(name: &str) -> bool {
    storage::local(name).is_none()
}
