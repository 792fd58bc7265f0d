//! Vector quantisation: a merged token to the nearest code (spec section 5).

use img2tokens_vision::{ModelConfig, VisionError};

use super::merger::product_rows;
use super::room::Room;
use super::weights::Weights;
use crate::device::{Codes, Device, Shape};
use crate::error::Fault;
use crate::machine::Linear;
use crate::number::Element;

/// The projection to the codes' space, and the codes.
pub(super) struct Quantiser<D: Device, E: Element> {
    patches: usize,
    hidden: Linear<D, E>,
    project: Linear<D, E>,
    codes: Codes<D>,
}

impl<D: Device, E: Element> Quantiser<D, E> {
    /// Takes the weights of the whole checkpoint.
    pub(super) fn new(config: &ModelConfig, weights: &Weights<'_, D>) -> Result<Self, VisionError> {
        let (d, width, count) = (config.width, config.code_dim, config.codebook_size);
        let layers = weights.under("encode_task_layer");
        let rows = weights.values("quantize.embedding.weight", &[count, width])?;
        let square = |row: &[f32]| row.iter().fold(0.0, |sum: f32, value| value.mul_add(*value, sum));
        let squared: Vec<f32> = rows.chunks_exact(width).map(square).collect();
        Ok(Self {
            patches: config.patches(),
            hidden: layers.linear("0", d, d)?,
            project: layers.linear("2", width, d)?,
            codes: Codes {
                rows: weights.upload(&rows)?,
                squared: weights.upload(&squared)?,
                count,
                width,
            },
        })
    }

    /// The codes of so many merged rows at the front of `room.narrow`; -1 of one that is not finite.
    pub(super) fn forward(
        &self,
        device: &D,
        room: &mut Room<D, E>,
        merged: usize,
    ) -> Result<Vec<i32>, Fault> {
        let rows = product_rows(merged, room.pictures * self.patches);
        device.product(&self.hidden, &room.narrow, rows, &mut room.out)?;
        device.tanh(&mut room.out, rows * self.hidden.outputs)?;
        device.product(&self.project, &room.out, rows, &mut room.wide)?;
        let shape = Shape {
            rows: merged,
            width: self.codes.width,
        };
        let own = &mut room.codes;
        let stride = self.project.outputs;
        device.normalise(&room.wide, stride, shape, &mut own.unit, &mut own.squared)?;
        device.nearest(&own.unit, &own.squared, &self.codes, merged, &mut own.nearest)?;
        device.read(&own.nearest, merged)
    }
}
