//! Codes back to the encoder's features (spec section 8), to see how much of a picture they hold.

use candle_core::{D, Result, Tensor};
use img2tokens_vision::{DecoderCheckpoint, Dtype, VisionError};

use crate::block::Block;
use crate::error::failed;
use crate::layers::{LayerNorm, Linear};
use crate::weights::Weights;

const EPS: f32 = 1e-5;
/// Full self-attention, cross-attention to the codes.
const ATTENTIONS: [&str; 2] = ["self_attn", "cross_attn"];
/// The shortest length that a cosine divides by, as PyTorch's `cosine_similarity`.
const MIN_LENGTH: f64 = 1e-8;

/// Learned queries, one for each patch, that look at the codes.
pub(crate) struct Decoder {
    in_proj: Linear,
    /// By position in the kept sequence, `[N, D]`.
    positions: Tensor,
    /// `[N, D]`
    queries: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    hidden: Linear,
    project: Linear,
}

impl Decoder {
    pub(crate) fn new(
        checkpoint: &DecoderCheckpoint,
        dtype: Dtype,
    ) -> std::result::Result<Self, VisionError> {
        let (config, weights) = (checkpoint.config(), Weights::new(checkpoint, dtype));
        let (d, patches) = (config.width, config.patches());
        let rows = |name: &str| {
            weights
                .tensor(name, &[1, patches, d])?
                .reshape((patches, d))
                .map_err(failed("loading the decoder"))
        };
        let blocks = weights.under("blocks");
        let layers = weights.under("decode_task_layer");
        Ok(Self {
            in_proj: weights.linear("in_proj", d, config.code_dim)?,
            positions: rows("pos_embed")?,
            queries: rows("query_embed")?,
            blocks: (0..checkpoint.depth())
                .map(|block| Block::new(config, &blocks.under(block), ATTENTIONS, EPS))
                .collect::<std::result::Result<_, _>>()?,
            norm: weights.norm("norm", d, EPS)?,
            hidden: layers.linear("0", d, d)?,
            project: layers.linear("2", d, d)?,
        })
    }

    /// `codes`: rows of the codebook in raster order, `[T, d]`; gives the features of every patch, `[N, D]`.
    ///
    /// A batch would be padded and the padding masked out: here a picture is alone.
    pub(crate) fn forward(&self, codes: &Tensor) -> Result<Tensor> {
        let positions = self.positions.narrow(0, 0, codes.dim(0)?)?;
        let codes = (self.in_proj.forward(codes)? + positions)?;
        let mut x = self.queries.clone();
        for block in &self.blocks {
            let all = |q: &Tensor, k: &Tensor, v: &Tensor| block.heads.softmax(q, k, v);
            x = block.forward(&x, &codes, all, all)?;
        }
        let hidden = self.hidden.forward(&self.norm.forward(&x)?)?.tanh()?;
        self.project.forward(&hidden)
    }
}

/// The cosine of each row of `a` with that of `b`, their mean: 1 minus the tokenizer's training loss (spec section 9).
pub(crate) fn mean_cosine(a: &Tensor, b: &Tensor) -> Result<f32> {
    let (a, b) = (
        a.to_dtype(candle_core::DType::F64)?,
        b.to_dtype(candle_core::DType::F64)?,
    );
    let length = |x: &Tensor| x.sqr()?.sum(D::Minus1)?.sqrt()?.maximum(MIN_LENGTH);
    let products = (&a * &b)?.sum(D::Minus1)?;
    let cosines = products.div(&length(&a)?)?.div(&length(&b)?)?;
    Ok(cosines.mean_all()?.to_scalar::<f64>()? as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::Codebook;
    use crate::model::tests::{expect_close, to_f32};
    use candle_core::Device;
    use img2tokens_vision::conformance::Golden;
    use img2tokens_vision::{Checkpoint, ModelSource};
    use std::path::Path;

    /// Golden model small_a with the decoder that `tests/decoder/make_golden.py` drew for it.
    fn checkpoint(directory: &Path) -> Checkpoint {
        let golden = Golden::open("small_a").directory;
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(golden.join(file), directory.join(file)).unwrap();
        }
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decoder/decoder.safetensors");
        std::fs::copy(fixture, directory.join("decoder.safetensors")).unwrap();
        let source = ModelSource::Directory {
            path: directory.to_owned(),
            config: None,
        };
        Checkpoint::open(&source).unwrap()
    }

    #[test]
    fn reconstructed_features_are_those_of_the_specification_in_float64() {
        let directory = tempfile::tempdir().unwrap();
        let checkpoint = checkpoint(directory.path());
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decoder/expected.safetensors");
        let expected = candle_core::safetensors::load(fixture, &Device::Cpu).unwrap();
        let golden = Golden::open("small_a").sample("astronaut").arrays;
        let codes: Vec<u16> = golden.i32("ids_argmax").iter().map(|code| *code as u16).collect();
        let weights = Weights::new(&checkpoint, Dtype::F32);
        let rows = Codebook::new(checkpoint.config(), &weights)
            .unwrap()
            .rows(&codes)
            .unwrap();
        let decoder = Decoder::new(&checkpoint.decoder().unwrap(), Dtype::F32).unwrap();
        let found = decoder.forward(&rows).unwrap();
        expect_close(&to_f32(&found), &to_f32(&expected["features"]), 1e-5);
        let width = checkpoint.config().width;
        let features = Tensor::new(&golden.f32("encoder_features")[width..], &Device::Cpu)
            .and_then(|features| features.reshape(found.shape()))
            .unwrap();
        let cosine = mean_cosine(&found, &features).unwrap();
        assert!(
            (cosine - to_f32(&expected["mean_cosine"])[0]).abs() < 1e-5,
            "{cosine}"
        );
    }

    #[test]
    fn a_model_without_a_decoder_says_where_one_would_lie() {
        let error = Golden::open("small_a")
            .checkpoint
            .decoder()
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("decoder.safetensors") && error.contains("tokenizer_decoder.bin"),
            "{error}"
        );
    }
}
