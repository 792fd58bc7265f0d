//! How fast this machine multiplies, to hold the model's speed against.

use std::time::Instant;

use img2tokens_vision::Dtype;

use super::{Epilogue, Isa, Panels, Product, Scratch, View, ViewMut};

/// Operands that stay in the second-level cache: one panel group, one block of steps, rows in whole tiles.
const ROWS: usize = 96;
const DEPTH: usize = 512;
const OUTPUTS: usize = 128;

/// Floating-point operations a second of the product's inner loop, operands in cache, on so many threads at once: for
/// each of them the best of `runs` runs, of which each takes a few milliseconds. A multiply-add is two operations.
#[must_use]
pub fn peak_flops_per_second(dtype: Dtype, threads: usize, runs: usize) -> f64 {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| scope.spawn(move || peak_of_this_thread(dtype, runs)))
            .collect();
        let own = peak_of_this_thread(dtype, runs);
        let joined = |other: std::thread::ScopedJoinHandle<'_, f64>| {
            other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        own + others.into_iter().map(joined).sum::<f64>()
    })
}

fn peak_of_this_thread(dtype: Dtype, runs: usize) -> f64 {
    const REPEATS: usize = 50;
    let (a, b) = (vec![0.5; ROWS * DEPTH], vec![0.25; OUTPUTS * DEPTH]);
    let panels = Panels::of_weight(View::new(&b, OUTPUTS, DEPTH, DEPTH), dtype);
    let (mut out, mut scratch) = (vec![0.0; ROWS * OUTPUTS], Scratch::default());
    let mut run = || {
        let begun = Instant::now();
        for _ in 0..REPEATS {
            let product = Product {
                a: View::new(&a, ROWS, DEPTH, DEPTH),
                b: &panels,
                epilogue: Epilogue::default(),
            };
            let out = ViewMut {
                values: &mut out,
                stride: OUTPUTS,
            };
            product.write(Isa::best(), out, &mut scratch);
        }
        (2 * ROWS * DEPTH * OUTPUTS * REPEATS) as f64 / begun.elapsed().as_secs_f64()
    };
    (0..runs).map(|_| run()).fold(0.0, f64::max)
}
