//! The continuous features of an image's kept patches.

use half::f16;

/// Merged features before quantisation, `[T, D]` row-major: a row for each kept patch, in raster order.
#[derive(Clone, PartialEq)]
pub struct MergedFeatures {
    width: usize,
    values: Vec<f16>,
}

/// Numbers that are no features.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeaturesError {
    /// They are no rows of one width.
    #[error("{values} numbers are not rows of {width}")]
    Rows {
        /// Numbers given.
        values: usize,
        /// D, as given.
        width: usize,
    },
    /// One of them is undefined, or too large for half precision.
    #[error("a feature is not finite in half precision")]
    NotFinite,
}

impl MergedFeatures {
    /// Rounds to half precision, to nearest even.
    ///
    /// # Errors
    /// If the numbers are not whole rows of `width`, there is no width, or one does not fit.
    pub fn from_f32(width: usize, values: &[f32]) -> Result<Self, FeaturesError> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(FeaturesError::Rows {
                values: values.len(),
                width,
            });
        }
        let values: Vec<f16> = values.iter().map(|value| f16::from_f32(*value)).collect();
        if values.iter().all(|value| value.is_finite()) {
            Ok(Self { width, values })
        } else {
            Err(FeaturesError::NotFinite)
        }
    }

    /// D, the numbers of a row.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// T, the number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// All rows, one after the other.
    #[must_use]
    pub fn values(&self) -> &[f16] {
        &self.values
    }
}

impl std::fmt::Debug for MergedFeatures {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "MergedFeatures({} x {})", self.rows(), self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_whole() {
        let features = MergedFeatures::from_f32(2, &[0.0, 1.0, -2.0, 1e-3]).unwrap();
        assert_eq!((features.rows(), features.width()), (2, 2));
        assert_eq!(features.values()[3], f16::from_f32(1e-3));
        assert!(MergedFeatures::from_f32(3, &[0.0; 4]).is_err());
        assert!(MergedFeatures::from_f32(0, &[]).is_err());
        let too_large = MergedFeatures::from_f32(1, &[65_520.0]);
        assert_eq!(too_large, Err(FeaturesError::NotFinite));
    }
}
