//! Sequences back to their parts.

use img2tokens_schemas::{Order, Sequence, Vocabulary};

use crate::ParseError;
use crate::layout::{Segment, Span};

/// What a sequence is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Whether it begins with BOS.
    pub bos: bool,
    /// Whether it ends with EOS.
    pub eos: bool,
    /// Its texts and images in their order; two texts never follow one another.
    pub segments: Vec<Segment>,
    /// Where the images' codes stand, in their order.
    pub images: Vec<Span>,
}

/// The parts of a pair's sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairParts {
    /// The caption's ids; none if the text was dropped.
    pub text_ids: Vec<u32>,
    /// The image's codes.
    pub codes: Vec<u16>,
}

/// The parts of any sequence that [`crate::SequenceStage`] writes: of a pair, a text or a document.
///
/// # Errors
/// If the ids are no such sequence; the error names the index.
pub fn parse(vocabulary: &Vocabulary, ids: &[u32]) -> Result<Parsed, ParseError> {
    let bos = ids.first() == Some(&vocabulary.bos);
    let eos = ids.len() > usize::from(bos) && ids.last() == Some(&vocabulary.eos);
    let body = usize::from(bos)..ids.len() - usize::from(eos);
    let mut parser = Parser {
        vocabulary,
        text: Vec::new(),
        image: None,
        segments: Vec::new(),
        images: Vec::new(),
    };
    for (position, id) in ids.iter().enumerate().take(body.end).skip(body.start) {
        parser.take(position, *id)?;
    }
    let Parser { segments, images, .. } = parser.end()?;
    Ok(Parsed {
        bos,
        eos,
        segments,
        images,
    })
}

/// The parts of a pair's sequence, which must be what it states of itself: its order, and where its image stands.
///
/// # Errors
/// If it is not.
pub fn parse_pair(vocabulary: &Vocabulary, sequence: &Sequence) -> Result<PairParts, ParseError> {
    let parsed = parse(vocabulary, &sequence.input_ids)?;
    let order = sequence.order;
    let (Some((text_ids, codes)), [span]) = (halves(parsed.segments, order), parsed.images.as_slice()) else {
        return Err(ParseError::NotThePair { order });
    };
    if (sequence.image_start, sequence.image_len) != (span.start, span.len) {
        return Err(ParseError::Span {
            stated_start: sequence.image_start,
            stated_len: sequence.image_len,
            start: span.start,
            len: span.len,
        });
    }
    Ok(PairParts { text_ids, codes })
}

fn halves(segments: Vec<Segment>, order: Order) -> Option<(Vec<u32>, Vec<u16>)> {
    let mut segments = segments.into_iter();
    match (segments.next(), segments.next(), segments.next(), order) {
        (Some(Segment::Image(codes)), None, None, _) => Some((Vec::new(), codes)),
        (Some(Segment::Image(codes)), Some(Segment::Text(text)), None, Order::ImageText)
        | (Some(Segment::Text(text)), Some(Segment::Image(codes)), None, Order::TextImage) => {
            Some((text, codes))
        }
        _ => None,
    }
}

struct Parser<'a> {
    vocabulary: &'a Vocabulary,
    text: Vec<u32>,
    /// The index of the open image's `[IMG]`, and its codes so far.
    image: Option<(usize, Vec<u16>)>,
    segments: Vec<Segment>,
    images: Vec<Span>,
}

impl Parser<'_> {
    fn take(&mut self, position: usize, id: u32) -> Result<(), ParseError> {
        let vocabulary = self.vocabulary;
        if id >= vocabulary.size() {
            return Err(ParseError::Id {
                id,
                position,
                size: vocabulary.size(),
            });
        }
        if id == vocabulary.bos || id == vocabulary.eos {
            return Err(ParseError::SpecialAmid { id, position });
        }
        if let Some(code) = id.checked_sub(vocabulary.first_code()) {
            let (Some((_, codes)), Ok(code)) = (self.image.as_mut(), u16::try_from(code)) else {
                return Err(ParseError::OutsideImage { id, position });
            };
            codes.push(code);
        } else if id == vocabulary.image_end() {
            let (start, codes) = self
                .image
                .take()
                .ok_or(ParseError::OutsideImage { id, position })?;
            self.close_image(start, codes)?;
        } else if self.image.is_some() {
            return Err(ParseError::InsideImage { id, position });
        } else if id == vocabulary.image_start() {
            self.close_text();
            self.image = Some((position, Vec::new()));
        } else {
            self.text.push(id);
        }
        Ok(())
    }

    fn close_text(&mut self) {
        if !self.text.is_empty() {
            self.segments.push(Segment::Text(std::mem::take(&mut self.text)));
        }
    }

    fn close_image(&mut self, position: usize, codes: Vec<u16>) -> Result<(), ParseError> {
        if codes.is_empty() {
            return Err(ParseError::EmptyImage { position });
        }
        self.images.push(Span {
            start: position as u32 + 1,
            len: codes.len() as u32,
        });
        self.segments.push(Segment::Image(codes));
        Ok(())
    }

    fn end(mut self) -> Result<Self, ParseError> {
        if let Some((position, _)) = self.image {
            return Err(ParseError::Unclosed { position });
        }
        self.close_text();
        Ok(self)
    }
}
