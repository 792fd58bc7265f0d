//! The token selector: for every patch, how likely it is kept (spec section 3). Float32 whatever the model's dtype.

use img2tokens_vision::{ModelConfig, VisionError};

use super::room::Room;
use super::weights::Weights;
use crate::device::{Choice, Device, Norm};
use crate::error::Fault;
use crate::machine::Linear;
use crate::number::Element;

const EPS: f32 = 1e-5;

/// Features to log-probabilities of keeping and dropping.
pub(super) struct Selector<D: Device> {
    patches: usize,
    norm: Norm<D>,
    in_conv: Linear<D, f32>,
    to_half: Linear<D, f32>,
    to_quarter: Linear<D, f32>,
    choice: Choice<D>,
}

impl<D: Device> Selector<D> {
    pub(super) fn new(config: &ModelConfig, weights: &Weights<'_, D>) -> Result<Self, VisionError> {
        let (d, in_conv, out_conv) = (config.width, weights.under("in_conv"), weights.under("out_conv"));
        let to_quarter: Linear<D, f32> = out_conv.linear("2", d / 4, d / 2)?;
        let last = out_conv.under("4");
        let weight = last.values("weight", &[2, d / 4])?;
        // The rows before are padded.
        let width = to_quarter.outputs;
        let mut padded = vec![0.0; 2 * width];
        for (row, from) in padded.chunks_exact_mut(width).zip(weight.chunks_exact(d / 4)) {
            row[..d / 4].copy_from_slice(from);
        }
        Ok(Self {
            patches: config.patches(),
            norm: in_conv.norm("0", d, EPS)?,
            in_conv: in_conv.linear("1", d, d)?,
            to_half: out_conv.linear("0", d / 2, d)?,
            to_quarter,
            choice: Choice {
                weight: last.upload(&padded)?,
                bias: last.array("bias", &[2])?,
                width,
            },
        })
    }

    /// From `room.features` to log-probabilities of all its pictures' patches, `[B * N, 2]`, class 0 = keep.
    pub(super) fn forward<E: Element>(
        &self,
        device: &D,
        room: &mut Room<D, E>,
    ) -> Result<Vec<[f32; 2]>, Fault> {
        let (rows, width) = (room.pictures * self.patches, self.norm.width);
        let own = &mut room.selector;
        let nothing: Option<&D::Array<f32>> = None;
        device.add_norm(&mut room.features, nothing, &self.norm, rows, &mut own.normed)?;
        device.product(&self.in_conv, &own.normed, rows, &mut own.hidden)?;
        device.gelu(&mut own.hidden, rows * self.in_conv.outputs)?;
        device.share_mean(&mut own.hidden, room.pictures, self.patches, width)?;
        device.product(&self.to_half, &own.hidden, rows, &mut own.half)?;
        device.gelu(&mut own.half, rows * self.to_half.outputs)?;
        device.product(&self.to_quarter, &own.half, rows, &mut own.quarter)?;
        device.gelu(&mut own.quarter, rows * self.to_quarter.outputs)?;
        device.log_probabilities(&own.quarter, &self.choice, rows, &mut own.log_probabilities)?;
        let flat = device.read(&own.log_probabilities, rows * 2)?;
        Ok(flat.as_chunks().0.to_vec())
    }
}
