//! The tokenizer: a model, and the threads that pictures are spread over.

use img2tokens_vision::{
    Checkpoint, ModelConfig, NotFinite, PixelBatch, Selection, TokenizedPicture, VisionError,
    VisualTokenizer, of_picture,
};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Settings;
use crate::error::BACKEND;
use crate::model::Model;

/// The LaVIT visual tokenizer on the CPU.
pub struct CandleTokenizer {
    config: ModelConfig,
    model: Model,
    selection: Selection,
    threads: ThreadPool,
}

impl CandleTokenizer {
    /// Loads a model. Its weights are copied: the checkpoint may be dropped.
    ///
    /// # Errors
    /// If the checkpoint lacks a tensor, there is to be no thread at all, or threads cannot be started.
    pub fn new(checkpoint: &Checkpoint, settings: Settings) -> Result<Self, VisionError> {
        if settings.threads == 0 {
            return Err(VisionError::Unsupported(
                "a tokenizer needs at least one thread".to_owned(),
            ));
        }
        let threads = ThreadPoolBuilder::new()
            .num_threads(settings.threads)
            .thread_name(|number| format!("vision-{number}"))
            .build()
            .map_err(|error| VisionError::Backend {
                backend: BACKEND,
                doing: format!("starting {} threads", settings.threads),
                source: Box::new(error),
            })?;
        Ok(Self {
            config: checkpoint.config().clone(),
            model: Model::new(checkpoint, &settings)?,
            selection: settings.selection,
            threads,
        })
    }
}

impl VisualTokenizer for CandleTokenizer {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn tokenize(
        &mut self,
        batch: &PixelBatch,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError> {
        batch.expect_size(self.config.image_size)?;
        let (model, selection) = (&self.model, &self.selection);
        let tokens = |(place, picture)| of_picture(model.tokenize(place, picture, selection));
        self.threads
            .install(|| batch.pictures().par_iter().enumerate().map(tokens).collect())
    }
}
