//! Candle's own matrix product at the shapes of the published model, two threads, for comparison with ours: `bench
//! vision` prints what the tokenizer as a whole reaches.

#![expect(clippy::unwrap_used, reason = "a measurement ends where it cannot be made")]

use std::time::Instant;

use candle_core::{DType, Device, Tensor};

/// Rows of one picture, inputs and outputs of its largest layers.
const SHAPES: [[usize; 3]; 3] = [[257, 1408, 4224], [257, 1408, 6144], [257, 6144, 1408]];
const RUNS: usize = 20;

fn main() {
    for dtype in [DType::F32, DType::BF16] {
        for [rows, inputs, outputs] in SHAPES {
            let random = |shape: (usize, usize)| {
                Tensor::randn(0.0_f32, 1.0, shape, &Device::Cpu)
                    .and_then(|x| x.to_dtype(dtype))
                    .unwrap()
            };
            let (x, weight) = (random((rows, inputs)), random((outputs, inputs)).t().unwrap());
            let seconds = (0..RUNS).map(|_| {
                let begun = Instant::now();
                x.matmul(&weight).unwrap();
                begun.elapsed().as_secs_f64()
            });
            let fastest = seconds.fold(f64::INFINITY, f64::min);
            let flops = (2 * rows * inputs * outputs) as f64;
            println!(
                "{dtype:?} {rows} x {inputs} x {outputs}: {:.0} GFLOP/s",
                flops / fastest / 1e9
            );
        }
    }
}
