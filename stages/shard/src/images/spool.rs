//! Pictures that wait for their pair's outcome, on the disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use img2tokens_schemas::RowIndex;

/// A pair's picture as it is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct KeptImage<'a> {
    /// The file.
    pub bytes: &'a [u8],
    /// Its usual extension, without a dot.
    pub extension: &'static str,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// The caption as the input has it.
    pub caption: &'a str,
}

/// A [`KeptImage`] that was read back.
pub(super) struct Spooled {
    image: Vec<u8>,
    caption: String,
    place: Place,
}

#[derive(Clone, Copy)]
struct Place {
    at: u64,
    image_bytes: usize,
    caption_bytes: usize,
    extension: &'static str,
    width: u32,
    height: u32,
}

/// A file of pictures and where in it each stands. In memory is a place a picture, whatever their size; the file grows
/// to what waits at one time and more, since places are used again only when nothing waits.
pub(super) struct Spool {
    file: File,
    end: u64,
    places: HashMap<RowIndex, Place>,
}

impl Spool {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            end: 0,
            places: HashMap::new(),
        }
    }

    pub(super) fn put(&mut self, index: RowIndex, image: &KeptImage<'_>) -> io::Result<()> {
        let place = Place {
            at: self.end,
            image_bytes: image.bytes.len(),
            caption_bytes: image.caption.len(),
            extension: image.extension,
            width: image.width,
            height: image.height,
        };
        self.file.seek(SeekFrom::Start(place.at))?;
        self.file.write_all(image.bytes)?;
        self.file.write_all(image.caption.as_bytes())?;
        self.end += (place.image_bytes + place.caption_bytes) as u64;
        self.places.insert(index, place);
        Ok(())
    }

    /// What was put at `index`, which is gone from here then.
    pub(super) fn take(&mut self, index: RowIndex) -> io::Result<Option<Spooled>> {
        let Some(place) = self.places.remove(&index) else {
            return Ok(None);
        };
        let (mut image, mut caption) = (vec![0; place.image_bytes], vec![0; place.caption_bytes]);
        self.file.seek(SeekFrom::Start(place.at))?;
        self.file.read_exact(&mut image)?;
        self.file.read_exact(&mut caption)?;
        if self.places.is_empty() {
            self.end = 0;
        }
        Ok(Some(Spooled {
            image,
            caption: String::from_utf8(caption).map_err(io::Error::other)?,
            place,
        }))
    }
}

impl Spooled {
    pub(super) fn as_image(&self) -> KeptImage<'_> {
        let Place {
            extension,
            width,
            height,
            ..
        } = self.place;
        KeptImage {
            bytes: &self.image,
            extension,
            width,
            height,
            caption: &self.caption,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: &[u8]) -> KeptImage<'_> {
        KeptImage {
            bytes,
            extension: "png",
            width: 3,
            height: 2,
            caption: "eine Katze",
        }
    }

    #[test]
    fn what_was_put_comes_back_once_in_any_order_and_space_is_used_again() {
        let mut spool = Spool::new(tempfile::tempfile().unwrap());
        for round in 0..3_u8 {
            for index in 0..5_u8 {
                let bytes = vec![round * 10 + index; usize::from(index) * 100];
                spool.put(RowIndex(index.into()), &image(&bytes)).unwrap();
            }
            for index in [3_u8, 0, 4, 1, 2] {
                let spooled = spool.take(RowIndex(index.into())).unwrap().unwrap();
                let kept = spooled.as_image();
                assert_eq!(
                    kept.bytes,
                    vec![round * 10 + index; usize::from(index) * 100].as_slice()
                );
                assert_eq!(
                    (kept.extension, kept.width, kept.height, kept.caption),
                    ("png", 3, 2, "eine Katze")
                );
                assert!(spool.take(RowIndex(index.into())).unwrap().is_none());
            }
        }
        let one_round = 1000 + 5 * "eine Katze".len() as u64;
        assert_eq!(spool.file.metadata().unwrap().len(), one_round);
    }
}
