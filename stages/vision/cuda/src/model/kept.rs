//! Which rows the merger computes, from the masks of a batch.

use img2tokens_schemas::KeepMask;
use img2tokens_vision::Merger as Mode;

use super::room::KeptRoom;
use crate::error::Fault;
use crate::machine::Machine;

/// The kept patches of a batch. A picture's patches are numbered by its place in the batch times N.
pub(super) struct Kept {
    /// Patches that the merger computes: every one, or those kept.
    rows: Vec<i32>,
    /// Where those of each picture begin, and where the last one's end.
    starts: Vec<i32>,
    /// Rows that are kept.
    merged: Vec<i32>,
    /// 1 for every patch that is kept.
    mask: Vec<u8>,
    /// Rows of a picture, at most.
    pub most_rows: usize,
}

impl Kept {
    /// `masks` are those of the batch's first pictures; of `pictures` in all, the others keep nothing.
    pub(super) fn new(masks: &[Option<KeepMask>], mode: Mode, patches: usize, pictures: usize) -> Self {
        let mut kept = Self {
            rows: Vec::new(),
            starts: vec![0],
            merged: Vec::new(),
            mask: vec![0; pictures * patches],
            most_rows: 0,
        };
        for picture in 0..pictures {
            let first = kept.rows.len();
            let mask = masks.get(picture).and_then(Option::as_ref);
            for patch in 0..patches {
                let is_kept = mask.is_some_and(|mask| mask.is_kept(patch));
                let number = picture * patches + patch;
                kept.mask[number] = u8::from(is_kept);
                if is_kept {
                    kept.merged.push(kept.rows.len() as i32);
                }
                if is_kept || mode == Mode::Full {
                    kept.rows.push(number as i32);
                }
            }
            kept.most_rows = kept.most_rows.max(kept.rows.len() - first);
            kept.starts.push(kept.rows.len() as i32);
        }
        kept
    }

    /// The rows that the merger computes.
    pub(super) const fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The kept patches of all pictures.
    pub(super) const fn merged(&self) -> usize {
        self.merged.len()
    }

    pub(super) fn write<M: Machine>(&self, machine: &M, room: &mut KeptRoom<M>) -> Result<(), Fault> {
        machine.write(&self.mask, &mut room.mask)?;
        machine.write(&self.rows, &mut room.rows)?;
        machine.write(&self.starts, &mut room.starts)?;
        machine.write(&self.merged, &mut room.merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks() -> Vec<Option<KeepMask>> {
        let mask = |kept: &[bool]| Some(KeepMask::from_bools(kept));
        vec![mask(&[true, false, true]), None, mask(&[false, true, false])]
    }

    #[test]
    fn packed_rows_are_the_kept_patches_of_each_picture_in_turn() {
        let kept = Kept::new(&masks(), Mode::Packed, 3, 4);
        assert_eq!(kept.rows, [0, 2, 7]);
        assert_eq!(kept.starts, [0, 2, 2, 3, 3]);
        assert_eq!(kept.merged, [0, 1, 2]);
        assert_eq!(kept.mask, [1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(kept.most_rows, 2);
    }

    #[test]
    fn the_full_merger_computes_every_patch_of_a_full_batch() {
        let kept = Kept::new(&masks(), Mode::Full, 3, 4);
        assert_eq!(kept.rows, (0..12).collect::<Vec<_>>());
        assert_eq!(kept.starts, [0, 3, 6, 9, 12]);
        assert_eq!(kept.merged, [0, 2, 7]);
        assert_eq!(kept.most_rows, 3);
    }
}
