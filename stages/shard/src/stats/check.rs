//! Whether the numbers of a stats file can all be true at once: it is JSON that anybody may have written.

use super::{FileChecksum, ShardStats};
use crate::{ShardError, UnitId};

/// No unit has so many rows, texts or images. Sums over all units of a plan then fit into 64 bits.
const MOST_ROWS: u64 = 1 << 40;
/// No unit has so many ids, nor a file of it so many bytes.
const MOST_IDS: u64 = 1 << 50;
/// Sequences of one pair at most: one of each order.
const MOST_ORDERS: u64 = 4;
/// A cosine of rounded numbers is a little off.
const MOST_COSINE: f32 = 1.01;

impl ShardStats {
    /// Whether the numbers can be those of this unit.
    ///
    /// # Errors
    /// With the first that cannot.
    pub(crate) fn check(&self, unit: UnitId) -> Result<(), ShardError> {
        match self.problems(unit).into_iter().next() {
            Some(problem) => Err(ShardError::Impossible {
                name: unit.stats_file(),
                problem,
            }),
            None => Ok(()),
        }
    }

    /// All that cannot be, in words.
    pub(crate) fn problems(&self, unit: UnitId) -> Vec<String> {
        let mut problems = Vec::new();
        if self.unit != unit {
            problems.push(format!("it is of {}", self.unit));
        }
        if self.check_accounted().is_err() {
            problems.push(format!(
                "{} rows read and {} texts taken are not {} filtered + {} pairs + {} texts + {} failures",
                self.rows_read,
                self.text_rows,
                self.filtered,
                self.pairs,
                self.texts,
                self.failed()
            ));
        }
        let impossible = self.counts().into_iter().chain(self.packing()).chain(self.sums());
        problems.extend(
            impossible
                .filter(|(is_right, _)| !is_right)
                .map(|(_, what)| what.to_owned()),
        );
        problems
    }

    /// Whether counts fit together.
    fn counts(&self) -> Vec<(bool, &'static str)> {
        let rows = self.rows_read.saturating_add(self.text_rows);
        let least = self.pairs.saturating_add(self.texts);
        let most = self.pairs.saturating_mul(MOST_ORDERS).saturating_add(self.texts);
        let images = if self.document_images > 0 {
            self.document_images
        } else {
            self.pairs
        };
        let counted = self.image_codes.checked_count();
        let dropped = self
            .dropped_images
            .values()
            .try_fold(0_u64, |sum, count| sum.checked_add(*count));
        vec![
            (rows < MOST_ROWS, "no unit has so many rows"),
            (
                self.texts <= self.text_rows,
                "more texts have a sequence than were taken",
            ),
            (
                (least..=most).contains(&self.sequences),
                "its pairs and texts cannot have so many sequences",
            ),
            (self.document_images < MOST_ROWS, "no unit has so many images"),
            (
                dropped.is_some_and(|dropped| dropped < MOST_ROWS),
                "no unit goes without so many images",
            ),
            (
                counted == Some(images) || (self.document_images == 0 && counted == Some(0)),
                "its image_codes are not of as many images as it counts",
            ),
            (
                self.input_ids.checked_count() == Some(self.sequences),
                "its input_ids are not of as many sequences as it counts",
            ),
            (
                self.captions_truncated <= rows,
                "more captions were cut off than rows were read",
            ),
            (
                self.texts_dropped <= self.sequences,
                "more sequences go without their text than there are",
            ),
            (self.revision <= rows, "no unit can be revised so often"),
        ]
    }

    /// Whether what packing came to fits the sequences.
    fn packing(&self) -> Vec<(bool, &'static str)> {
        let mut checks = vec![(
            self.packed.is_some() == self.packed_file.is_some(),
            "it counts contexts without a packed file, or has a packed file without counting them",
        )];
        if let Some(packed) = &self.packed {
            let is_of_ids = self.input_ids.checked_sum() == Some(packed.tokens);
            checks.extend([
                (
                    is_of_ids,
                    "the ids of its contexts are not as many as those of its sequences",
                ),
                (packed.contexts <= packed.tokens, "it has more contexts than ids"),
                (
                    packed.tokens <= packed.capacity && packed.capacity < MOST_IDS,
                    "so many ids do not fit into its contexts",
                ),
            ]);
        }
        checks
    }

    /// Whether sums and checksums are such.
    fn sums(&self) -> Vec<(bool, &'static str)> {
        let few = |sum: Option<u64>| sum.is_some_and(|sum| sum < MOST_IDS);
        let files = [Some(&self.data_file), Some(&self.failures_file)];
        let optional = [self.images_file.as_ref(), self.packed_file.as_ref()];
        let cosine = self.reconstruction_cosine.as_ref();
        let are_cosines = cosine.is_none_or(|cosine| {
            let bounds = -MOST_COSINE..=MOST_COSINE;
            let least = f64::from(cosine.min) * cosine.count as f64 - 1.0;
            let most = f64::from(cosine.max) * cosine.count as f64 + 1.0;
            (1..=self.pairs).contains(&cosine.count)
                && cosine.min <= cosine.max
                && bounds.contains(&cosine.min)
                && bounds.contains(&cosine.max)
                && (least..=most).contains(&cosine.sum)
        });
        vec![
            (few(self.image_codes.checked_sum()), "no unit has so many codes"),
            (few(self.input_ids.checked_sum()), "no unit has so many ids"),
            (
                files.into_iter().chain(optional).flatten().all(is_checksum),
                "a size or BLAKE3 hash in it is none",
            ),
            (
                are_cosines,
                "its reconstruction_cosine sums up no cosines of its pairs",
            ),
            (
                self.timings
                    .values()
                    .all(|seconds| seconds.is_finite() && *seconds >= 0.0),
                "a stage worked for no number of seconds",
            ),
        ]
    }
}

/// Whether a size is one that a file can have, and a hash 64 lowercase hexadecimal digits.
fn is_checksum(file: &FileChecksum) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    file.size < MOST_IDS && file.blake3.len() == 64 && file.blake3.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const UNIT: UnitId = UnitId(3);

    /// Ten rows: five pairs in six sequences, packed, and five failures.
    fn sound() -> Value {
        let file = json!({ "size": 100, "blake3": "0f".repeat(32) });
        json!({
            "program": "0.1.0", "plan": "p", "unit": 3, "rows_read": 10, "text_rows": 0, "filtered": 1, "pairs": 5,
            "texts": 0, "sequences": 6, "failures": { "dns": 4 }, "captions_truncated": 2, "texts_dropped": 1,
            "image_codes": { "sum": 50, "min": 10, "median": 10, "max": 10, "histogram": { "10": 5 } },
            "input_ids": { "sum": 120, "min": 20, "median": 20, "max": 20, "histogram": { "20": 6 } },
            "reconstruction_cosine": { "count": 5, "sum": 4.0, "min": 0.5, "max": 1.0 },
            "data_file": file, "failures_file": file, "packed_file": file,
            "packed": { "contexts": 2, "tokens": 120, "capacity": 128 },
            "revision": 1, "timings": { "fetch": 1.5 },
        })
    }

    fn problem(pointer: &str, value: Value) -> Option<String> {
        let mut stats = sound();
        *stats.pointer_mut(pointer).expect("is there") = value;
        match serde_json::from_value::<ShardStats>(stats) {
            Ok(stats) => stats.check(UNIT).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    #[test]
    fn what_a_unit_can_come_to_is_let_by() {
        assert_eq!(problem("/timings/fetch", json!(0.0)), None);
        assert_eq!(problem("/captions_truncated", json!(10)), None);
    }

    #[test]
    fn each_number_that_cannot_be_is_told() {
        let (huge, half) = (json!(u64::MAX), json!(u64::MAX / 2));
        for (pointer, value) in [
            ("/unit", json!(4)),
            ("/rows_read", json!(9)),
            ("/rows_read", huge.clone()),
            ("/rows_read", json!(-1)),
            ("/text_rows", huge.clone()),
            ("/filtered", huge.clone()),
            ("/pairs", half.clone()),
            ("/texts", json!(1)),
            ("/sequences", json!(4)),
            ("/sequences", json!(21)),
            ("/failures", json!({ "dns": huge, "timeout": huge })),
            ("/failures", json!({ "no such reason": 4 })),
            ("/image_codes", json!({ "histogram": { "10": 4 } })),
            ("/image_codes", json!({ "histogram": { "10": huge, "11": 6 } })),
            ("/image_codes/sum", json!(51)),
            ("/input_ids/min", json!(19)),
            ("/input_ids/max", json!(21)),
            ("/input_ids/median", json!(null)),
            ("/input_ids", json!({ "histogram": { "4294967295": 6 } })),
            ("/captions_truncated", json!(11)),
            ("/texts_dropped", json!(7)),
            ("/reconstruction_cosine/count", json!(6)),
            ("/reconstruction_cosine/count", json!(0)),
            ("/reconstruction_cosine/sum", json!(1e300)),
            ("/reconstruction_cosine/min", json!(-2.0)),
            ("/data_file/blake3", json!("0F".repeat(32))),
            ("/failures_file/blake3", json!("../../etc/passwd")),
            ("/packed_file/size", huge.clone()),
            ("/packed_file", json!(null)),
            ("/packed", json!(null)),
            ("/packed/tokens", json!(119)),
            ("/packed/contexts", huge.clone()),
            ("/packed/capacity", json!(119)),
            ("/revision", huge.clone()),
            ("/timings/fetch", json!(-0.5)),
        ] {
            assert!(problem(pointer, value.clone()).is_some(), "{pointer} {value}");
        }
    }
}
