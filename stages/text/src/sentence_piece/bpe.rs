//! Byte pair encoding: the best-scored pair of neighbours is merged, the leftmost of equals first, until none is a piece.
//!
//! Candidate pairs wait in a queue, and a pair that a merge made stale is passed over when its turn comes: O(n log n)
//! in the length of the text.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::model::PieceKind;
use super::pieces::Pieces;

/// Cuts a normalised text into pieces: each one's text and id.
pub(super) fn segment<'a>(pieces: &Pieces, text: &'a str) -> Vec<(&'a str, u32)> {
    let mut merger = Merger {
        pieces,
        text,
        symbols: symbols(pieces, text),
        agenda: BinaryHeap::new(),
        halves: HashMap::new(),
    };
    merger.merge_all();
    merger.segments()
}

/// A stretch of the text that is one piece so far. Symbols are a linked list in the order of the text.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    /// In bytes; 0 once it was merged into the one before it.
    len: usize,
    previous: Option<usize>,
    next: Option<usize>,
    /// A user-defined symbol: never merged.
    frozen: bool,
}

/// Two neighbours whose texts together are a piece.
#[derive(Debug)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// The length of both in bytes; if theirs is another by now, the pair is stale.
    len: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

struct Merger<'a, 'p> {
    pieces: &'p Pieces,
    text: &'a str,
    symbols: Vec<Symbol>,
    agenda: BinaryHeap<Pair>,
    /// Pieces that may be merged on the way and must not remain, and the two that each was last found to be made of.
    halves: HashMap<&'a str, (&'a str, &'a str)>,
}

impl<'a> Merger<'a, '_> {
    fn merge_all(&mut self) {
        for right in 1..self.symbols.len() {
            self.consider(Some(right - 1), Some(right));
        }
        while let Some(pair) = self.agenda.pop() {
            let [left, right] = [self.symbols[pair.left], self.symbols[pair.right]];
            if left.len == 0 || right.len == 0 || left.len + right.len != pair.len {
                continue;
            }
            self.symbols[pair.left].len = pair.len;
            self.symbols[pair.left].next = right.next;
            self.symbols[pair.right].len = 0;
            if let Some(next) = right.next {
                self.symbols[next].previous = Some(pair.left);
            }
            self.consider(left.previous, Some(pair.left));
            self.consider(Some(pair.left), right.next);
        }
    }

    /// Queues this pair if it is a piece.
    fn consider(&mut self, left: Option<usize>, right: Option<usize>) {
        let (Some(left), Some(right)) = (left, right) else {
            return;
        };
        let [first, second] = [self.symbols[left], self.symbols[right]];
        if first.frozen || second.frozen {
            return;
        }
        let len = first.len + second.len;
        let text = &self.text[first.start..first.start + len];
        let Some((_, piece)) = self.pieces.ordinary(text) else {
            return;
        };
        self.agenda.push(Pair {
            score: piece.score,
            left,
            right,
            len,
        });
        if piece.kind == PieceKind::Unused {
            self.halves.insert(text, text.split_at(first.len));
        }
    }

    fn segments(&self) -> Vec<(&'a str, u32)> {
        let mut segments = Vec::new();
        let mut open = Vec::new();
        for symbol in self.symbols.iter().filter(|symbol| symbol.len > 0) {
            open.push(&self.text[symbol.start..symbol.start + symbol.len]);
            while let Some(text) = open.pop() {
                let id = self.pieces.id(text);
                let unused = self
                    .pieces
                    .get(id)
                    .is_some_and(|piece| piece.kind == PieceKind::Unused);
                match self.halves.get(text) {
                    Some((left, right)) if unused => open.extend([*right, *left]),
                    _ => segments.push((text, id)),
                }
            }
        }
        segments
    }
}

/// The characters of the text, and the user-defined symbols in it.
fn symbols(pieces: &Pieces, text: &str) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.clone().next() {
        let start = text.len() - rest.as_str().len();
        let user_defined = pieces.user_defined().longest(&text.as_bytes()[start..]);
        let len = user_defined.unwrap_or(character.len_utf8());
        let index = symbols.len();
        let next = (start + len < text.len()).then_some(index + 1);
        symbols.push(Symbol {
            start,
            len,
            previous: index.checked_sub(1),
            next,
            frozen: user_defined.is_some(),
        });
        rest = text[start + len..].chars();
    }
    symbols
}
