//! One document after the other, without padding; what overflows a context starts the next, as LaVIT's authors do.

use super::Pack;

#[derive(Debug, Clone)]
pub(super) struct Concat<D> {
    open: Pack<D>,
}

impl<D: Clone> Concat<D> {
    pub(super) fn new() -> Self {
        Self {
            open: Pack::default(),
        }
    }

    /// Appends a document; the packs that it fills.
    pub(super) fn push(&mut self, length: usize, document: &D, ids: &[u32]) -> Vec<Pack<D>> {
        let mut full = Vec::new();
        let mut offset = 0;
        while offset < ids.len() {
            let room = length - self.open.input_ids.len();
            let end = ids.len().min(offset + room);
            self.open.append(&ids[offset..end], document.clone(), offset);
            if self.open.input_ids.len() == length {
                full.push(std::mem::take(&mut self.open));
            }
            offset = end;
        }
        full
    }

    /// The last pack, if anything is in it: the one that may be short.
    pub(super) fn finish(self) -> Option<Pack<D>> {
        (!self.open.pieces.is_empty()).then_some(self.open)
    }
}
