//! The whole model, one picture at a time.

use candle_core::{Result as CandleResult, Tensor};
use img2tokens_schemas::{KeepMask, VisualTokens};
use img2tokens_vision::{Checkpoint, Dtype, Merger as Mode, ModelConfig, Picture, Selection, VisionError};

use crate::codebook::Codebook;
use crate::encoder::Encoder;
use crate::error::failed;
use crate::merger::Merger;
use crate::selector::Selector;
use crate::weights::Weights;

/// Encoder, selector, merger, codebook.
pub(crate) struct Model {
    encoder: Encoder,
    selector: Selector,
    merger: Merger,
    mode: Mode,
    codebook: Codebook,
}

impl Model {
    pub(crate) fn new(checkpoint: &Checkpoint, dtype: Dtype, mode: Mode) -> Result<Self, VisionError> {
        let (config, weights): (&ModelConfig, _) = (checkpoint.config(), Weights::new(checkpoint, dtype));
        Ok(Self {
            encoder: Encoder::new(config, &weights.under("encoder"))?,
            selector: Selector::new(config, &weights.under("token_predictor"))?,
            merger: Merger::new(config, &weights.under("causal_encoder"))?,
            mode,
            codebook: Codebook::new(config, &weights)?,
        })
    }

    /// The tokens of one picture; `place` is its place in the batch.
    pub(crate) fn tokenize(
        &self,
        place: usize,
        picture: &Picture,
        selection: &Selection,
    ) -> Result<VisualTokens, VisionError> {
        let features = self
            .encoder
            .forward(&picture.pixels)
            .map_err(failed("encoding"))?;
        let log_probabilities = self.selector.forward(&features).map_err(failed("selecting"))?;
        let kept = selection.decide(place, &picture.key, &log_probabilities)?;
        if kept.kept() == 0 {
            return Ok(VisualTokens::new(Vec::new(), kept)?);
        }
        let merged = self.merge(&features, &kept).map_err(failed("merging"))?;
        let z = self.codebook.project(&merged).map_err(failed("projecting"))?;
        if !is_finite(&z).map_err(failed("projecting"))? {
            return Err(VisionError::NotFinite {
                key: picture.key.clone(),
                stage: "the merger's output",
            });
        }
        let codes = self.codebook.nearest(&z).map_err(failed("quantising"))?;
        Ok(VisualTokens::new(codes, kept)?)
    }

    /// Merged features of kept patches, `[T, D]`.
    fn merge(&self, features: &Tensor, kept: &KeepMask) -> CandleResult<Tensor> {
        match self.mode {
            Mode::Packed => self.merger.forward_packed(features, kept),
            Mode::Full => {
                let places: Vec<u32> = kept.kept_patches().map(|patch| patch as u32).collect();
                let places = Tensor::from_vec(places, kept.kept(), features.device())?;
                self.merger.forward(features, kept)?.index_select(&places, 0)
            }
        }
    }
}

fn is_finite(x: &Tensor) -> CandleResult<bool> {
    Ok(x.flatten_all()?
        .to_vec1::<f32>()?
        .iter()
        .all(|value| value.is_finite()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use img2tokens_vision::conformance::Golden;

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
            let model = Model::new(&golden.checkpoint, Dtype::F32, Mode::Full).unwrap();
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
            let model = Model::new(&golden.checkpoint, Dtype::F32, mode).unwrap();
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
                let merged = model.merge(&features, &kept).unwrap();
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
            let mut model = Model::new(&golden.checkpoint, Dtype::F32, Mode::Full).unwrap();
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
