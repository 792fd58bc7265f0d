//! `verify --deep`: some pairs of an output tokenized again, from pictures that can still be had.
//!
//! ```text
//! draw -> pictures (kept archives, inputs, URLs) -> queue -> tokenize and compare, on a thread of its own
//! ```
//!
//! The stages are those of the plan: everything that changes ids stands there. Of a pair the codes and the kept patches
//! are compared; a picture that is another one by now, or gone, proves nothing and is only counted.

mod compare;
mod draw;
mod pictures;

use anyhow::{Context, bail};
use img2tokens_image::ImageStage;
use img2tokens_shard::Destination;
use img2tokens_shard::verify::Findings;
use img2tokens_vision::Extras;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::config::Config;
use crate::plan::Plan;
use crate::{embedded, model, stages};
use compare::Comparison;
use pictures::Pictures;

/// What became of the pairs that were drawn.
#[derive(Debug, Default)]
pub struct Report {
    /// Pairs tokenized again.
    pub compared: u64,
    /// Pairs whose picture can no longer be had.
    pub gone: u64,
    /// Pairs whose picture is another one by now.
    pub changed: u64,
    /// Pairs that gave other tokens.
    pub findings: Findings,
}

/// Tokenizes `count` pairs again, those that `seed` draws, by `config`: the plan's settings, and where the model lies.
///
/// Memory: the pairs drawn, and the pictures of one batch.
///
/// # Errors
/// If the model is not the plan's, or it, the downloader or the output fails.
pub async fn verify(
    destination: &Destination,
    plan: &Plan,
    config: &Config,
    count: usize,
    seed: u64,
) -> anyhow::Result<Report> {
    let opened = model::open(&config.vision, None)?;
    let (expected, found) = (&plan.identity.model.digest, opened.digest()?);
    if *expected != found {
        bail!(
            "the output was made with the model of digest {expected}, and `{}` has {found}: name its model with --model",
            config.vision.model
        );
    }
    let loaded = model::load(&config.vision, Extras::default(), &opened)?;
    let images = ImageStage::new(stages::image_config(&config.image, opened.config())?);
    let samples = embedded::start_if_asked(config).await?;
    let pictures = Pictures::new(config, plan, samples.as_ref()).await?;
    let drawn = draw::draw(destination, count, seed).await?;
    let (found, queue) = mpsc::channel(loaded.batch_size);
    let comparison = Comparison::new(images, loaded);
    let compared = spawn_blocking(move || comparison.compare_all(queue));
    pictures.send(destination, drawn, found).await;
    let report = compared.await.context("the thread of the model died")??;
    if let Some(samples) = samples {
        samples.stop().await;
    }
    Ok(report)
}
