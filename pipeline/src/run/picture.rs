//! A picture's bytes on their way, and what is kept of them.

use bytes::Bytes;
use img2tokens_fetch::{ByteCredit, Fetched};
use img2tokens_image::{EncodeError, Prepared, encode_png};
use img2tokens_shard::KeptImage;

use crate::config::KeptImages;

/// The bytes, and while they live the memory they are credited with.
#[derive(Debug)]
pub(crate) enum ImageBytes {
    Fetched(Fetched),
    Embedded {
        bytes: Bytes,
        _credit: Option<ByteCredit>,
    },
    /// Made here.
    Encoded(Vec<u8>),
}

impl ImageBytes {
    /// Gives a download's place to the next, now that the picture is out of the queue.
    pub(super) fn leave_queue(&mut self) {
        if let Self::Fetched(fetched) = self {
            fetched.release_place();
        }
    }

    /// The same bytes, without the memory's credit.
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Fetched(fetched) => fetched.bytes.clone(),
            Self::Embedded { bytes, .. } => bytes.clone(),
            Self::Encoded(bytes) => Bytes::copy_from_slice(bytes),
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Fetched(fetched) => &fetched.bytes,
            Self::Embedded { bytes, .. } => bytes,
            Self::Encoded(bytes) => bytes,
        }
    }
}

/// A picture that goes to its unit's archive.
#[derive(Debug)]
pub(super) struct KeptPicture {
    image: ImageBytes,
    extension: &'static str,
    width: u32,
    height: u32,
    caption: String,
}

impl KeptPicture {
    /// What of a picture is kept, if any of it is.
    pub(super) fn of(
        wanted: KeptImages,
        image: ImageBytes,
        prepared: &Prepared,
        caption: &str,
    ) -> Result<Option<Self>, EncodeError> {
        let size = prepared.pixels.size();
        let (image, extension, width, height) = match wanted {
            KeptImages::None => return Ok(None),
            KeptImages::Original => (
                image,
                prepared.format.extension(),
                prepared.width,
                prepared.height,
            ),
            KeptImages::Resized => (
                ImageBytes::Encoded(encode_png(&prepared.pixels)?),
                "png",
                size,
                size,
            ),
        };
        Ok(Some(Self {
            image,
            extension,
            width,
            height,
            caption: caption.to_owned(),
        }))
    }

    pub(super) fn as_image(&self) -> KeptImage<'_> {
        KeptImage {
            bytes: self.image.as_slice(),
            extension: self.extension,
            width: self.width,
            height: self.height,
            caption: &self.caption,
        }
    }
}
