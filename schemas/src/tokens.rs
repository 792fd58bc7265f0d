//! What the vision stage makes of an image: which patches were kept, and a code for each of them.

/// Which of an image's N patches the selector kept. Bit `i % 8` (least significant first) of byte `i / 8` is patch i,
/// in raster order.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeepMask {
    patches: usize,
    bytes: Box<[u8]>,
}

impl KeepMask {
    /// The mask of these decisions, patch 0 first.
    #[must_use]
    pub fn from_bools(kept: &[bool]) -> Self {
        let mut bytes = vec![0_u8; kept.len().div_ceil(8)];
        for (patch, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            bytes[patch / 8] |= 1 << (patch % 8);
        }
        Self {
            patches: kept.len(),
            bytes: bytes.into(),
        }
    }

    /// The mask that these bytes hold for an image of `patches` patches.
    ///
    /// # Errors
    /// If the length is not `ceil(patches / 8)`, or a bit past the last patch is set.
    pub fn from_bytes(patches: usize, bytes: &[u8]) -> Result<Self, TokensError> {
        let spare = bytes.len() * 8;
        let tail_is_clear =
            patches.is_multiple_of(8) || bytes.last().is_some_and(|last| last >> (patches % 8) == 0);
        if bytes.len() == patches.div_ceil(8) && tail_is_clear {
            Ok(Self {
                patches,
                bytes: bytes.into(),
            })
        } else {
            Err(TokensError::Mask { patches, bits: spare })
        }
    }

    /// N, the number of patches of the image.
    #[must_use]
    pub const fn patches(&self) -> usize {
        self.patches
    }

    /// T, the number of kept patches.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether patch `patch` was kept; false past the last one.
    #[must_use]
    pub fn is_kept(&self, patch: usize) -> bool {
        self.bytes
            .get(patch / 8)
            .is_some_and(|byte| byte >> (patch % 8) & 1 == 1)
    }

    /// The kept patches, in raster order.
    pub fn kept_patches(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.patches).filter(|patch| self.is_kept(*patch))
    }

    /// The bytes as they stand in the `kept_patches` column.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes in lowercase hexadecimal, as in the JSON lines of `tokenize`.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Debug for KeepMask {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "KeepMask({} of {}: {})",
            self.kept(),
            self.patches,
            self.to_hex()
        )
    }
}

/// The discrete tokens of one image: one code for each kept patch, in raster order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisualTokens {
    codes: Vec<u16>,
    kept: KeepMask,
}

/// A mask and codes that do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    /// One code for each kept patch is what there must be.
    #[error("{codes} codes for {kept} kept patches")]
    Count {
        /// Codes given.
        codes: usize,
        /// Patches kept.
        kept: usize,
    },
    /// The mask's bytes do not fit the number of patches.
    #[error("a mask of {bits} bits does not fit {patches} patches")]
    Mask {
        /// Patches of the image.
        patches: usize,
        /// Bits given.
        bits: usize,
    },
}

impl VisualTokens {
    /// Joins codes (`[T]`, each below the codebook's size) and mask (`[N]`, T bits set).
    ///
    /// # Errors
    /// If there is not one code for each kept patch.
    pub fn new(codes: Vec<u16>, kept: KeepMask) -> Result<Self, TokensError> {
        if codes.len() == kept.kept() {
            Ok(Self { codes, kept })
        } else {
            Err(TokensError::Count {
                codes: codes.len(),
                kept: kept.kept(),
            })
        }
    }

    /// Those of several images as if they were one: codes and patches one image after the other.
    #[must_use]
    pub fn joined<'a>(images: impl IntoIterator<Item = &'a Self>) -> Self {
        let (mut codes, mut kept) = (Vec::new(), Vec::new());
        for image in images {
            codes.extend_from_slice(&image.codes);
            kept.extend((0..image.kept.patches()).map(|patch| image.kept.is_kept(patch)));
        }
        Self {
            codes,
            kept: KeepMask::from_bools(&kept),
        }
    }

    /// The codes, without the vocabulary's offset.
    #[must_use]
    pub fn codes(&self) -> &[u16] {
        &self.codes
    }

    /// Which patches they stand for.
    #[must_use]
    pub const fn kept(&self) -> &KeepMask {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bit_order_is_least_significant_first() {
        let mut kept = [false; 10];
        kept[0] = true;
        kept[3] = true;
        kept[9] = true;
        assert_eq!(KeepMask::from_bools(&kept).to_hex(), "0902");
    }

    #[test]
    fn a_bit_past_the_last_patch_is_refused() {
        assert!(KeepMask::from_bytes(10, &[0xff, 0x03]).is_ok());
        assert!(KeepMask::from_bytes(10, &[0xff, 0x04]).is_err());
        assert!(KeepMask::from_bytes(10, &[0xff]).is_err());
    }

    #[test]
    fn tokens_need_one_code_for_each_kept_patch() {
        let kept = KeepMask::from_bools(&[true, false, true]);
        assert!(VisualTokens::new(vec![1, 2], kept.clone()).is_ok());
        assert_eq!(
            VisualTokens::new(vec![1], kept),
            Err(TokensError::Count { codes: 1, kept: 2 })
        );
    }

    #[test]
    fn joined_tokens_are_those_of_one_image_after_the_other() {
        let tokens = |codes: &[u16], kept: &[bool]| {
            VisualTokens::new(codes.to_vec(), KeepMask::from_bools(kept)).unwrap()
        };
        let joined = VisualTokens::joined(&[
            tokens(&[4, 5], &[true, false, true]),
            tokens(&[6], &[false, true]),
        ]);
        assert_eq!(joined, tokens(&[4, 5, 6], &[true, false, true, false, true]));
    }

    proptest! {
        #[test]
        fn a_mask_survives_its_bytes_and_counts_its_patches(kept in proptest::collection::vec(any::<bool>(), 0..600)) {
            let mask = KeepMask::from_bools(&kept);
            prop_assert_eq!(mask.kept(), kept.iter().filter(|kept| **kept).count());
            let listed: Vec<usize> = mask.kept_patches().collect();
            prop_assert!(listed.iter().all(|patch| kept[*patch]));
            prop_assert_eq!(listed.len(), mask.kept());
            prop_assert_eq!(KeepMask::from_bytes(kept.len(), mask.as_bytes()), Ok(mask.clone()));
        }
    }
}
