//! Each piece into the open pack that it fills best; no image is ever split.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::Pack;

/// Packs that still have room.
#[derive(Debug, Clone)]
pub(super) struct BestFit<D> {
    open: BTreeMap<u64, Pack<D>>,
    /// The same by room: `(room, number)`.
    by_room: BTreeSet<(usize, u64)>,
    /// The number of the next pack to be opened.
    next: u64,
}

impl<D> BestFit<D> {
    pub(super) const fn new() -> Self {
        Self {
            open: BTreeMap::new(),
            by_room: BTreeSet::new(),
            next: 0,
        }
    }

    /// Puts a piece, no longer than `length`, into the fullest pack that has room for it, the oldest of equals, or into
    /// a new one. Returns the packs that are done: those that are full, and, past `open_packs` open ones, the fullest.
    pub(super) fn push(
        &mut self,
        length: usize,
        open_packs: usize,
        ids: &[u32],
        document: D,
        offset: usize,
    ) -> Vec<Pack<D>> {
        let best = self.by_room.range((ids.len(), 0)..).next().copied();
        let (room, number) = best.unwrap_or_else(|| {
            self.next += 1;
            (length, self.next)
        });
        self.by_room.remove(&(room, number));
        self.open.entry(number).or_default().append(ids, document, offset);
        self.by_room.insert((room - ids.len(), number));
        let mut done = Vec::new();
        while let Some((room, number)) = self.by_room.first().copied()
            && (room == 0 || self.by_room.len() > open_packs)
        {
            self.by_room.remove(&(room, number));
            done.extend(self.open.remove(&number));
        }
        done
    }

    /// The packs that are open still, in the order in which they were opened.
    pub(super) fn finish(self) -> impl Iterator<Item = Pack<D>> {
        self.open.into_values()
    }
}
