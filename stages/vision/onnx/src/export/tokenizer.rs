//! The second graph: the token merger over every patch, and the codebook (spec sections 4 and 5).

use img2tokens_vision::SaveError;

use super::attention::Weighing;
use super::graph::{Graph, Value};
use super::proto::{AttributeProto, FLOAT};
use crate::signature::{CODES, FEATURES, KEPT, MERGED, Z};

const EPS: f32 = 1e-5;

/// A length below which z is not scaled up any further.
const MIN_NORM: f32 = 1e-12;

/// Features and a mask to merged features, z and codes.
pub(super) fn tokenizer(graph: &mut Graph<'_>) -> Result<(), SaveError> {
    let (features, kept) = (graph.input(FEATURES), graph.input(KEPT));
    let masks = graph.masks(&kept)?;
    let origin = graph.norm("causal_encoder.ln_vision", &features, EPS)?;
    let mut x = features;
    for block in 0..graph.config().merger_depth {
        x = graph.merger_block(&format!("causal_encoder.blocks.{block}"), &x, &origin, &masks)?;
    }
    let merged = graph.norm("causal_encoder.norm", &x, EPS)?;
    let z = graph.project(&merged)?;
    let codes = graph.nearest(&z)?;
    graph.output(MERGED, &merged);
    graph.output(Z, &z);
    graph.output(CODES, &codes);
    Ok(())
}

/// Which keys a query may see, as 0 and 1.
struct Masks {
    /// Earlier kept ones and itself, `[B, 1, N, N]`.
    causal: Value,
    /// Dropped ones, `[B, 1, 1, N]`.
    dropped: Value,
}

impl Graph<'_> {
    fn masks(&mut self, kept: &Value) -> Result<Masks, SaveError> {
        let n = self.config().patches();
        let matrix = |allowed: fn(usize, usize) -> bool| -> Vec<f32> {
            (0..n * n)
                .map(|at| f32::from(u8::from(allowed(at / n, at % n))))
                .collect()
        };
        let earlier = self.tensor("earlier", &[n, n], &matrix(|i, j| j < i))?;
        let itself = self.tensor("itself", &[n, n], &matrix(|i, j| j == i))?;
        let kept = self.op_with("Cast", &[kept], vec![AttributeProto::int("to", FLOAT.into())]);
        let kept = self.reshape(&kept, &[0, 1, 1, n as i64]);
        let one = self.scalar(1.0);
        let earlier_kept = self.op("Mul", &[&kept, &earlier]);
        Ok(Masks {
            causal: self.op("Add", &[&earlier_kept, &itself]),
            dropped: self.op("Sub", &[&one, &kept]),
        })
    }

    /// Causal self-attention, cross-attention to dropped patches, MLP; `x`, `origin`: `[B, N, D]`.
    fn merger_block(
        &mut self,
        name: &str,
        x: &Value,
        origin: &Value,
        masks: &Masks,
    ) -> Result<Value, SaveError> {
        let d = self.config().width;
        let normed = self.norm(&format!("{name}.norm0"), x, EPS)?;
        let qkv = self.linear(&format!("{name}.token_causal_attn.qkv"), &normed, 3 * d, d)?;
        let [q, k, v] = self.split(&qkv);
        let seen = self.attention(&q, &k, &v, &Weighing::Smoothed(&masks.causal));
        let seen = self.linear(&format!("{name}.token_causal_attn.proj"), &seen, d, d)?;
        let x = self.op("Add", &[x, &seen]);

        let normed = self.norm(&format!("{name}.norm1"), &x, EPS)?;
        let cross = format!("{name}.token_cross_attn");
        let q = self.linear(&format!("{cross}.query"), &normed, d, d)?;
        let k = self.linear(&format!("{cross}.key"), origin, d, d)?;
        let v = self.linear(&format!("{cross}.value"), origin, d, d)?;
        let seen = self.attention(&q, &k, &v, &Weighing::Smoothed(&masks.dropped));
        let seen = self.linear(&format!("{cross}.proj"), &seen, d, d)?;
        let x = self.op("Add", &[&x, &seen]);

        let normed = self.norm(&format!("{name}.norm2"), &x, EPS)?;
        self.mlp_onto(&format!("{name}.mlp"), &x, &normed)
    }

    /// Merged features `[B, N, D]` to the codes' space `[B, N, d]`.
    fn project(&mut self, merged: &Value) -> Result<Value, SaveError> {
        let (d, code) = (self.config().width, self.config().code_dim);
        let hidden = self.linear("encode_task_layer.0", merged, d, d)?;
        let hidden = self.op("Tanh", &[&hidden]);
        self.linear("encode_task_layer.2", &hidden, code, d)
    }

    /// The nearest code of each z, the lowest of equals: `||z||^2 + ||c||^2 - 2 z c`, z of length one.
    fn nearest(&mut self, z: &Value) -> Result<Value, SaveError> {
        let (codes, code) = (self.config().codebook_size, self.config().code_dim);
        let rows = self.values("quantize.embedding.weight", &[codes, code])?;
        let norms: Vec<f32> = rows
            .chunks_exact(code)
            .map(|row| row.iter().map(|value| value * value).sum())
            .collect();
        let norms = self.tensor("quantize.squared_norms", &[codes], &norms)?;
        let columns = super::layers::transposed(&rows, code);
        let codebook = self.tensor("quantize.embedding.weight", &[code, codes], &columns)?;

        let squares = self.op("Mul", &[z, z]);
        let length = self.sum_of_last(&squares);
        let length = self.op("Sqrt", &[&length]);
        let least = self.scalar(MIN_NORM);
        let length = self.op("Max", &[&length, &least]);
        let z = self.op("Div", &[z, &length]);

        let squares = self.op("Mul", &[&z, &z]);
        let length = self.sum_of_last(&squares);
        let products = self.op("MatMul", &[&z, &codebook]);
        let products = self.scale(&products, 2.0);
        let lengths = self.op("Add", &[&length, &norms]);
        let distances = self.op("Sub", &[&lengths, &products]);
        let attributes = vec![
            AttributeProto::int("axis", -1),
            AttributeProto::int("keepdims", 0),
        ];
        Ok(self.op_with("ArgMin", &[&distances], attributes))
    }
}
