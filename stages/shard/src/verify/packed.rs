//! What must hold of a packed file: every context well formed, and together the ids of the data file, each once.

use img2tokens_schemas::Order;

use super::Findings;
use crate::read::{ContextReader, Segment};
use crate::{PackedSummary, ShardError, ShardStats};

/// A digest of ids by sequence and place in it, whatever the order in which they are added: equal for a data file and
/// the contexts that its sequences were packed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Contents(u64);

impl Contents {
    /// Adds ids of a sequence, of which the first is the one at `offset`.
    pub(super) fn add(&mut self, key: &str, order: Order, offset: usize, ids: &[i32]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(order.name().as_bytes());
        hasher.update(key.as_bytes());
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = *hasher.finalize().as_bytes();
        let sequence = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
        for (place, id) in (offset as u64..).zip(ids) {
            let item = sequence ^ mixed(place << 32 | u64::from(id.cast_unsigned()));
            self.0 = self.0.wrapping_add(mixed(item));
        }
    }
}

/// The finaliser of SplitMix64: neighbouring numbers become unrelated ones.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Checks all rows; returns what they hold.
pub(super) fn check_contexts(
    name: &str,
    reader: ContextReader,
    stats: &ShardStats,
    length: Option<u32>,
    findings: &mut Findings,
) -> Result<Contents, ShardError> {
    let mut contents = Contents::default();
    let mut found = PackedSummary::default();
    let length = length.unwrap_or_else(|| {
        findings.add(name, None, "it does not say how it was packed");
        u32::MAX
    });
    for batch in reader {
        for context in batch?.rows() {
            found.add(context.input_ids.len(), length);
            if context.input_ids.len() > length as usize {
                let ids = context.input_ids.len();
                findings.add(
                    name,
                    Some(context.row),
                    format!("it has {ids} ids, and its length is {length}"),
                );
            }
            match context.segments() {
                Ok(segments) => {
                    for Segment {
                        key,
                        order,
                        offset,
                        ids,
                    } in segments
                    {
                        contents.add(key, order, offset, ids);
                    }
                }
                Err(problem) => findings.add(name, Some(context.row), problem),
            }
        }
    }
    if stats.packed != Some(found) {
        findings.add(
            name,
            None,
            "its contexts are not as many or as full as its stats say",
        );
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(parts: &[(&str, usize, &[i32])]) -> Contents {
        let mut contents = Contents::default();
        for (key, offset, ids) in parts {
            contents.add(key, Order::ImageText, *offset, ids);
        }
        contents
    }

    #[test]
    fn contents_do_not_depend_on_how_sequences_are_cut_and_strewn_and_on_all_else() {
        let whole = contents(&[("a", 0, &[5, 6, 7]), ("b", 0, &[8])]);
        assert_eq!(
            whole,
            contents(&[("b", 0, &[8]), ("a", 2, &[7]), ("a", 0, &[5, 6])])
        );
        for other in [
            contents(&[("a", 0, &[5, 6, 7])]),
            contents(&[("a", 0, &[5, 6, 7]), ("b", 0, &[8]), ("b", 0, &[8])]),
            contents(&[("a", 0, &[6, 5, 7]), ("b", 0, &[8])]),
            contents(&[("b", 0, &[5, 6, 7]), ("a", 0, &[8])]),
        ] {
            assert_ne!(whole, other);
        }
    }
}
