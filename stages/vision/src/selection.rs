//! Which patches are kept, given the selector's opinion of each (spec section 3).

use std::sync::Arc;

use img2tokens_schemas::KeepMask;

use crate::VisionError;
use crate::philox::{key_of, philox};

/// How the selector's log-probabilities become a decision.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Selection {
    /// Keep what is at least as likely kept as dropped.
    #[default]
    Argmax,
    /// Sample as the published code does: Gumbel noise on both log-probabilities, drawn for (seed, key, patch).
    Gumbel {
        /// The run's seed.
        seed: u64,
    },
    /// Noise from outside, for tests: for each picture of the batch, `[N, 2]`.
    Given(Arc<Vec<Vec<[f32; 2]>>>),
}

impl Selection {
    /// Decides for one picture: `log_probabilities` are `[N, 2]`, class 0 = keep; `picture` is its place in the batch,
    /// which only [`Selection::Given`] looks at. A tie keeps.
    ///
    /// # Errors
    /// If a log-probability is not a number, or noise was given that does not fit.
    pub fn decide(
        &self,
        picture: usize,
        key: &str,
        log_probabilities: &[[f32; 2]],
    ) -> Result<KeepMask, VisionError> {
        if log_probabilities.iter().flatten().any(|value| value.is_nan()) {
            return Err(VisionError::NotFinite {
                key: key.to_owned(),
                stage: "the selector's output",
            });
        }
        let noisy = |noise: &[[f32; 2]]| {
            let kept = |(logp, noise): (&[f32; 2], &[f32; 2])| logp[0] + noise[0] >= logp[1] + noise[1];
            KeepMask::from_bools(&log_probabilities.iter().zip(noise).map(kept).collect::<Vec<_>>())
        };
        match self {
            Self::Argmax => Ok(noisy(&vec![[0.0; 2]; log_probabilities.len()])),
            Self::Gumbel { seed } => Ok(noisy(&gumbel_noise(*seed, key, log_probabilities.len()))),
            Self::Given(noise) => {
                let of_picture = noise.get(picture).ok_or(VisionError::GivenNoise {
                    what: "pictures with noise",
                    expected: picture + 1,
                    found: noise.len(),
                })?;
                if of_picture.len() != log_probabilities.len() {
                    return Err(VisionError::GivenNoise {
                        what: "patches with noise",
                        expected: log_probabilities.len(),
                        found: of_picture.len(),
                    });
                }
                Ok(noisy(of_picture))
            }
        }
    }
}

/// The noise of one picture, `[patches, 2]`: `-ln(Exponential(1))`, a function of its arguments alone.
fn gumbel_noise(seed: u64, key: &str, patches: usize) -> Vec<[f32; 2]> {
    let digest = blake3::hash(key.as_bytes());
    let word = |at: usize| {
        digest.as_bytes()[at..]
            .iter()
            .take(4)
            .fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    let (stream, place) = (key_of(seed), [word(0), word(4), word(8)]);
    let noise = |patch: u32| {
        let [a, b, c, d] = philox(stream, [patch, place[0], place[1], place[2]]);
        [gumbel(a, b), gumbel(c, d)]
    };
    (0..patches as u32).map(noise).collect()
}

/// 64 random bits as a draw from the standard Gumbel distribution. It is computed in float64 and rounded once, so that
/// no two mathematics libraries differ in what comes out.
fn gumbel(high: u32, low: u32) -> f32 {
    const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
    // In 0..1, both ends left out: `-ln(uniform)` is then positive and finite.
    let uniform = (bits as f64 + 0.5) * SCALE;
    (-(-uniform.min(1.0 - SCALE).ln()).ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argmax_keeps_ties() {
        let mask = Selection::Argmax
            .decide(0, "", &[[-0.5, -0.5], [-0.1, -2.0], [-2.0, -0.1]])
            .unwrap();
        assert_eq!(mask, KeepMask::from_bools(&[true, true, false]));
    }

    #[test]
    fn noise_is_a_function_of_seed_key_and_patch() {
        let noise = gumbel_noise(7, "a", 64);
        assert_eq!(gumbel_noise(7, "a", 32), noise[..32]);
        assert_ne!(gumbel_noise(8, "a", 64), noise);
        assert_ne!(gumbel_noise(7, "b", 64), noise);
    }

    /// Mean 0.5772 (Euler's constant) and variance pi^2 / 6 = 1.6449; five standard errors of 32768 draws.
    #[test]
    fn noise_has_the_gumbel_distributions_moments() {
        let draws: Vec<f64> = (0..128_u8)
            .flat_map(|key| gumbel_noise(3, &key.to_string(), 128))
            .flatten()
            .map(f64::from)
            .collect();
        let count = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / count;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / count;
        assert!((mean - 0.577_2).abs() < 0.036, "{mean}");
        assert!((variance - 1.644_9).abs() < 0.1, "{variance}");
    }

    #[test]
    fn the_extreme_draws_are_finite() {
        assert!(gumbel(0, 0).is_finite());
        assert!(gumbel(u32::MAX, u32::MAX).is_finite());
    }

    /// Keeping is then as likely as the selector says.
    #[test]
    fn sampling_keeps_with_the_selectors_probability() {
        let logp = [[0.3_f32.ln(), 0.7_f32.ln()]; 256];
        let kept: usize = (0..40_u8)
            .map(|key| {
                Selection::Gumbel { seed: 1 }
                    .decide(0, &key.to_string(), &logp)
                    .unwrap()
                    .kept()
            })
            .sum();
        let share = kept as f64 / (40.0 * 256.0);
        assert!((share - 0.3).abs() < 0.025, "{share}");
    }

    #[test]
    fn an_undefined_opinion_and_ill_fitting_noise_are_errors() {
        assert!(Selection::Argmax.decide(0, "x", &[[f32::NAN, 0.0]]).is_err());
        let given = Selection::Given(Arc::new(vec![vec![[0.0; 2]; 3]]));
        assert!(given.decide(0, "x", &[[0.0; 2]; 3]).is_ok());
        assert!(given.decide(0, "x", &[[0.0; 2]; 4]).is_err());
        assert!(given.decide(1, "x", &[[0.0; 2]; 3]).is_err());
    }
}
