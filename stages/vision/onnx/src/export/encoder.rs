//! The first graph: the frozen encoder and the selector (spec sections 1 to 3).

use img2tokens_vision::{SaveError, normalise};

use super::attention::Weighing;
use super::graph::{Graph, Value};
use super::proto::{AttributeProto, FLOAT};
use crate::signature::{FEATURES, LOG_PROBABILITIES, PIXELS};

const ENCODER_EPS: f32 = 1e-6;
const SELECTOR_EPS: f32 = 1e-5;

/// Pixels to features and log-probabilities.
pub(super) fn encoder(graph: &mut Graph<'_>) -> Result<(), SaveError> {
    let pixels = graph.input(PIXELS);
    let mut x = graph.embed(&pixels)?;
    for block in 0..graph.config().encoder_depth {
        x = graph.encoder_block(&format!("encoder.blocks.{block}"), &x)?;
    }
    // Neither the final norm nor the head is applied; the class token goes.
    let [starts, ends, axes] = [&[1][..], &[i64::MAX], &[1]].map(|bound| graph.integers(bound));
    let features = graph.op("Slice", &[&x, &starts, &ends, &axes]);
    let log_probabilities = graph.selector(&features)?;
    graph.output(FEATURES, &features);
    graph.output(LOG_PROBABILITIES, &log_probabilities);
    Ok(())
}

impl Graph<'_> {
    /// `[B, S, S, 3]` of bytes to `[B, 1 + N, D]`.
    fn embed(&mut self, pixels: &Value) -> Result<Value, SaveError> {
        let (d, patch, patches) = (
            self.config().width,
            self.config().patch_size,
            self.config().patches(),
        );
        let x = self.normalise(pixels)?;
        let weight = self.weight("encoder.patch_embed.proj.weight", &[d, 3, patch, patch])?;
        let bias = self.weight("encoder.patch_embed.proj.bias", &[d])?;
        let square = [patch as i64; 2];
        let attributes = ["kernel_shape", "strides"].map(|name| AttributeProto::ints(name, &square));
        // [B, D, S / P, S / P]
        let x = self.op_with("Conv", &[&x, &weight, &bias], attributes.to_vec());
        let x = self.reshape(&x, &[0, d as i64, patches as i64]);
        let x = self.transpose(&x, &[0, 2, 1]);
        // The class token, the same for all: a row of zeros, and the token itself added to its position.
        let padding = self.integers(&[0, 1, 0, 0, 0, 0]);
        let x = self.op("Pad", &[&x, &padding]);
        let mut positions = self.values("encoder.pos_embed", &[1, patches + 1, d])?;
        let class_token = self.values("encoder.cls_token", &[1, 1, d])?;
        positions
            .iter_mut()
            .zip(&class_token)
            .for_each(|(position, token)| *position += token);
        let positions = self.tensor("encoder.positions", &[1, patches + 1, d], &positions)?;
        Ok(self.op("Add", &[&x, &positions]))
    }

    /// `[B, S, S, 3]` of bytes to `[B, 3, S, S]`: the steps of [`normalise::levels`], each rounded as there.
    fn normalise(&mut self, pixels: &Value) -> Result<Value, SaveError> {
        let levels = self.scalar(255.0);
        let mean = self.tensor("mean", &[3], &normalise::MEAN)?;
        let std = self.tensor("std", &[3], &normalise::STD)?;
        let x = self.op_with("Cast", &[pixels], vec![AttributeProto::int("to", FLOAT.into())]);
        let x = self.op("Div", &[&x, &levels]);
        let x = self.op("Sub", &[&x, &mean]);
        let x = self.op("Div", &[&x, &std]);
        Ok(self.transpose(&x, &[0, 3, 1, 2]))
    }

    /// A pre-norm transformer block, `[B, 1 + N, D]`.
    fn encoder_block(&mut self, name: &str, x: &Value) -> Result<Value, SaveError> {
        let d = self.config().width;
        // Keys have no bias.
        let bias = [
            self.values(&format!("{name}.attn.q_bias"), &[d])?,
            vec![0.0; d],
            self.values(&format!("{name}.attn.v_bias"), &[d])?,
        ]
        .concat();
        let normed = self.norm(&format!("{name}.norm1"), x, ENCODER_EPS)?;
        let qkv = self.linear_with(&format!("{name}.attn.qkv"), &bias, &normed, d)?;
        let [q, k, v] = self.split(&qkv);
        let seen = self.attention(&q, &k, &v, &Weighing::Softmax);
        let seen = self.linear(&format!("{name}.attn.proj"), &seen, d, d)?;
        let x = self.op("Add", &[x, &seen]);
        let normed = self.norm(&format!("{name}.norm2"), &x, ENCODER_EPS)?;
        self.mlp_onto(&format!("{name}.mlp"), &x, &normed)
    }

    /// Features `[B, N, D]` to log-probabilities `[B, N, 2]`, class 0 = keep.
    fn selector(&mut self, features: &Value) -> Result<Value, SaveError> {
        let (d, patches) = (self.config().width, self.config().patches());
        let normed = self.norm("token_predictor.in_conv.0", features, SELECTOR_EPS)?;
        let hidden = self.linear("token_predictor.in_conv.1", &normed, d, d)?;
        let hidden = self.gelu(&hidden);
        let [local, global] = self.split(&hidden);
        let mean = self.op_with("ReduceMean", &[&global], vec![AttributeProto::ints("axes", &[1])]);
        let every_patch = self.integers(&[1, patches as i64, 1]);
        let mean = self.op("Expand", &[&mean, &every_patch]);
        let joined = self.op_with("Concat", &[&local, &mean], vec![AttributeProto::int("axis", -1)]);
        let first = self.linear("token_predictor.out_conv.0", &joined, d / 2, d)?;
        let first = self.gelu(&first);
        let second = self.linear("token_predictor.out_conv.2", &first, d / 4, d / 2)?;
        let second = self.gelu(&second);
        let logits = self.linear("token_predictor.out_conv.4", &second, 2, d / 4)?;
        Ok(self.op_with("LogSoftmax", &[&logits], vec![AttributeProto::int("axis", -1)]))
    }
}
