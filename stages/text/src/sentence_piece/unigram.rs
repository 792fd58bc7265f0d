//! The unigram language model: of all ways to cut a text into pieces, the one whose scores add up to the most.
//!
//! One pass over the text keeps, for every place, the best way to get there. Where ways are equally good, rounding
//! decides, so sums are taken in single precision from the left, with the scores that the library gives (0.2.3, found
//! by experiment; up to 0.2.1 it compared in double precision, and cut runs like `aaaaaaa` elsewhere).

use super::model::PieceKind;
use super::pieces::Pieces;
use super::trie::Trie;

/// How much worse than the worst piece a character in no piece is.
const UNKNOWN_PENALTY: f32 = 10.0;

/// What each byte after its first adds to a user-defined symbol's score.
const USER_DEFINED_BONUS: f32 = 0.1;

/// A unigram model's pieces as it looks them up.
#[derive(Debug, Clone)]
pub(super) struct Unigram {
    trie: Trie,
    min_score: f32,
}

/// The best way to a place in the text: its score, and its last piece.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    score: f32,
    start: usize,
    id: u32,
}

impl Unigram {
    pub(super) fn new(pieces: &Pieces) -> Self {
        let ordinary = |kind| {
            matches!(
                kind,
                PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused
            )
        };
        let keys = pieces.iter().filter(|(_, piece)| ordinary(piece.kind));
        let normal = || pieces.iter().filter(|(_, piece)| piece.kind == PieceKind::Normal);
        Self {
            trie: Trie::new(keys.map(|(id, piece)| (piece.text.as_bytes(), id)).collect()),
            min_score: normal().map(|(_, piece)| piece.score).fold(f32::MAX, f32::min),
        }
    }

    /// Cuts a normalised text into pieces: each one's text and id.
    pub(super) fn segment<'a>(&self, pieces: &Pieces, text: &'a str) -> Vec<(&'a str, u32)> {
        let mut arrivals: Vec<Option<Arrival>> = vec![None; text.len() + 1];
        for (start, character) in text.char_indices() {
            let here = arrivals[start].map_or(0.0, |arrival| arrival.score);
            let mut single = false;
            for (len, id) in self.trie.prefixes(&text.as_bytes()[start..]) {
                if let Some(score) = self.score(pieces, id, len) {
                    let score = score + here;
                    arrive(&mut arrivals[start + len], Arrival { score, start, id });
                    single |= len == character.len_utf8();
                }
            }
            if !single {
                let score = self.min_score - UNKNOWN_PENALTY + here;
                let id = pieces.unknown();
                arrive(
                    &mut arrivals[start + character.len_utf8()],
                    Arrival { score, start, id },
                );
            }
        }
        backtrack(&arrivals, text)
    }

    /// The score of a piece that may be used. User-defined symbols get one that nothing beats, the longer the better.
    fn score(&self, pieces: &Pieces, id: u32, len: usize) -> Option<f32> {
        let piece = pieces.get(id)?;
        match piece.kind {
            PieceKind::Unused => None,
            PieceKind::UserDefined => Some((len - 1) as f32 * USER_DEFINED_BONUS),
            _ => Some(piece.score),
        }
    }
}

/// Takes this arrival if it is the first or better than the one there.
fn arrive(place: &mut Option<Arrival>, arrival: Arrival) {
    if place.is_none_or(|best| arrival.score > best.score) {
        *place = Some(arrival);
    }
}

fn backtrack<'a>(arrivals: &[Option<Arrival>], text: &'a str) -> Vec<(&'a str, u32)> {
    let mut segments = Vec::new();
    let mut end = text.len();
    while let Some(arrival) = arrivals.get(end).copied().flatten() {
        segments.push((&text[arrival.start..end], arrival.id));
        end = arrival.start;
    }
    segments.reverse();
    segments
}
