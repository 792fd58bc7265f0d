//! Multi-head attention, plain and smoothed.

use super::graph::{Graph, Value};
use super::proto::AttributeProto;

/// The smoothed softmax's epsilon (spec section 4).
const SMOOTHING: f32 = 1e-6;

/// How scores become weights.
pub(super) enum Weighing<'a> {
    /// The ordinary softmax.
    Softmax,
    /// The smoothed, masked one, of a mask of 0 and 1 that has the scores' shape `[B, heads, queries, keys]`, or 1
    /// where all are alike.
    Smoothed(&'a Value),
}

impl Graph<'_> {
    /// `q`, `k`, `v`: `[B, T, D]`; gives the same shape.
    pub(super) fn attention(&mut self, q: &Value, k: &Value, v: &Value, weighing: &Weighing<'_>) -> Value {
        let (heads, head_dim) = (self.config().heads as i64, self.config().head_dim());
        let q = self.scale(q, (head_dim as f32).sqrt().recip());
        let [q, k, v] = [&q, k, v].map(|x| self.reshape(x, &[0, 0, heads, head_dim as i64]));
        let (q, v) = (
            self.transpose(&q, &[0, 2, 1, 3]),
            self.transpose(&v, &[0, 2, 1, 3]),
        );
        let k = self.transpose(&k, &[0, 2, 3, 1]);
        // [B, heads, queries, keys]
        let scores = self.op("MatMul", &[&q, &k]);
        let weights = match weighing {
            Weighing::Softmax => self.op_with("Softmax", &[&scores], vec![AttributeProto::int("axis", -1)]),
            Weighing::Smoothed(allowed) => self.smoothed(&scores, allowed),
        };
        let seen = self.op("MatMul", &[&weights, &v]);
        let seen = self.transpose(&seen, &[0, 2, 1, 3]);
        self.reshape(&seen, &[0, 0, heads * head_dim as i64])
    }

    /// `(e + eps / N) / (sum(e) + eps)`, where `e = exp(score - max) * allowed` and the maximum is that of all keys.
    fn smoothed(&mut self, scores: &Value, allowed: &Value) -> Value {
        let keys = self.config().patches();
        let (shift, eps) = (self.scalar(SMOOTHING / keys as f32), self.scalar(SMOOTHING));
        let largest = self.op_with("ReduceMax", &[scores], vec![AttributeProto::ints("axes", &[-1])]);
        let lowered = self.op("Sub", &[scores, &largest]);
        let exponentials = self.op("Exp", &[&lowered]);
        let exponentials = self.op("Mul", &[&exponentials, allowed]);
        let sum = self.sum_of_last(&exponentials);
        let divisor = self.op("Add", &[&sum, &eps]);
        let shifted = self.op("Add", &[&exponentials, &shift]);
        self.op("Div", &[&shifted, &divisor])
    }

    /// The sum over the last dimension, which stays as 1.
    pub(super) fn sum_of_last(&mut self, x: &Value) -> Value {
        let last = self.integers(&[-1]);
        self.op("ReduceSum", &[x, &last])
    }
}
