//! From a checkpoint's tensors to layers.

use candle_core::{Device, Tensor};
use img2tokens_vision::{Dtype, Prefixed, Tensors, VisionError};

use crate::error::failed;
use crate::layers::{LayerNorm, Linear, Mlp};

/// Makes layers of tensors, those under a prefix.
#[derive(Clone)]
pub(crate) struct Weights<'a> {
    tensors: Prefixed<'a>,
    dtype: Dtype,
}

impl<'a> Weights<'a> {
    /// All of them; `dtype` is that of the matrix products.
    pub(crate) fn new(tensors: &'a dyn Tensors, dtype: Dtype) -> Self {
        Self {
            tensors: Prefixed::new(tensors),
            dtype,
        }
    }

    /// The same weights, for products in float32.
    pub(crate) fn in_f32(&self) -> Self {
        Self {
            dtype: Dtype::F32,
            ..self.clone()
        }
    }

    /// The tensors under `name.`.
    pub(crate) fn under(&self, name: impl std::fmt::Display) -> Self {
        Self {
            tensors: self.tensors.under(name),
            dtype: self.dtype,
        }
    }

    /// The type of matrix products.
    pub(crate) const fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// A tensor's numbers in float32.
    pub(crate) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, VisionError> {
        Ok(self.tensors.values(name, shape)?)
    }

    /// A tensor in float32.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, VisionError> {
        Tensor::from_vec(self.values(name, shape)?, shape, &Device::Cpu).map_err(failed("loading weights"))
    }

    /// A linear layer with a bias.
    pub(crate) fn linear(&self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, VisionError> {
        let layer = self.under(name);
        let bias = layer.values("bias", &[outputs])?;
        let weight = layer.values("weight", &[outputs, inputs])?;
        Ok(Linear::new(&weight, bias, self.dtype))
    }

    /// A LayerNorm.
    pub(crate) fn norm(&self, name: &str, width: usize, eps: f32) -> Result<LayerNorm, VisionError> {
        let layer = self.under(name);
        Ok(LayerNorm::new(
            layer.values("weight", &[width])?,
            layer.values("bias", &[width])?,
            eps,
        ))
    }

    /// A transformer's MLP, `fc1` and `fc2`.
    pub(crate) fn mlp(&self, name: &str, width: usize, hidden: usize) -> Result<Mlp, VisionError> {
        let layer = self.under(name);
        Ok(Mlp::new(
            layer.linear("fc1", hidden, width)?,
            layer.linear("fc2", width, hidden)?,
        ))
    }
}
