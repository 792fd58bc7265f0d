//! The whole model, one picture at a time.

use candle_core::{Result as CandleResult, Tensor};
use img2tokens_schemas::{KeepMask, MergedFeatures, VisualTokens};
use img2tokens_vision::{
    Checkpoint, FeatureMerger, Merger as Mode, NotFinite, Picture, Selection, TokenizedPicture, VisionError,
};

use crate::Settings;
use crate::codebook::Codebook;
use crate::decoder::{Decoder, mean_cosine};
use crate::encoder::Encoder;
use crate::error::failed;
use crate::merger::Merger;
use crate::selector::Selector;
use crate::weights::Weights;

/// Encoder, selector, merger, codebook; and what settings ask for beside tokens.
pub(crate) struct Model {
    encoder: Encoder,
    selector: Selector,
    merger: Merger,
    mode: Mode,
    codebook: Codebook,
    features: Option<FeatureSource>,
    decoder: Option<Decoder>,
}

/// Whose merged features are given out.
enum FeatureSource {
    /// Those that codes are quantised from.
    Quantised,
    /// Those of this merger.
    Other(Box<Merger>),
}

impl Model {
    pub(crate) fn new(checkpoint: &Checkpoint, settings: &Settings) -> Result<Self, VisionError> {
        let (config, dtype) = (checkpoint.config(), settings.dtype);
        let weights = Weights::new(checkpoint, dtype);
        let features = match settings.extras.features {
            None => None,
            Some(FeatureMerger::Tokenizer) => Some(FeatureSource::Quantised),
            Some(FeatureMerger::LanguageModel) => {
                let tuned = checkpoint.with_language_model_merger()?;
                let weights = Weights::new(&tuned, dtype).under("causal_encoder");
                Some(FeatureSource::Other(Box::new(Merger::new(config, &weights)?)))
            }
        };
        let decoder = settings
            .extras
            .reconstruction
            .then(|| Decoder::new(&checkpoint.decoder()?, dtype));
        Ok(Self {
            encoder: Encoder::new(config, &weights.under("encoder"))?,
            selector: Selector::new(config, &weights.under("token_predictor"))?,
            merger: Merger::new(config, &weights.under("causal_encoder"))?,
            mode: settings.merger,
            codebook: Codebook::new(config, &weights)?,
            features,
            decoder: decoder.transpose()?,
        })
    }

    /// What one picture gives; `place` is its place in the batch.
    pub(crate) fn tokenize(
        &self,
        place: usize,
        picture: &Picture,
        selection: &Selection,
    ) -> Result<TokenizedPicture, VisionError> {
        let features = self
            .encoder
            .forward(&picture.pixels)
            .map_err(failed("encoding"))?;
        let log_probabilities = self.selector.forward(&features).map_err(failed("selecting"))?;
        let kept = selection.decide(place, &picture.key, &log_probabilities)?;
        if kept.kept() == 0 {
            return Ok(TokenizedPicture {
                tokens: VisualTokens::new(Vec::new(), kept)?,
                features: self.features.as_ref().map(|_| self.no_features()).transpose()?,
                reconstruction: None,
            });
        }
        let merged = self
            .merge(&self.merger, &features, &kept)
            .map_err(failed("merging"))?;
        let z = self.codebook.project(&merged).map_err(failed("projecting"))?;
        finite(&z, "the merger's output")?;
        let codes = self.codebook.nearest(&z).map_err(failed("quantising"))?;
        Ok(TokenizedPicture {
            features: self.features_given(merged, &features, &kept)?,
            reconstruction: self.reconstruction(&codes, &features)?,
            tokens: VisualTokens::new(codes, kept)?,
        })
    }

    /// The features that settings ask for; `merged` are those that codes are quantised from.
    fn features_given(
        &self,
        merged: Tensor,
        features: &Tensor,
        kept: &KeepMask,
    ) -> Result<Option<MergedFeatures>, VisionError> {
        let given = match &self.features {
            None => return Ok(None),
            Some(FeatureSource::Quantised) => merged,
            Some(FeatureSource::Other(merger)) => {
                self.merge(merger, features, kept).map_err(failed("merging"))?
            }
        };
        let values = finite(&given, "the merged features")?;
        Ok(Some(MergedFeatures::from_f32(self.width(), &values)?))
    }

    fn no_features(&self) -> Result<MergedFeatures, VisionError> {
        Ok(MergedFeatures::from_f32(self.width(), &[])?)
    }

    /// D
    fn width(&self) -> usize {
        self.merger.norm.width()
    }

    /// The cosine of reconstructed and true features, where settings ask for it.
    fn reconstruction(&self, codes: &[u16], features: &Tensor) -> Result<Option<f32>, VisionError> {
        let Some(decoder) = &self.decoder else {
            return Ok(None);
        };
        let cosine = self
            .codebook
            .rows(codes)
            .and_then(|rows| decoder.forward(&rows))
            .and_then(|found| mean_cosine(&found, features))
            .map_err(failed("reconstructing"))?;
        if cosine.is_finite() {
            Ok(Some(cosine))
        } else {
            Err(NotFinite {
                what: "the decoder's output",
            }
            .into())
        }
    }

    /// Merged features of kept patches, `[T, D]`.
    fn merge(&self, merger: &Merger, features: &Tensor, kept: &KeepMask) -> CandleResult<Tensor> {
        match self.mode {
            Mode::Packed => merger.forward_packed(features, kept),
            Mode::Full => {
                let places: Vec<u32> = kept.kept_patches().map(|patch| patch as u32).collect();
                let places = Tensor::from_vec(places, kept.kept(), features.device())?;
                merger.forward(features, kept)?.index_select(&places, 0)
            }
        }
    }
}

/// The numbers of `x`, all of them finite.
fn finite(x: &Tensor, what: &'static str) -> Result<Vec<f32>, VisionError> {
    let values = x
        .flatten_all()
        .and_then(|x| x.to_vec1::<f32>())
        .map_err(failed("reading a result"))?;
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(NotFinite { what }.into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use img2tokens_vision::conformance::Golden;
    use img2tokens_vision::{Dtype, Extras};

    pub(crate) fn model(checkpoint: &Checkpoint, mode: Mode) -> Model {
        let settings = Settings {
            dtype: Dtype::F32,
            selection: Selection::argmax(),
            merger: mode,
            extras: Extras::default(),
            threads: 1,
        };
        Model::new(checkpoint, &settings).unwrap()
    }

    pub(crate) fn to_f32(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Every number within `tolerance` of the expected one, relative to the largest of them.
    pub(crate) fn expect_close(found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let worst = found
            .iter()
            .zip(expected)
            .fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(
            worst <= tolerance * largest,
            "off by {worst} where the largest is {largest}"
        );
    }

    fn kept(flags: &[u8]) -> KeepMask {
        KeepMask::from_bools(&flags.iter().map(|flag| *flag == 1).collect::<Vec<_>>())
    }

    /// Rows of kept patches.
    fn rows(flat: &[f32], width: usize, kept: &KeepMask) -> Vec<f32> {
        kept.kept_patches()
            .flat_map(|patch| flat[patch * width..(patch + 1) * width].to_vec())
            .collect()
    }

    #[test]
    fn log_probabilities_agree_to_a_ten_thousandth() {
        for golden in Golden::both() {
            let model = model(&golden.checkpoint, Mode::Full);
            for sample in golden.samples() {
                let features = model.encoder.forward(&sample.picture.pixels).unwrap();
                let found = model.selector.forward(&features).unwrap();
                let worst = found
                    .as_flattened()
                    .iter()
                    .zip(sample.arrays.f32("logp"))
                    .map(|(a, b)| (a - b).abs());
                let worst = worst.fold(0.0, f32::max);
                assert!(worst <= 1e-4, "{}: off by {worst}", sample.picture.key);
            }
        }
    }

    /// Both mergers, on the published features and masks.
    #[test]
    fn merged_features_and_z_agree_to_a_thousandth() {
        for (golden, mode) in Golden::both()
            .iter()
            .flat_map(|golden| [(golden, Mode::Full), (golden, Mode::Packed)])
        {
            let model = model(&golden.checkpoint, mode);
            let width = golden.config().width;
            for (sample, case) in golden
                .samples()
                .iter()
                .flat_map(|sample| [(sample, "argmax"), (sample, "gumbel")])
            {
                let kept = kept(sample.arrays.u8(&format!("keep_{case}")));
                if kept.kept() == 0 {
                    continue;
                }
                let features = model.encoder.forward(&sample.picture.pixels).unwrap();
                let merged = model.merge(&model.merger, &features, &kept).unwrap();
                let expected = rows(&sample.arrays.f32(&format!("merged_{case}")), width, &kept);
                expect_close(&to_f32(&merged), &expected, 1e-3);
                let z = model.codebook.project(&merged).unwrap();
                expect_close(&to_f32(&z), &sample.arrays.f32(&format!("z_{case}")), 1e-3);
            }
        }
    }

    #[test]
    fn every_merger_block_agrees_with_the_published_code() {
        for golden in Golden::both() {
            let trace = golden.arrays("trace_astronaut_argmax");
            let sample = golden.sample("astronaut");
            let mut model = model(&golden.checkpoint, Mode::Full);
            let features = model.encoder.forward(&sample.picture.pixels).unwrap();
            let kept = kept(sample.arrays.u8("keep_argmax"));
            let whole = model.merger.forward(&features, &kept).unwrap();
            expect_close(&to_f32(&whole), &trace.f32("norm_out"), 1e-4);
            let depth = model.merger.blocks.len();
            for number in (0..depth).rev() {
                model.merger.blocks.truncate(number + 1);
                let normed = to_f32(&model.merger.forward(&features, &kept).unwrap());
                let block =
                    Tensor::new(trace.f32(&format!("mrg_block_{number}")), features.device()).unwrap();
                let block = block.reshape(features.shape()).unwrap();
                expect_close(
                    &normed,
                    &to_f32(&model.merger.norm.forward(&block).unwrap()),
                    1e-4,
                );
            }
        }
    }
}
