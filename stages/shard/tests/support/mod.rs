//! Units of made-up outcomes, and where to write them.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod failing_store;

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use img2tokens_schemas::{
    Digest, Failure, FailureReason, KeepMask, KeptColumns, OptionalColumns, Order, Outcome, PackedRow,
    PackedSegment, PairTokens, RowIndex, Sequence, SequenceRow, VisualTokens, Vocabulary,
};
use img2tokens_shard::{
    Compression, Destination, ShardConfig, ShardError, ShardStats, ShardWriter, Timings, UnitCounts, UnitId,
};
use object_store::memory::InMemory;
use tempfile::TempDir;

pub const VOCABULARY: Vocabulary = Vocabulary {
    text_size: 32_000,
    codebook_size: 16_384,
    bos: 1,
    eos: 2,
};
pub const PLAN: &str = "5ba1";

pub fn kept_fields() -> Fields {
    vec![
        Field::new("similarity", DataType::Float32, true),
        Field::new("key", DataType::Int64, false),
        Field::new("NSFW", DataType::Utf8, true),
    ]
    .into()
}

pub fn config() -> ShardConfig {
    ShardConfig {
        compression: Compression::default(),
        row_group_rows: 7,
        optional: OptionalColumns::default(),
        kept: kept_fields(),
        plan: PLAN.to_owned(),
        provenance: serde_json::json!({ "model": "nano", "selection": "argmax" }),
        vocabulary: VOCABULARY,
        images: false,
        texts: false,
        packing: None,
    }
}

/// A folder that is removed with this.
pub fn local() -> (TempDir, Destination) {
    let folder = tempfile::tempdir().unwrap();
    let destination = Destination::Local(folder.path().join("out"));
    (folder, destination)
}

pub fn in_memory() -> Destination {
    Destination::Store {
        store: Arc::new(InMemory::new()),
        prefix: "runs/one".into(),
    }
}

/// What a pair of a test unit is to become.
#[derive(Debug, Clone)]
pub enum Pair {
    Fails(FailureReason, Option<u16>, String),
    Filtered,
    Succeeds {
        kept: Vec<bool>,
        text_ids: Vec<u32>,
        orders: Vec<Order>,
    },
}

/// A unit's pairs as the stages would push them; the kept columns come in batches of 5 rows.
pub fn outcomes(unit: u64, pairs: &[Pair]) -> Vec<Outcome> {
    let batches: Vec<_> = (0..pairs.len())
        .step_by(5)
        .map(|first| kept_batch(first, pairs.len().min(first + 5)))
        .collect();
    let indexed = pairs.iter().enumerate();
    indexed
        .filter_map(|(row, pair)| {
            let result = match pair {
                Pair::Filtered => return None,
                Pair::Fails(reason, http_status, detail) => Err(Failure {
                    http_status: *http_status,
                    attempts: 2,
                    ..Failure::new(*reason, detail)
                }),
                Pair::Succeeds {
                    kept,
                    text_ids,
                    orders,
                } => Ok(sequences(row, kept, text_ids, orders)),
            };
            let kept = KeptColumns::new(batches[row / 5].clone(), row % 5).unwrap();
            let url = (row % 3 != 0).then(|| format!("http://host{}.example/{row}.jpg", row % 4));
            Some(Outcome {
                index: RowIndex(row as u64),
                key: format!("{unit:05}{row:04}"),
                url,
                kept,
                result,
            })
        })
        .collect()
}

/// Contexts of one sequence after the other, cut where one is full.
pub fn contexts(outcomes: &[Outcome], length: usize) -> Vec<PackedRow> {
    let mut contexts = vec![PackedRow::default()];
    let rows = outcomes.iter().flat_map(|outcome| {
        let rows = outcome.result.iter().flatten();
        rows.map(|row| (&outcome.key, &row.sequence))
    });
    for (key, sequence) in rows {
        for (offset, id) in sequence.input_ids.iter().enumerate() {
            if contexts.last().unwrap().input_ids.len() == length {
                contexts.push(PackedRow::default());
            }
            let context = contexts.last_mut().unwrap();
            if offset == 0 || context.input_ids.is_empty() {
                context.segments.push(PackedSegment {
                    start: context.input_ids.len() as u32,
                    offset: offset as u32,
                    key: key.clone(),
                    order: sequence.order,
                });
            }
            context.input_ids.push(*id);
        }
    }
    contexts
}

fn kept_batch(first: usize, end: usize) -> Arc<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            (first..end)
                .map(|row| (row % 2 == 0).then_some(row as f32 / 8.0))
                .collect::<Float32Array>(),
        ),
        Arc::new(
            (first..end)
                .map(|row| Some(row as i64 * 1_000_003))
                .collect::<Int64Array>(),
        ),
        Arc::new(
            (first..end)
                .map(|row| (row % 4 != 0).then_some("UNLIKELY"))
                .collect::<StringArray>(),
        ),
    ];
    Arc::new(RecordBatch::try_new(Arc::new(Schema::new(kept_fields())), columns).unwrap())
}

fn sequences(row: usize, kept: &[bool], text_ids: &[u32], orders: &[Order]) -> Vec<SequenceRow> {
    let mask = KeepMask::from_bools(kept);
    let codes: Vec<u16> = mask
        .kept_patches()
        .map(|patch| ((patch * 7919 + row * 31) % 16_384) as u16)
        .collect();
    let pair = Arc::new(PairTokens {
        visual: VisualTokens::new(codes, mask).unwrap(),
        features: None,
        reconstruction: None,
        digest_matches: None,
        text_ids: text_ids.to_vec(),
        caption: format!("Ein Bild, № {row}"),
        caption_column: None,
        caption_truncated: row % 7 == 2,
        width: 640 + row as u32,
        height: 480,
        sha256: Some(Digest([row as u8; 32])),
        document: None,
    });
    orders
        .iter()
        .map(|order| SequenceRow {
            sequence: sequence(*order, &pair),
            pair: pair.clone(),
        })
        .collect()
}

fn sequence(order: Order, pair: &PairTokens) -> Sequence {
    let codes = pair
        .visual
        .codes()
        .iter()
        .map(|code| VOCABULARY.first_code() + u32::from(*code));
    let image: Vec<u32> = std::iter::once(VOCABULARY.image_start())
        .chain(codes)
        .chain([VOCABULARY.image_end()])
        .collect();
    let text = pair.text_ids.clone();
    let (input_ids, image_start) = match order {
        Order::ImageText => ([image, text, vec![VOCABULARY.eos]].concat(), 1),
        Order::TextImage => {
            let start = text.len() as u32 + 1;
            ([text, image, vec![VOCABULARY.eos]].concat(), start)
        }
        Order::Text | Order::Document => ([text, vec![VOCABULARY.eos]].concat(), 0),
    };
    Sequence {
        order,
        input_ids,
        image_start,
        image_len: pair.visual.codes().len() as u32,
        text_dropped: false,
    }
}

/// Some pairs of every kind.
pub fn mixed_pairs(pairs: usize) -> Vec<Pair> {
    (0..pairs)
        .map(|row| match row % 10 {
            3 => Pair::Fails(FailureReason::HttpStatus, Some(404), "gone".to_owned()),
            6 => Pair::Fails(FailureReason::CorruptImage, None, String::new()),
            8 => Pair::Filtered,
            kind => Pair::Succeeds {
                kept: (0..12)
                    .map(|patch| patch == row % 12 || (patch * (row + 3)) % 4 == 0)
                    .collect(),
                text_ids: (0..row as u32 % 9 + 1).map(|id| id * 37 + 3).collect(),
                orders: if kind == 5 {
                    vec![Order::ImageText, Order::TextImage]
                } else {
                    vec![Order::TextImage]
                },
            },
        })
        .collect()
}

pub fn counts(pairs: &[Pair]) -> UnitCounts {
    let filtered = pairs.iter().filter(|pair| matches!(pair, Pair::Filtered)).count();
    UnitCounts {
        rows_read: pairs.len() as u64,
        filtered: filtered as u64,
    }
}

pub fn timings() -> Timings {
    Timings::from([("vision".to_owned(), 1.5)])
}

/// A writer that has taken all pairs.
pub fn filled(
    destination: &Destination,
    unit: UnitId,
    config: &ShardConfig,
    pairs: &[Pair],
) -> Result<ShardWriter, ShardError> {
    let mut writer = ShardWriter::begin(destination, unit, config)?;
    for outcome in outcomes(unit.0, pairs) {
        writer.push(outcome)?;
    }
    Ok(writer)
}

pub async fn write(
    destination: &Destination,
    unit: UnitId,
    config: &ShardConfig,
    pairs: &[Pair],
) -> Result<ShardStats, ShardError> {
    filled(destination, unit, config, pairs)?
        .commit(counts(pairs), timings())
        .await
}
