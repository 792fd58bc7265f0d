//! What a model needs of the machine it is computed on: memory, matrix products, and a clock.

use crate::error::Fault;
use crate::number::{Element, Number};

/// A machine with memory of its own. What it is told to do it may do later, in the order it was told; reading waits.
pub(crate) trait Machine: Sized {
    /// Numbers in its memory.
    type Array<T: Number>: Send + Sync;
    /// A moment in the order of its work.
    type Mark;

    /// Values that stay.
    fn upload<T: Number>(&self, values: &[T]) -> Result<Self::Array<T>, Fault>;

    /// Room for so many numbers, all zero.
    fn room<T: Number>(&self, count: usize) -> Result<Self::Array<T>, Fault>;

    /// Puts values at the front of an array that holds as many at least.
    fn write<T: Number>(&self, values: &[T], to: &mut Self::Array<T>) -> Result<(), Fault>;

    /// Puts the bytes of pictures one after the other at the front of an array.
    fn write_pictures(&self, pictures: &[&[u8]], to: &mut Self::Array<u8>) -> Result<(), Fault> {
        self.write(&pictures.concat(), to)
    }

    /// The first numbers of an array.
    fn read<T: Number>(&self, from: &Self::Array<T>, count: usize) -> Result<Vec<T>, Fault>;

    /// Of the first `rows` rows of `x`, `[rows, inputs]`: `x W^T + b`, `[rows, outputs]`. The sums are float32. How a
    /// row is summed depends on the layer alone, never on `rows`.
    fn product<E: Element>(
        &self,
        layer: &Linear<Self, E>,
        x: &Self::Array<E>,
        rows: usize,
        out: &mut Self::Array<E>,
    ) -> Result<(), Fault>;

    /// Now, when all that it was told before is done.
    fn mark(&self) -> Result<Self::Mark, Fault>;

    /// Waits for both.
    fn seconds(&self, from: &Self::Mark, to: &Self::Mark) -> Result<f64, Fault>;
}

/// A linear layer with a bias. Inputs and outputs are padded with zeros to multiples of [`Linear::STEP`].
pub(crate) struct Linear<M: Machine, E: Element> {
    /// `[outputs, inputs]`
    pub weight: M::Array<E>,
    /// `[outputs]`
    pub bias: M::Array<E>,
    pub inputs: usize,
    pub outputs: usize,
}

impl<M: Machine, E: Element> Linear<M, E> {
    /// 16 bytes of the narrowest element, which tensor cores load at once.
    pub(crate) const STEP: usize = 8;

    /// Takes a weight `[outputs, inputs]` and a bias `[outputs]`.
    pub(crate) fn new(machine: &M, weight: &[f32], bias: &[f32]) -> Result<Self, Fault> {
        let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
        let (padded_outputs, padded_inputs) = (
            outputs.next_multiple_of(Self::STEP),
            inputs.next_multiple_of(Self::STEP),
        );
        let mut padded = vec![E::default(); padded_outputs * padded_inputs];
        for (row, from) in padded
            .chunks_exact_mut(padded_inputs)
            .zip(weight.chunks_exact(inputs))
        {
            for (to, from) in row.iter_mut().zip(from) {
                *to = E::of(*from);
            }
        }
        let mut padded_bias: Vec<E> = bias.iter().map(|value| E::of(*value)).collect();
        padded_bias.resize(padded_outputs, E::default());
        Ok(Self {
            weight: machine.upload(&padded)?,
            bias: machine.upload(&padded_bias)?,
            inputs: padded_inputs,
            outputs: padded_outputs,
        })
    }
}
