//! The layers that both graphs are made of.

use img2tokens_vision::SaveError;

use super::graph::{Graph, Value};
use super::proto::AttributeProto;

impl Graph<'_> {
    /// `x W^T + b` of `NAME.weight` `[outputs, inputs]` and `NAME.bias`.
    pub(super) fn linear(
        &mut self,
        name: &str,
        x: &Value,
        outputs: usize,
        inputs: usize,
    ) -> Result<Value, SaveError> {
        let bias = self.values(&format!("{name}.bias"), &[outputs])?;
        self.linear_with(name, &bias, x, inputs)
    }

    /// The same with another bias `[outputs]`.
    pub(super) fn linear_with(
        &mut self,
        name: &str,
        bias: &[f32],
        x: &Value,
        inputs: usize,
    ) -> Result<Value, SaveError> {
        let (key, outputs) = (format!("{name}.weight"), bias.len());
        let weight = transposed(&self.values(&key, &[outputs, inputs])?, inputs);
        let weight = self.tensor(&key, &[inputs, outputs], &weight)?;
        let bias = self.tensor(&format!("{name}.bias"), &[outputs], bias)?;
        let product = self.op("MatMul", &[x, &weight]);
        Ok(self.op("Add", &[&product, &bias]))
    }

    /// LayerNorm over the last dimension.
    pub(super) fn norm(&mut self, name: &str, x: &Value, eps: f32) -> Result<Value, SaveError> {
        let width = self.config().width;
        let weight = self.weight(&format!("{name}.weight"), &[width])?;
        let bias = self.weight(&format!("{name}.bias"), &[width])?;
        let attributes = vec![
            AttributeProto::int("axis", -1),
            AttributeProto::float("epsilon", eps),
        ];
        Ok(self.op_with("LayerNormalization", &[x, &weight, &bias], attributes))
    }

    /// The exact (erf) GELU, as operators: that of one operator came with a later set.
    pub(super) fn gelu(&mut self, x: &Value) -> Value {
        let (root, one, half) = (
            self.scalar(std::f32::consts::SQRT_2),
            self.scalar(1.0),
            self.scalar(0.5),
        );
        let scaled = self.op("Div", &[x, &root]);
        let erf = self.op("Erf", &[&scaled]);
        let shifted = self.op("Add", &[&erf, &one]);
        let doubled = self.op("Mul", &[x, &shifted]);
        self.op("Mul", &[&doubled, &half])
    }

    /// `x + mlp(normed)`.
    pub(super) fn mlp_onto(&mut self, name: &str, x: &Value, normed: &Value) -> Result<Value, SaveError> {
        let (width, hidden) = (self.config().width, self.config().mlp_hidden());
        let fc1 = self.linear(&format!("{name}.fc1"), normed, hidden, width)?;
        let activated = self.gelu(&fc1);
        let fc2 = self.linear(&format!("{name}.fc2"), &activated, width, hidden)?;
        Ok(self.op("Add", &[x, &fc2]))
    }

    /// Exchanges dimensions.
    pub(super) fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.op_with("Transpose", &[x], vec![AttributeProto::ints("perm", order)])
    }

    /// Gives `x` another shape; 0 stands for the dimension that it has there.
    pub(super) fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.integers(shape);
        self.op("Reshape", &[x, &shape])
    }

    /// `x` times a number.
    pub(super) fn scale(&mut self, x: &Value, factor: f32) -> Value {
        let factor = self.scalar(factor);
        self.op("Mul", &[x, &factor])
    }
}

/// `[rows, columns]` to `[columns, rows]`.
pub(super) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| values.iter().skip(column).step_by(columns).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_transposed() {
        assert_eq!(
            transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
    }
}
