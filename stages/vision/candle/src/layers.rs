//! The layers that every part is made of.

use candle_core::{D, DType, Device, Result, Tensor};
use half::{bf16, f16};
use img2tokens_vision::{Dtype, VisionError};

use crate::error::failed;

/// `x W^T + b`, the operands of the product in the model's dtype, the sum in float32.
pub(crate) struct Linear {
    /// `[inputs, outputs]`, a view of the stored `[outputs, inputs]`.
    weight: Tensor,
    /// `[outputs]`
    bias: Tensor,
    dtype: Dtype,
}

impl Linear {
    /// Takes a weight `[outputs, inputs]`, row-major, and a bias `[outputs]`.
    pub(crate) fn new(
        mut weight: Vec<f32>,
        bias: Vec<f32>,
        dtype: Dtype,
    ) -> std::result::Result<Self, VisionError> {
        let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
        round(&mut weight, dtype);
        let make = || {
            let weight = Tensor::from_vec(weight, (outputs, inputs), &Device::Cpu)?.t()?;
            Ok(Self {
                weight,
                bias: Tensor::from_vec(bias, outputs, &Device::Cpu)?,
                dtype,
            })
        };
        make().map_err(failed("loading a linear layer"))
    }

    /// `x`: `[rows, inputs]`; gives `[rows, outputs]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        operand(x, self.dtype)?
            .matmul(&self.weight)?
            .broadcast_add(&self.bias)
    }
}

/// LayerNorm over the last dimension, in float32.
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    pub(crate) const fn new(weight: Tensor, bias: Tensor, eps: f64) -> Self {
        Self { weight, bias, eps }
    }

    /// `x`: `[rows, width]`; gives the same shape.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        normed.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)
    }
}

/// Two linear layers with an exact (erf) GELU between.
pub(crate) struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    pub(crate) const fn new(fc1: Linear, fc2: Linear) -> Self {
        Self { fc1, fc2 }
    }

    /// `x`: `[rows, width]`; gives the same shape.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fc2.forward(&self.fc1.forward(x)?.gelu_erf()?)
    }
}

/// A matrix product's operand, rounded to the model's dtype.
pub(crate) fn operand(x: &Tensor, dtype: Dtype) -> Result<Tensor> {
    match dtype {
        Dtype::F32 => Ok(x.clone()),
        Dtype::Bf16 => x.to_dtype(DType::BF16)?.to_dtype(DType::F32),
        Dtype::F16 => x.to_dtype(DType::F16)?.to_dtype(DType::F32),
    }
}

/// Rounds numbers to the model's dtype.
fn round(values: &mut [f32], dtype: Dtype) {
    match dtype {
        Dtype::F32 => {}
        Dtype::Bf16 => values
            .iter_mut()
            .for_each(|value| *value = bf16::from_f32(*value).to_f32()),
        Dtype::F16 => values
            .iter_mut()
            .for_each(|value| *value = f16::from_f32(*value).to_f32()),
    }
}
