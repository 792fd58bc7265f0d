//! From a checkpoint's tensors to layers on a machine.

use img2tokens_vision::{Prefixed, VisionError};

use crate::device::Norm;
use crate::machine::{Linear, Machine};
use crate::number::Element;

/// Makes layers of tensors, those under a prefix.
pub(super) struct Weights<'a, M> {
    machine: &'a M,
    tensors: Prefixed<'a>,
}

impl<'a, M: Machine> Weights<'a, M> {
    pub(super) const fn new(machine: &'a M, tensors: Prefixed<'a>) -> Self {
        Self { machine, tensors }
    }

    /// The tensors under `name.`.
    pub(super) fn under(&self, name: impl std::fmt::Display) -> Self {
        Self {
            tensors: self.tensors.under(name),
            ..*self
        }
    }

    /// A tensor's numbers.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, VisionError> {
        Ok(self.tensors.values(name, shape)?)
    }

    /// A tensor in float32, on the machine.
    pub(super) fn array(&self, name: &str, shape: &[usize]) -> Result<M::Array<f32>, VisionError> {
        Ok(self.machine.upload(&self.values(name, shape)?)?)
    }

    /// Values of our own making, on the machine.
    pub(super) fn upload(&self, values: &[f32]) -> Result<M::Array<f32>, VisionError> {
        Ok(self.machine.upload(values)?)
    }

    /// A linear layer.
    pub(super) fn linear<E: Element>(
        &self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Linear<M, E>, VisionError> {
        let layer = self.under(name);
        let weight = layer.values("weight", &[outputs, inputs])?;
        self.layer(&weight, &layer.values("bias", &[outputs])?)
    }

    /// Layers of the same inputs as one, outputs side by side.
    pub(super) fn joined<E: Element>(
        &self,
        names: &[&str],
        outputs: usize,
        inputs: usize,
    ) -> Result<Linear<M, E>, VisionError> {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            let layer = self.under(name);
            weight.extend(layer.values("weight", &[outputs, inputs])?);
            bias.extend(layer.values("bias", &[outputs])?);
        }
        self.layer(&weight, &bias)
    }

    /// A linear layer of these numbers.
    pub(super) fn layer<E: Element>(
        &self,
        weight: &[f32],
        bias: &[f32],
    ) -> Result<Linear<M, E>, VisionError> {
        Ok(Linear::new(self.machine, weight, bias)?)
    }

    /// A LayerNorm.
    pub(super) fn norm(&self, name: &str, width: usize, eps: f32) -> Result<Norm<M>, VisionError> {
        let layer = self.under(name);
        Ok(Norm {
            weight: layer.array("weight", &[width])?,
            bias: layer.array("bias", &[width])?,
            width,
            eps,
        })
    }
}
