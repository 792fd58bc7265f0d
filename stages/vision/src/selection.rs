//! Which patches are kept, given the selector's opinion of each (spec section 3).

use std::sync::Arc;

use img2tokens_schemas::KeepMask;

use crate::philox::{key_of, philox};
use crate::{NotFinite, VisionError};

/// How the selector's log-probabilities become a decision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selection {
    /// What is added to the log-probabilities before they are compared.
    pub noise: Noise,
    /// How many patches may be kept.
    pub count: TokenCount,
}

/// What is added to a patch's two log-probabilities before the larger one wins.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Noise {
    /// Nothing: a patch is kept that is at least as likely kept as dropped.
    #[default]
    None,
    /// Gumbel noise as the published code adds, drawn for (seed, key, patch): a sample.
    Gumbel {
        /// The run's seed.
        seed: u64,
    },
    /// Noise from outside, for tests: for each picture of the batch, `[N, 2]`.
    Given(Arc<Vec<Vec<[f32; 2]>>>),
}

/// Bounds on the number of kept patches; both the same fixes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenCount {
    /// Where fewer were kept, those most likely kept of the others are added.
    pub least: Option<usize>,
    /// Where more were kept, only those most likely kept remain.
    pub most: Option<usize>,
}

impl Selection {
    /// Keep what is at least as likely kept as dropped.
    #[must_use]
    pub fn argmax() -> Self {
        Self::default()
    }

    /// Sample as the published code does.
    #[must_use]
    pub fn gumbel(seed: u64) -> Self {
        Self {
            noise: Noise::Gumbel { seed },
            ..Self::default()
        }
    }

    /// Sample with this noise: for each picture of the batch, `[N, 2]`.
    #[must_use]
    pub fn given(noise: Vec<Vec<[f32; 2]>>) -> Self {
        Self {
            noise: Noise::Given(Arc::new(noise)),
            ..Self::default()
        }
    }

    /// Decides for one picture: `log_probabilities` are `[N, 2]`, class 0 = keep; `picture` is its place in the batch,
    /// which only [`Noise::Given`] looks at. A tie keeps.
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
            return Err(NotFinite {
                what: "the selector's output",
            }
            .into());
        }
        let mut kept = match &self.noise {
            Noise::None => compare(log_probabilities, &vec![[0.0; 2]; log_probabilities.len()]),
            Noise::Gumbel { seed } => compare(
                log_probabilities,
                &gumbel_noise(*seed, key, log_probabilities.len()),
            ),
            Noise::Given(noise) => {
                let noise = of_picture(noise, picture, log_probabilities.len())?;
                compare(log_probabilities, noise)
            }
        };
        self.count.enforce(&mut kept, log_probabilities);
        Ok(KeepMask::from_bools(&kept))
    }
}

/// Whether keeping wins at each patch.
fn compare(log_probabilities: &[[f32; 2]], noise: &[[f32; 2]]) -> Vec<bool> {
    let wins = |(logp, noise): (&[f32; 2], &[f32; 2])| logp[0] + noise[0] >= logp[1] + noise[1];
    log_probabilities.iter().zip(noise).map(wins).collect()
}

/// The noise given for one picture.
fn of_picture(
    noise: &[Vec<[f32; 2]>],
    picture: usize,
    patches: usize,
) -> Result<&Vec<[f32; 2]>, VisionError> {
    let of_picture = noise.get(picture).ok_or(VisionError::GivenNoise {
        what: "pictures with noise",
        expected: picture + 1,
        found: noise.len(),
    })?;
    if of_picture.len() == patches {
        Ok(of_picture)
    } else {
        Err(VisionError::GivenNoise {
            what: "patches with noise",
            expected: patches,
            found: of_picture.len(),
        })
    }
}

impl TokenCount {
    /// Adds or takes away patches until the bounds hold. Of equally likely ones the first in raster order counts more.
    fn enforce(self, kept: &mut [bool], log_probabilities: &[[f32; 2]]) {
        let count = kept.iter().filter(|kept| **kept).count();
        let (least, most) = (self.least.unwrap_or(0), self.most.unwrap_or(usize::MAX));
        let (from, excess) = if count > most {
            (true, count - most)
        } else {
            (false, least.saturating_sub(count))
        };
        if excess == 0 {
            return;
        }
        let mut candidates: Vec<usize> = (0..kept.len()).filter(|patch| kept[*patch] == from).collect();
        // The likeliest first; the sort is stable.
        candidates.sort_by(|a, b| log_probabilities[*b][0].total_cmp(&log_probabilities[*a][0]));
        if from {
            candidates.reverse();
        }
        for patch in candidates.into_iter().take(excess) {
            kept[patch] = !from;
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
    use proptest::prelude::*;

    #[test]
    fn argmax_keeps_ties() {
        let mask = Selection::argmax()
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
                Selection::gumbel(1)
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
        assert!(Selection::argmax().decide(0, "x", &[[f32::NAN, 0.0]]).is_err());
        let given = Selection::given(vec![vec![[0.0; 2]; 3]]);
        assert!(given.decide(0, "x", &[[0.0; 2]; 3]).is_ok());
        assert!(given.decide(0, "x", &[[0.0; 2]; 4]).is_err());
        assert!(given.decide(1, "x", &[[0.0; 2]; 3]).is_err());
    }

    fn bounded(least: Option<usize>, most: Option<usize>) -> Selection {
        Selection {
            count: TokenCount { least, most },
            ..Selection::gumbel(4)
        }
    }

    proptest! {
        #[test]
        fn bounds_hold_and_no_dropped_patch_is_likelier_than_a_kept_one_they_chose_between(
            keep in proptest::collection::vec(0.01..0.99_f32, 1..80),
            least in proptest::option::of(0..90_usize),
            range in proptest::option::of(0..90_usize),
        ) {
            let most = range.map(|range| range + least.unwrap_or(0));
            let logp: Vec<[f32; 2]> = keep.iter().map(|keep| [keep.ln(), (1.0 - keep).ln()]).collect();
            let free = Selection::gumbel(4).decide(0, "x", &logp).unwrap();
            let mask = bounded(least, most).decide(0, "x", &logp).unwrap();
            let bound = |count: usize| count.max(least.unwrap_or(0)).min(most.unwrap_or(usize::MAX)).min(keep.len());
            prop_assert_eq!(mask.kept(), bound(free.kept()));
            // Only additions or only removals, and those in order of likelihood.
            let changed: Vec<usize> = (0..keep.len()).filter(|patch| mask.is_kept(*patch) != free.is_kept(*patch)).collect();
            for patch in &changed {
                for other in (0..keep.len()).filter(|other| free.is_kept(*other) == free.is_kept(*patch) && !changed.contains(other)) {
                    let added = mask.is_kept(*patch);
                    let in_order = if added { keep[*patch] >= keep[other] } else { keep[*patch] <= keep[other] };
                    prop_assert!(in_order);
                }
            }
        }
    }

    #[test]
    fn of_equally_likely_patches_the_first_stay() {
        let mask = bounded(Some(2), Some(2))
            .decide(0, "x", &[[-0.5, -0.9]; 4])
            .unwrap();
        assert_eq!(mask, KeepMask::from_bools(&[true, true, false, false]));
    }
}
