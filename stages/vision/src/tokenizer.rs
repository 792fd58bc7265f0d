//! The seam: pictures in, tokens out.

use img2tokens_schemas::{MergedFeatures, Pixels, VisualTokens};

use crate::{ModelConfig, NotFinite, VisionError};

/// One picture, resized, on its way into a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The sample's name, unique in the run: selection noise is keyed by it.
    pub key: String,
    /// S x S RGB, 8 bits a channel.
    pub pixels: Pixels,
}

/// Pictures of one size, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelBatch {
    size: u32,
    pictures: Vec<Picture>,
}

/// Pictures that are no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There is nothing to do.
    #[error("a batch needs at least one picture")]
    Empty,
    /// All pictures of a batch have one size.
    #[error("picture `{key}` is {found} pixels wide in a batch of {expected}")]
    Mixed {
        /// The picture at fault.
        key: String,
        /// The side of the batch's first picture, in pixels.
        expected: u32,
        /// Its own side, in pixels.
        found: u32,
    },
}

impl PixelBatch {
    /// Takes the pictures of a batch.
    ///
    /// # Errors
    /// If there is none, or they differ in size.
    pub fn new(pictures: Vec<Picture>) -> Result<Self, BatchError> {
        let expected = pictures.first().ok_or(BatchError::Empty)?.pixels.size();
        match pictures.iter().find(|picture| picture.pixels.size() != expected) {
            Some(other) => Err(BatchError::Mixed {
                key: other.key.clone(),
                expected,
                found: other.pixels.size(),
            }),
            None => Ok(Self {
                size: expected,
                pictures,
            }),
        }
    }

    /// The side S of every picture, in pixels.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// The pictures, in order.
    #[must_use]
    pub fn pictures(&self) -> &[Picture] {
        &self.pictures
    }

    /// Refuses a batch that a model for pictures of `image_size` pixels cannot take: every backend asks this first.
    ///
    /// # Errors
    /// If the batch's pictures have another size.
    pub fn expect_size(&self, image_size: usize) -> Result<(), VisionError> {
        if self.size as usize == image_size {
            Ok(())
        } else {
            Err(VisionError::PictureSize {
                expected: image_size,
                found: self.size as usize,
            })
        }
    }
}

/// What a tokenizer makes of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenizedPicture {
    /// Codes and mask.
    pub tokens: VisualTokens,
    /// Merged features of kept patches, by the merger that [`crate::Extras::features`] asks for.
    pub features: Option<MergedFeatures>,
    /// How near the codes lead back to the encoder's features, if [`crate::Extras::reconstruction`] asks for it: the
    /// cosine of reconstructed and true features, a mean over all patches. None of a picture without codes.
    pub reconstruction: Option<f32>,
}

/// Seconds that a device spent on the parts of a model.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PartSeconds {
    /// Pixels to the device.
    pub copy: f64,
    /// The encoder.
    pub encoder: f64,
    /// The selector, and the decision.
    pub selector: f64,
    /// The merger.
    pub merger: f64,
    /// Projection and search.
    pub quantiser: f64,
}

/// A model that turns pictures into visual tokens. One thread owns it.
pub trait VisualTokenizer: Send {
    /// The shapes of the model behind it.
    fn config(&self) -> &ModelConfig;

    /// What every picture gives, in the batch's order. A picture of which no patch is kept gives empty tokens; one
    /// whose numbers overflow gives [`NotFinite`].
    ///
    /// What a picture gives depends on its pixels and its key, never on the batch around it.
    ///
    /// # Errors
    /// If the batch does not fit the model, or the model or its device fails: then no picture is to blame.
    fn tokenize(
        &mut self,
        batch: &PixelBatch,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError>;

    /// The seconds spent on each part since this was asked last, of a backend that measures them.
    fn take_part_seconds(&mut self) -> Option<PartSeconds> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(key: &str, size: u32) -> Picture {
        let pixels = Pixels::new(size, vec![0; (size * size * 3) as usize]).unwrap();
        Picture {
            key: key.to_owned(),
            pixels,
        }
    }

    #[test]
    fn a_batch_is_not_empty_and_of_one_size() {
        assert_eq!(PixelBatch::new(vec![]), Err(BatchError::Empty));
        let mixed = PixelBatch::new(vec![picture("a", 4), picture("b", 5)]);
        assert_eq!(
            mixed,
            Err(BatchError::Mixed {
                key: "b".to_owned(),
                expected: 4,
                found: 5
            })
        );
        let batch = PixelBatch::new(vec![picture("a", 4), picture("b", 4)]).unwrap();
        assert!(batch.expect_size(4).is_ok());
        assert!(batch.expect_size(8).is_err());
    }
}
