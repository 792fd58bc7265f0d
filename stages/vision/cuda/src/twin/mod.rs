//! Every kernel's twin in plain Rust: the same algorithm, sums in the same order. Products are sums from the first
//! input to the last.

mod attention;
mod nearest;
mod norm;

use std::time::Instant;

use img2tokens_vision::Dtype;

use crate::device::{Attention, Choice, Codes, Cut, Device, Norm, Places, Shape};
use crate::error::Fault;
use crate::machine::{Linear, Machine};
use crate::number::{Element, Number};

/// The CPU, in the device's place.
pub(crate) struct Twin;

/// Lanes of a warp.
const LANES: usize = 32;

/// Sums one value of each lane as a warp does: halves, quarters, eighths, .. of the lanes.
fn warp_sum(mut lanes: [f32; LANES]) -> f32 {
    let mut bits = LANES / 2;
    while bits > 0 {
        let before = lanes;
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value += before[lane ^ bits];
        }
        bits /= 2;
    }
    lanes[0]
}

impl Machine for Twin {
    type Array<T: Number> = Vec<T>;
    type Mark = Instant;

    fn upload<T: Number>(&self, values: &[T]) -> Result<Vec<T>, Fault> {
        Ok(values.to_vec())
    }

    fn room<T: Number>(&self, count: usize) -> Result<Vec<T>, Fault> {
        Ok(vec![T::default(); count])
    }

    fn write<T: Number>(&self, values: &[T], to: &mut Vec<T>) -> Result<(), Fault> {
        to[..values.len()].copy_from_slice(values);
        Ok(())
    }

    fn read<T: Number>(&self, from: &Vec<T>, count: usize) -> Result<Vec<T>, Fault> {
        Ok(from[..count].to_vec())
    }

    fn product<E: Element>(
        &self,
        layer: &Linear<Self, E>,
        x: &Vec<E>,
        rows: usize,
        out: &mut Vec<E>,
    ) -> Result<(), Fault> {
        multiply(
            &layer.weight,
            &layer.bias,
            layer.inputs,
            &x[..rows * layer.inputs],
            out,
        );
        Ok(())
    }

    fn mark(&self) -> Result<Instant, Fault> {
        Ok(Instant::now())
    }

    fn seconds(&self, from: &Instant, to: &Instant) -> Result<f64, Fault> {
        Ok((*to - *from).as_secs_f64())
    }
}

/// `x W^T + b`, in float32 and rounded once.
pub(crate) fn multiply<E: Element>(weight: &[E], bias: &[E], inputs: usize, x: &[E], out: &mut [E]) {
    let outputs = bias.len();
    // [inputs, outputs]: all sums of a row grow together.
    let mut columns = vec![0.0; inputs * outputs];
    for (output, row) in weight.chunks_exact(inputs).enumerate() {
        for (input, value) in row.iter().enumerate() {
            columns[input * outputs + output] = value.wide();
        }
    }
    let mut sums = vec![0.0; outputs];
    for (row, out) in x.chunks_exact(inputs).zip(out.chunks_exact_mut(outputs)) {
        sums.fill(0.0);
        for (value, column) in row.iter().zip(columns.chunks_exact(outputs)) {
            let value = value.wide();
            for (sum, weight) in sums.iter_mut().zip(column) {
                *sum += value * weight;
            }
        }
        for ((out, sum), bias) in out.iter_mut().zip(&sums).zip(bias) {
            *out = E::of(sum + bias.wide());
        }
    }
}

impl Device for Twin {
    fn cut_patches<E: Element>(
        &self,
        pixels: &Vec<u8>,
        levels: &Vec<f32>,
        cut: Cut,
        out: &mut Vec<E>,
    ) -> Result<(), Fault> {
        let (grid, area) = (cut.side / cut.patch, cut.patch.pow(2));
        for (token, row) in out
            .chunks_exact_mut(cut.padded)
            .take(cut.pictures * grid * grid)
            .enumerate()
        {
            let (picture, top, left) = (
                token / (grid * grid),
                token / grid % grid * cut.patch,
                token % grid * cut.patch,
            );
            for (input, out) in row.iter_mut().enumerate() {
                *out = E::of(if input < 3 * area {
                    let (channel, y, x) = (input / area, input / cut.patch % cut.patch, input % cut.patch);
                    let pixel = (picture * cut.side + top + y) * cut.side + left + x;
                    levels[channel * 256 + usize::from(pixels[pixel * 3 + channel])]
                } else {
                    0.0
                });
            }
        }
        Ok(())
    }

    fn embed<E: Element>(
        &self,
        patches: &Vec<E>,
        places: &Places<Self>,
        pictures: usize,
        x: &mut Vec<f32>,
    ) -> Result<(), Fault> {
        let (tokens, width) = (places.tokens, places.width);
        for (row, out) in x.chunks_exact_mut(width).take(pictures * tokens).enumerate() {
            let (picture, token) = (row / tokens, row % tokens);
            for (column, out) in out.iter_mut().enumerate() {
                let value = match token {
                    0 => places.class_token[column],
                    token => patches[(picture * (tokens - 1) + token - 1) * width + column].wide(),
                };
                *out = value + places.positions[token * width + column];
            }
        }
        Ok(())
    }

    fn add_norm<E: Element>(
        &self,
        x: &mut Vec<f32>,
        y: Option<&Vec<E>>,
        norm: &Norm<Self>,
        rows: usize,
        out: &mut Vec<E>,
    ) -> Result<(), Fault> {
        norm::add_norm(x, y.map(Vec::as_slice), norm, rows, out);
        Ok(())
    }

    fn gelu<E: Element>(&self, x: &mut Vec<E>, count: usize) -> Result<(), Fault> {
        for value in &mut x[..count] {
            let wide = value.wide();
            let erf = libm::erff(wide * std::f32::consts::FRAC_1_SQRT_2);
            *value = E::of(0.5 * wide * (1.0 + erf));
        }
        Ok(())
    }

    fn tanh<E: Element>(&self, x: &mut Vec<E>, count: usize) -> Result<(), Fault> {
        for value in &mut x[..count] {
            *value = E::of(value.wide().tanh());
        }
        Ok(())
    }

    fn take_rows<E: Element>(
        &self,
        x: &Vec<f32>,
        y: Option<&Vec<E>>,
        numbers: &Vec<i32>,
        Shape { rows, width }: Shape,
        out: &mut Vec<f32>,
    ) -> Result<(), Fault> {
        for (number, out) in numbers[..rows].iter().zip(out.chunks_exact_mut(width)) {
            let start = *number as usize * width;
            for (column, out) in out.iter_mut().enumerate() {
                let at = start + column;
                *out = y.map_or(x[at], |y| x[at] + y[at].wide());
            }
        }
        Ok(())
    }

    fn attend<E: Element>(&self, attention: &Attention<'_, Self, E>, out: &mut Vec<E>) -> Result<(), Fault> {
        match E::DTYPE {
            Dtype::F32 => attention::attend(attention, out, attention::plainly),
            Dtype::Bf16 | Dtype::F16 => attention::attend(attention, out, attention::on_tensor_cores::<E>),
        }
        Ok(())
    }

    fn share_mean(
        &self,
        h: &mut Vec<f32>,
        pictures: usize,
        patches: usize,
        width: usize,
    ) -> Result<(), Fault> {
        for picture in h.chunks_exact_mut(patches * width).take(pictures) {
            for column in width / 2..width {
                let rows = || (0..patches).map(|patch| patch * width + column);
                let sum = rows().fold(0.0, |sum, at| sum + picture[at]);
                for at in rows() {
                    picture[at] = sum / patches as f32;
                }
            }
        }
        Ok(())
    }

    fn log_probabilities(
        &self,
        h: &Vec<f32>,
        choice: &Choice<Self>,
        rows: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), Fault> {
        for (row, out) in h
            .chunks_exact(choice.width)
            .zip(out.chunks_exact_mut(2))
            .take(rows)
        {
            let logit = |class: usize| {
                let weight = &choice.weight[class * choice.width..];
                let mut lanes = [0.0; LANES];
                for (column, value) in row.iter().enumerate() {
                    let lane = &mut lanes[column % LANES];
                    *lane = value.mul_add(weight[column], *lane);
                }
                warp_sum(lanes) + choice.bias[class]
            };
            let (keep, drop) = (logit(0), logit(1));
            let largest = keep.max(drop);
            let log_sum = ((keep - largest).exp() + (drop - largest).exp()).ln();
            out.copy_from_slice(&[keep - largest - log_sum, drop - largest - log_sum]);
        }
        Ok(())
    }

    fn normalise<E: Element>(
        &self,
        z: &Vec<E>,
        stride: usize,
        shape: Shape,
        unit: &mut Vec<f32>,
        squared: &mut Vec<f32>,
    ) -> Result<(), Fault> {
        nearest::normalise(z, stride, shape, unit, squared);
        Ok(())
    }

    fn nearest(
        &self,
        unit: &Vec<f32>,
        squared: &Vec<f32>,
        codes: &Codes<Self>,
        rows: usize,
        out: &mut Vec<i32>,
    ) -> Result<(), Fault> {
        for (row, out) in out[..rows].iter_mut().enumerate() {
            let unit = &unit[row * codes.width..(row + 1) * codes.width];
            *out = nearest::nearest(unit, squared[row], codes);
        }
        Ok(())
    }
}
