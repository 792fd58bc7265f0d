//! How far two tokenizations of the same images agree.

use img2tokens_schemas::VisualTokens;
use serde::Serialize;

/// Counts of one image, or sums of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Agreement {
    /// Bits of a mask.
    pub patches: usize,
    /// Of those, bits that are the same on both sides.
    pub mask_bits_equal: usize,
    /// Patches that A kept.
    pub tokens_a: usize,
    /// Patches that B kept.
    pub tokens_b: usize,
    /// Patches that both kept.
    pub kept_by_both: usize,
    /// Of those, patches of the same code on both sides.
    pub codes_equal: usize,
}

impl Agreement {
    /// Compares the tokens of one image, of as many patches on both sides.
    pub fn of(a: &VisualTokens, b: &VisualTokens) -> Self {
        let mut agreement = Self {
            patches: a.kept().patches(),
            tokens_a: a.codes().len(),
            tokens_b: b.codes().len(),
            ..Self::default()
        };
        for pair in by_patch(a).into_iter().zip(by_patch(b)) {
            match pair {
                (Some(a), Some(b)) => {
                    agreement.mask_bits_equal += 1;
                    agreement.kept_by_both += 1;
                    agreement.codes_equal += usize::from(a == b);
                }
                (None, None) => agreement.mask_bits_equal += 1,
                _ => {}
            }
        }
        agreement
    }

    /// Whether both sides gave the same sequence.
    pub const fn is_identical(&self) -> bool {
        self.mask_bits_equal == self.patches && self.codes_equal == self.kept_by_both
    }

    /// The share of mask bits that agree; none without an image.
    pub fn mask_share(&self) -> Option<f64> {
        share(self.mask_bits_equal, self.patches)
    }

    /// The share of codes that agree where both kept the patch; none where they kept none in common.
    pub fn code_share(&self) -> Option<f64> {
        share(self.codes_equal, self.kept_by_both)
    }
}

impl std::iter::Sum for Agreement {
    fn sum<I: Iterator<Item = Self>>(images: I) -> Self {
        images.fold(Self::default(), |sum, image| Self {
            patches: sum.patches + image.patches,
            mask_bits_equal: sum.mask_bits_equal + image.mask_bits_equal,
            tokens_a: sum.tokens_a + image.tokens_a,
            tokens_b: sum.tokens_b + image.tokens_b,
            kept_by_both: sum.kept_by_both + image.kept_by_both,
            codes_equal: sum.codes_equal + image.codes_equal,
        })
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The code of every patch, none for one that was dropped.
fn by_patch(tokens: &VisualTokens) -> Vec<Option<u16>> {
    let mut codes = tokens.codes().iter().copied();
    let kept = tokens.kept();
    (0..kept.patches())
        .map(|patch| if kept.is_kept(patch) { codes.next() } else { None })
        .collect()
}

#[cfg(test)]
mod tests {
    use img2tokens_schemas::KeepMask;
    use proptest::prelude::*;

    use super::*;

    /// Tokens of an image whose kept patches have these codes.
    fn tokens(patches: &[Option<u16>]) -> VisualTokens {
        let kept: Vec<bool> = patches.iter().map(Option::is_some).collect();
        VisualTokens::new(
            patches.iter().flatten().copied().collect(),
            KeepMask::from_bools(&kept),
        )
        .unwrap()
    }

    #[test]
    fn codes_are_compared_patch_by_patch_and_only_where_both_kept_it() {
        let a = tokens(&[Some(1), None, Some(2), Some(3), None]);
        let b = tokens(&[None, None, Some(2), Some(4), Some(1)]);
        let expected = Agreement {
            patches: 5,
            mask_bits_equal: 3,
            tokens_a: 3,
            tokens_b: 3,
            kept_by_both: 2,
            codes_equal: 1,
        };
        assert_eq!(Agreement::of(&a, &b), expected);
        assert_eq!(expected.code_share(), Some(0.5));
    }

    #[test]
    fn a_share_of_nothing_is_none() {
        let nothing = tokens(&[None, None]);
        let agreement = Agreement::of(&nothing, &nothing);
        assert!(agreement.is_identical());
        assert_eq!(
            (agreement.mask_share(), agreement.code_share()),
            (Some(1.0), None)
        );
    }

    proptest! {
        /// Few codes, so that patches agree often enough.
        #[test]
        fn only_equal_tokens_are_identical(pairs in proptest::collection::vec(any::<[Option<bool>; 2]>(), 0..12)) {
            let side = |side: usize| tokens(&pairs.iter().map(|pair| pair[side].map(u16::from)).collect::<Vec<_>>());
            let (a, b) = (side(0), side(1));
            prop_assert_eq!(Agreement::of(&a, &b).is_identical(), a == b);
            prop_assert!(Agreement::of(&a, &a).is_identical());
        }
    }
}
