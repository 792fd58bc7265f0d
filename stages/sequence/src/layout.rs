//! The one form of all sequences: segments between BOS and EOS.

use img2tokens_schemas::Vocabulary;

use crate::{Document, SequenceConfig, SequenceError};

/// A stretch of a sequence: one text, or one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text ids, without specials.
    Text(Vec<u32>),
    /// Visual codes, without the vocabulary's offset.
    Image(Vec<u16>),
}

/// Where an image's codes, or a text's ids, stand in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The index of the first one; of an image, right after `[IMG]`.
    pub start: u32,
    /// How many there are.
    pub len: u32,
}

/// A segment that is only looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SegmentRef<'a> {
    Text(&'a [u32]),
    Image(&'a [u16]),
}

impl<'a> From<&'a Segment> for SegmentRef<'a> {
    fn from(segment: &'a Segment) -> Self {
        match segment {
            Segment::Text(ids) => Self::Text(ids),
            Segment::Image(codes) => Self::Image(codes),
        }
    }
}

/// The ids of these segments, and where each of them stands.
pub(crate) fn lay_out<'a>(
    config: &SequenceConfig,
    vocabulary: &Vocabulary,
    segments: impl IntoIterator<Item = SegmentRef<'a>>,
) -> Result<Document, SequenceError> {
    let mut ids = Vec::new();
    let (mut images, mut texts) = (Vec::new(), Vec::new());
    if config.bos {
        ids.push(vocabulary.bos);
    }
    for segment in segments {
        match segment {
            SegmentRef::Text(text) => {
                check_text(vocabulary, text)?;
                texts.push(Span {
                    start: count(ids.len())?,
                    len: count(text.len())?,
                });
                ids.extend_from_slice(text);
            }
            SegmentRef::Image(codes) => {
                check_codes(vocabulary, codes)?;
                ids.push(vocabulary.image_start());
                images.push(Span {
                    start: count(ids.len())?,
                    len: count(codes.len())?,
                });
                ids.extend(
                    codes
                        .iter()
                        .map(|code| vocabulary.first_code() + u32::from(*code)),
                );
                ids.push(vocabulary.image_end());
            }
        }
    }
    if config.eos {
        ids.push(vocabulary.eos);
    }
    count(ids.len())?;
    Ok(Document {
        input_ids: ids,
        images,
        texts,
    })
}

fn check_text(vocabulary: &Vocabulary, text: &[u32]) -> Result<(), SequenceError> {
    let text_size = vocabulary.text_size;
    for id in text.iter().copied() {
        if id >= text_size {
            return Err(SequenceError::TextId { id, text_size });
        }
        if id == vocabulary.bos || id == vocabulary.eos {
            return Err(SequenceError::SpecialInText { id });
        }
    }
    Ok(())
}

fn check_codes(vocabulary: &Vocabulary, codes: &[u16]) -> Result<(), SequenceError> {
    let codebook_size = vocabulary.codebook_size;
    if codes.is_empty() {
        return Err(SequenceError::NoCodes);
    }
    match codes.iter().find(|code| u32::from(**code) >= codebook_size) {
        Some(code) => Err(SequenceError::Code {
            code: *code,
            codebook_size,
        }),
        None => Ok(()),
    }
}

/// A count as it stands in a row: never past `i32`.
fn count(ids: usize) -> Result<u32, SequenceError> {
    i32::try_from(ids)
        .map(i32::unsigned_abs)
        .map_err(|_| SequenceError::TooLong { ids })
}
