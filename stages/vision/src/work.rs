//! How much there is to compute.

use crate::{Merger, ModelConfig};

impl ModelConfig {
    /// Floating-point operations of one picture of which `kept` patches are kept: those of matrix products,
    /// attention's too, a multiply-add counted as two.
    #[must_use]
    pub fn flops(&self, merger: Merger, kept: usize) -> f64 {
        let (d, n) = (self.width, self.patches());
        let inputs = 3 * self.patch_size * self.patch_size;
        let encoder = n * inputs * d + self.encoder_depth * self.block(n + 1);
        let selector = n * (d * d + d * d / 2 + d * d / 8 + d / 2);
        let (rows, values) = match merger {
            Merger::Full => (n, n),
            Merger::Packed => (kept, n - kept.min(n) + 1),
        };
        // Query and projection, key, value, scores, mixing.
        let cross = 2 * rows * d * d + n * d * d + values * d * d + rows * n * d + rows * values * d;
        let codes = kept * (d * d + d * self.code_dim + self.code_dim * self.codebook_size);
        let merger = if kept == 0 {
            0
        } else {
            self.merger_depth * (self.block(rows) + cross)
        };
        2.0 * (encoder + selector + merger + codes) as f64
    }

    /// Multiply-adds of self-attention and MLP over so many rows.
    const fn attention(&self, rows: usize) -> usize {
        rows * 4 * self.width * self.width + 2 * rows * rows * self.width
    }

    fn block(&self, rows: usize) -> usize {
        self.attention(rows) + 2 * rows * self.width * self.mlp_hidden()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figure that issue and design count with: 2.8e20 operations for 400 million pictures.
    #[test]
    fn a_picture_of_the_published_model_takes_seven_hundred_gflop() {
        let lavit = ModelConfig::lavit();
        let full = lavit.flops(Merger::Full, 85) / 1e9;
        assert!((650.0..780.0).contains(&full), "{full}");
        let packed = lavit.flops(Merger::Packed, 85) / 1e9;
        assert!((0.7..0.9).contains(&(packed / full)), "{packed}");
        assert!(lavit.flops(Merger::Packed, 256) < lavit.flops(Merger::Full, 256) * 1.01);
    }
}
