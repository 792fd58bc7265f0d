//! What a device can multiply at most, to compare with.

use half::bf16;

use super::{Card, Gpu};
use crate::error::Fault;
use crate::machine::{Linear, Machine};
use img2tokens_vision::VisionError;

/// The side of the square matrices.
const SIDE: usize = 8192;
/// Products of a round, and rounds, of which the fastest counts: a single product would catch the clock of a device that
/// has rested.
const PRODUCTS: usize = 10;
const ROUNDS: usize = 6;

impl Card {
    /// Operations a second of a product of 8192 x 8192 matrices of bfloat16 numbers between -1 and 1: the fastest of
    /// some rounds. A multiply-add counts as two.
    ///
    /// # Errors
    /// If the device fails.
    pub fn peak_flops_per_second(&self) -> Result<f64, VisionError> {
        let gpu = self.stream()?;
        gpu.enter()?;
        Ok(measure(&gpu)?)
    }
}

fn measure(gpu: &Gpu) -> Result<f64, Fault> {
    let numbers = numbers(SIDE * SIDE);
    let layer = Linear::new(gpu, &numbers, &vec![0.0; SIDE])?;
    let narrow: Vec<bf16> = numbers.iter().map(|number| bf16::from_f32(*number)).collect();
    let x = gpu.upload(&narrow)?;
    let mut out = gpu.room::<bf16>(SIDE * SIDE)?;
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = gpu.mark()?;
        for _ in 0..PRODUCTS {
            gpu.product(&layer, &x, SIDE, &mut out)?;
        }
        least = least.min(gpu.seconds(&start, &gpu.mark()?)? / PRODUCTS as f64);
    }
    Ok(2.0 * (SIDE as f64).powi(3) / least)
}

/// Numbers that look random: zeros would let a device run faster than it does on pictures.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let next = |()| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_n((), count).map(next).collect()
}
