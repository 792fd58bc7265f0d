//! Sequences on their way from a shard to the writer, many at a time.

use img2tokens_schemas::Order;
use img2tokens_shard::read::Sample;

use super::ids::IdWidth;

/// A sequence on its way into a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence<'a> {
    /// Its row in the unit's data file, from 0.
    pub row: u64,
    /// The pair's name.
    pub key: &'a str,
    /// Which half stands on the left.
    pub order: Order,
    /// The number of ids, at least 1.
    pub tokens: u32,
    /// The ids in the width that the writer was made for.
    pub ids: &'a [u8],
}

/// Sequences of one unit, in the order of their rows.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    rows: Vec<Row>,
    /// The keys and the ids of all rows, back to back.
    keys: String,
    ids: Vec<u8>,
}

#[derive(Debug)]
struct Row {
    row: u64,
    order: Order,
    tokens: u32,
    key_end: usize,
    ids_end: usize,
}

impl Chunk {
    /// Adds a sample.
    ///
    /// # Errors
    /// The first of its ids that is not below `vocabulary_size`; the chunk is of no use then.
    pub(super) fn push(
        &mut self,
        sample: &Sample<'_>,
        width: IdWidth,
        vocabulary_size: u32,
    ) -> Result<(), i32> {
        width.encode(sample.input_ids, vocabulary_size, &mut self.ids)?;
        self.keys.push_str(sample.key);
        self.rows.push(Row {
            row: sample.row,
            order: sample.order,
            // The offsets of a list in the shard are 32 bits wide.
            tokens: sample.input_ids.len() as u32,
            key_end: self.keys.len(),
            ids_end: self.ids.len(),
        });
        Ok(())
    }

    /// The size of its ids and keys.
    pub(super) const fn bytes(&self) -> usize {
        self.ids.len() + self.keys.len()
    }

    /// What was pushed.
    pub(super) fn sequences(&self) -> impl Iterator<Item = Sequence<'_>> {
        let (mut key_start, mut ids_start) = (0, 0);
        self.rows.iter().map(move |row| {
            let sequence = Sequence {
                row: row.row,
                key: &self.keys[key_start..row.key_end],
                order: row.order,
                tokens: row.tokens,
                ids: &self.ids[ids_start..row.ids_end],
            };
            (key_start, ids_start) = (row.key_end, row.ids_end);
            sequence
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_out_row_by_row() {
        let mut chunk = Chunk::default();
        let samples: [(u64, &str, &[i32]); 3] = [(3, "a", &[1]), (4, "", &[2, 3]), (9, "ß", &[4])];
        for (row, key, input_ids) in samples {
            let sample = Sample {
                row,
                key,
                order: Order::TextImage,
                input_ids,
                image_start: 0,
                image_len: 0,
            };
            chunk.push(&sample, IdWidth::Two, 5).unwrap();
        }
        assert_eq!(chunk.bytes(), 8 + 3);
        let found: Vec<_> = chunk
            .sequences()
            .map(|sequence| (sequence.row, sequence.key, sequence.tokens, sequence.ids))
            .collect();
        let expected: [(u64, &str, u32, &[u8]); 3] = [
            (3, "a", 1, &[1, 0]),
            (4, "", 2, &[2, 0, 3, 0]),
            (9, "ß", 1, &[4, 0]),
        ];
        assert_eq!(found, expected);
    }
}
