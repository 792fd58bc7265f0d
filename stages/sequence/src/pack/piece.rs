//! What a pack is made of.

use std::ops::Range;

use img2tokens_schemas::Vocabulary;

use crate::{PackError, Span, parse};

/// One context: ids of one or more documents, each known by a `D`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack<D> {
    /// The ids, at most the configured length of them.
    pub input_ids: Vec<u32>,
    /// Which stretch is of which document; together they are all of `input_ids`, in order.
    pub pieces: Vec<Piece<D>>,
}

/// A document, or a part of one, in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<D> {
    /// Where it stands in the pack. Attention that must not see across documents is cut at these starts.
    pub range: Range<usize>,
    /// Which document, as it was named when it was pushed.
    pub document: D,
    /// The index in the document of its first id here: 0 unless the document began in an earlier pack.
    pub offset: usize,
}

impl<D> Default for Pack<D> {
    fn default() -> Self {
        Self {
            input_ids: Vec::new(),
            pieces: Vec::new(),
        }
    }
}

impl<D> Pack<D> {
    /// For every id, the number of its piece in this pack, from 0: what a trainer masks attention by.
    #[must_use]
    pub fn segment_ids(&self) -> Vec<u32> {
        (0..)
            .zip(&self.pieces)
            .flat_map(|(number, piece)| piece.range.clone().map(move |_| number))
            .collect()
    }

    /// Where the pieces begin, and the number of ids: `cu_seqlens` of a kernel for sequences of varying length.
    #[must_use]
    pub fn cumulative_lengths(&self) -> Vec<usize> {
        self.pieces
            .iter()
            .map(|piece| piece.range.start)
            .chain([self.input_ids.len()])
            .collect()
    }

    pub(super) fn append(&mut self, ids: &[u32], document: D, offset: usize) {
        let start = self.input_ids.len();
        self.input_ids.extend_from_slice(ids);
        self.pieces.push(Piece {
            range: start..self.input_ids.len(),
            document,
            offset,
        });
    }
}

/// Cuts a document into stretches of at most `length` ids, each as long as can be, without cutting an image.
pub(super) fn cut(
    vocabulary: &Vocabulary,
    length: usize,
    document: u64,
    ids: &[u32],
) -> Result<Vec<Range<usize>>, PackError> {
    let parsed = parse(vocabulary, ids).map_err(|source| PackError::Document { document, source })?;
    let mut images = parsed.images.iter().map(with_marks).peekable();
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < ids.len() {
        let mut end = ids.len().min(start + length);
        while images.next_if(|image| image.end <= end).is_some() {}
        if let Some(image) = images.peek().filter(|image| image.start < end) {
            if image.len() > length {
                return Err(PackError::ImageTooLong {
                    document,
                    image: image.len(),
                    length,
                });
            }
            end = image.start;
        }
        ranges.push(start..end);
        start = end;
    }
    Ok(ranges)
}

/// An image's range with its `[IMG]` and `[/IMG]`.
fn with_marks(span: &Span) -> Range<usize> {
    let start = span.start as usize - 1;
    start..start + span.len as usize + 2
}
