//! The frozen encoder, EVA-CLIP ViT-g/14 at its full size (spec section 2).

use candle_core::{Device, Result, Tensor};
use img2tokens_schemas::Pixels;
use img2tokens_vision::{ModelConfig, VisionError, normalise};

use crate::attention::Heads;
use crate::layers::{LayerNorm, Linear, Mlp};
use crate::weights::Weights;

const EPS: f32 = 1e-6;

/// Pixels to features, one for each patch.
pub(crate) struct Encoder {
    patch_size: usize,
    patch_embed: Linear,
    /// `[1, D]`
    class_token: Tensor,
    /// `[1 + N, D]`
    positions: Tensor,
    blocks: Vec<Block>,
}

impl Encoder {
    pub(crate) fn new(config: &ModelConfig, weights: &Weights<'_>) -> std::result::Result<Self, VisionError> {
        let (d, tokens) = (config.width, config.patches() + 1);
        let positions = weights.tensor("pos_embed", &[1, tokens, d])?;
        let class_token = weights.tensor("cls_token", &[1, 1, d])?;
        let failed = crate::error::failed;
        Ok(Self {
            patch_size: config.patch_size,
            patch_embed: patch_embed(config, &weights.under("patch_embed.proj"))?,
            class_token: class_token
                .reshape((1, d))
                .map_err(failed("loading the encoder"))?,
            positions: positions
                .reshape((tokens, d))
                .map_err(failed("loading the encoder"))?,
            blocks: (0..config.encoder_depth)
                .map(|block| Block::new(config, &weights.under("blocks").under(block)))
                .collect::<std::result::Result<_, _>>()?,
        })
    }

    /// Features of every patch, `[N, D]`.
    pub(crate) fn forward(&self, pixels: &Pixels) -> Result<Tensor> {
        let mut x = self.embed(pixels)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        // Neither the final norm nor the head is applied; the class token goes.
        x.narrow(0, 1, x.dim(0)? - 1)?.contiguous()
    }

    /// Patches as tokens behind the class token, `[1 + N, D]`.
    fn embed(&self, pixels: &Pixels) -> Result<Tensor> {
        let patches = normalise::to_patches(pixels, self.patch_size);
        let inputs = 3 * self.patch_size * self.patch_size;
        let count = patches.len() / inputs;
        let patches = Tensor::from_vec(patches, (count, inputs), &Device::Cpu)?;
        Tensor::cat(&[&self.class_token, &self.patch_embed.forward(&patches)?], 0)? + &self.positions
    }
}

/// The convolution whose stride is its size: one product over patches, `[D, 3 * P * P]`.
fn patch_embed(config: &ModelConfig, weights: &Weights<'_>) -> std::result::Result<Linear, VisionError> {
    let (d, patch) = (config.width, config.patch_size);
    Ok(Linear::new(
        &weights.values("weight", &[d, 3, patch, patch])?,
        weights.values("bias", &[d])?,
        weights.dtype(),
    ))
}

/// A pre-norm transformer block.
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    heads: Heads,
    proj: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Block {
    fn new(config: &ModelConfig, weights: &Weights<'_>) -> std::result::Result<Self, VisionError> {
        let d = config.width;
        let attention = weights.under("attn");
        // Keys have no bias.
        let bias = [
            attention.values("q_bias", &[d])?,
            vec![0.0; d],
            attention.values("v_bias", &[d])?,
        ]
        .concat();
        Ok(Self {
            norm1: weights.norm("norm1", d, EPS)?,
            qkv: Linear::new(
                &attention.values("qkv.weight", &[3 * d, d])?,
                bias,
                weights.dtype(),
            ),
            heads: Heads {
                count: config.heads,
                dtype: weights.dtype(),
            },
            proj: attention.linear("proj", d, d)?,
            norm2: weights.norm("norm2", d, EPS)?,
            mlp: weights.mlp("mlp", d, config.mlp_hidden())?,
        })
    }

    /// `x`: `[1 + N, D]`; gives the same shape.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [q, k, v] = split_qkv(&self.qkv.forward(&self.norm1.forward(x)?)?)?;
        let x = self.proj.forward_onto(x, &self.heads.softmax(&q, &k, &v)?)?;
        self.mlp.forward_onto(&x, &self.norm2.forward(&x)?)
    }
}

/// `[rows, 3 D]` to three of `[rows, D]`.
pub(crate) fn split_qkv(qkv: &Tensor) -> Result<[Tensor; 3]> {
    let d = qkv.dim(1)? / 3;
    Ok([
        qkv.narrow(1, 0, d)?,
        qkv.narrow(1, d, d)?,
        qkv.narrow(1, 2 * d, d)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{expect_close, to_f32};
    use img2tokens_vision::Dtype;
    use img2tokens_vision::conformance::Golden;

    #[test]
    fn every_block_agrees_with_the_published_code() {
        for golden in Golden::both() {
            let weights = Weights::new(&golden.checkpoint, Dtype::F32).under("encoder");
            let encoder = Encoder::new(golden.config(), &weights).unwrap();
            let (sample, trace) = (
                golden.sample("astronaut"),
                golden.arrays("trace_astronaut_argmax"),
            );
            let mut x = encoder.embed(&sample.picture.pixels).unwrap();
            for (number, block) in encoder.blocks.iter().enumerate() {
                x = block.forward(&x).unwrap();
                expect_close(&to_f32(&x), &trace.f32(&format!("enc_block_{number}")), 1e-4);
            }
        }
    }

    #[test]
    fn features_agree_with_the_published_code() {
        for golden in Golden::both() {
            let weights = Weights::new(&golden.checkpoint, Dtype::F32).under("encoder");
            let encoder = Encoder::new(golden.config(), &weights).unwrap();
            for sample in golden.samples() {
                let features = to_f32(&encoder.forward(&sample.picture.pixels).unwrap());
                expect_close(
                    &features,
                    &sample.arrays.f32("encoder_features")[golden.config().width..],
                    1e-4,
                );
            }
        }
    }
}
