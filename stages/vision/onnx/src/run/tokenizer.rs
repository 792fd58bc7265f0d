//! The tokenizer: two graphs, and the selection between them.

use img2tokens_schemas::{KeepMask, MergedFeatures, VisualTokens};
use img2tokens_vision::{
    ModelConfig, NotFinite, Picture, PixelBatch, Selection, TokenizedPicture, VisionError, VisualTokenizer,
    of_picture,
};
use ort::value::TensorRef;

use super::graph::{Graph, failed};
use super::{ExportedModel, Runtime, Settings};
use crate::signature::{CODES, ENCODER, FEATURES, KEPT, LOG_PROBABILITIES, MERGED, PIXELS, TOKENIZER, Z};

/// The LaVIT visual tokenizer through ONNX Runtime.
///
/// A picture is run alone, with shapes that depend on nothing but the model: so ids depend on no batch.
pub struct OnnxTokenizer {
    config: ModelConfig,
    encoder: Graph,
    tokenizer: Graph,
    selection: Selection,
    features: bool,
}

/// What the first graph makes of a picture.
struct Encoded {
    /// `[N, D]`
    features: Vec<f32>,
    /// `[N, 2]`, class 0 = keep.
    log_probabilities: Vec<[f32; 2]>,
}

/// What the second graph makes of it, of every patch; the kept ones count. Empty where none is kept.
#[derive(Default)]
struct Quantised {
    /// `[N, D]`
    merged: Vec<f32>,
    /// `[N, d]`
    z: Vec<f32>,
    /// `[N]`
    codes: Vec<i64>,
}

impl OnnxTokenizer {
    /// Loads the graphs of a model.
    ///
    /// # Errors
    /// If there is to be no thread at all, a graph is broken or another model's, or the provider is not to be had.
    pub fn new(model: &ExportedModel, runtime: &Runtime, settings: Settings) -> Result<Self, VisionError> {
        if settings.threads == 0 {
            return Err(VisionError::Unsupported(
                "a tokenizer needs at least one thread".to_owned(),
            ));
        }
        let load = |name, ports: &[_]| Graph::load(name, ports, model, runtime, &settings);
        Ok(Self {
            config: model.config().clone(),
            encoder: load(ENCODER, &[PIXELS, FEATURES, LOG_PROBABILITIES])?,
            tokenizer: load(TOKENIZER, &[FEATURES, KEPT, MERGED, Z, CODES])?,
            selection: settings.selection,
            features: settings.features,
        })
    }

    /// What one picture gives; `place` is its place in the batch.
    fn tokenize_one(&mut self, place: usize, picture: &Picture) -> Result<TokenizedPicture, VisionError> {
        let encoded = self.encode(picture)?;
        let kept = self
            .selection
            .decide(place, &picture.key, &encoded.log_probabilities)?;
        let quantised = if kept.kept() == 0 {
            Quantised::default()
        } else {
            self.quantise(&encoded.features, &kept)?
        };
        let (width, code_dim) = (self.config.width, self.config.code_dim);
        finite(&rows_at(&kept, &quantised.z, code_dim), "the merger's output")?;
        let features = || -> Result<MergedFeatures, VisionError> {
            let values = rows_at(&kept, &quantised.merged, width);
            finite(&values, "the merged features")?;
            Ok(MergedFeatures::from_f32(width, &values)?)
        };
        let features = self.features.then(features).transpose()?;
        // The graph's codes are places in a codebook of at most 65536.
        let codes = rows_at(&kept, &quantised.codes, 1)
            .into_iter()
            .map(|code| code as u16);
        Ok(TokenizedPicture {
            tokens: VisualTokens::new(codes.collect(), kept)?,
            features,
            reconstruction: None,
        })
    }

    fn encode(&mut self, picture: &Picture) -> Result<Encoded, VisionError> {
        let side = self.config.image_size;
        let pixels = TensorRef::from_array_view(([1, side, side, 3], picture.pixels.rgb()))
            .map_err(failed("passing pixels"))?;
        let outputs = self.encoder.run([(PIXELS, pixels.into())])?;
        let log_probabilities = outputs.numbers::<f32>(LOG_PROBABILITIES)?;
        Ok(Encoded {
            features: outputs.numbers(FEATURES)?.to_vec(),
            log_probabilities: log_probabilities.as_chunks().0.to_vec(),
        })
    }

    /// `features`: `[N, D]`.
    fn quantise(&mut self, features: &[f32], kept: &KeepMask) -> Result<Quantised, VisionError> {
        let (patches, width) = (self.config.patches(), self.config.width);
        let kept: Vec<bool> = (0..patches).map(|patch| kept.is_kept(patch)).collect();
        let features = TensorRef::from_array_view(([1, patches, width], features))
            .map_err(failed("passing features"))?;
        let kept = TensorRef::from_array_view(([1, patches], &*kept)).map_err(failed("passing the mask"))?;
        let outputs = self
            .tokenizer
            .run([(FEATURES, features.into()), (KEPT, kept.into())])?;
        Ok(Quantised {
            merged: outputs.numbers(MERGED)?.to_vec(),
            z: outputs.numbers(Z)?.to_vec(),
            codes: outputs.numbers(CODES)?.to_vec(),
        })
    }
}

impl VisualTokenizer for OnnxTokenizer {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn tokenize(
        &mut self,
        batch: &PixelBatch,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError> {
        batch.expect_size(self.config.image_size)?;
        let pictures = batch.pictures().iter().enumerate();
        pictures
            .map(|(place, picture)| of_picture(self.tokenize_one(place, picture)))
            .collect()
    }
}

/// The rows of kept patches, of all patches' rows; of none if there are no rows.
fn rows_at<T: Copy>(kept: &KeepMask, rows: &[T], width: usize) -> Vec<T> {
    rows.chunks_exact(width)
        .enumerate()
        .filter(|(patch, _)| kept.is_kept(*patch))
        .flat_map(|(_, row)| row)
        .copied()
        .collect()
}

fn finite(values: &[f32], what: &'static str) -> Result<(), NotFinite> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(NotFinite { what })
    }
}

#[cfg(test)]
mod tests;
