//! Contexts beside a unit's sequences: committed with them, whole or not at all.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::sync::Arc;

use img2tokens_schemas::{Outcome, PackedRow, PackedSegment, Packing};
use img2tokens_shard::read::ContextReader;
use img2tokens_shard::verify::{KeyLedger, verify_unit};
use img2tokens_shard::{Destination, ShardConfig, ShardError, ShardStats, ShardWriter, UnitId};

const UNIT: UnitId = UnitId(3);

fn config() -> ShardConfig {
    ShardConfig {
        packing: Some(Packing {
            method: "best_fit".to_owned(),
            length: 64,
        }),
        ..support::config()
    }
}

/// A context for each sequence.
fn contexts(outcomes: &[Outcome]) -> Vec<PackedRow> {
    let sequences = outcomes.iter().flat_map(|outcome| {
        let rows = outcome.result.iter().flatten();
        rows.map(|row| (&outcome.key, &row.sequence))
    });
    sequences
        .map(|(key, sequence)| PackedRow {
            input_ids: sequence.input_ids.clone(),
            segments: vec![PackedSegment {
                start: 0,
                offset: 0,
                key: key.clone(),
                order: sequence.order,
            }],
        })
        .collect()
}

async fn write(destination: &Destination, contexts: &[PackedRow]) -> Result<ShardStats, ShardError> {
    let pairs = support::mixed_pairs(20);
    let mut writer = ShardWriter::begin(destination, UNIT, &config())?;
    for context in contexts {
        writer.pack(context)?;
    }
    for outcome in support::outcomes(UNIT.0, &pairs) {
        writer.push(outcome)?;
    }
    writer.commit(support::counts(&pairs), support::timings()).await
}

#[tokio::test]
async fn contexts_are_read_back_as_they_were_written_from_folder_and_store() {
    let expected = contexts(&support::outcomes(UNIT.0, &support::mixed_pairs(20)));
    let (_folder, local) = support::local();
    for destination in [local, support::in_memory()] {
        let stats = write(&destination, &expected).await.unwrap();
        let packed = stats.packed.unwrap();
        assert_eq!(packed.contexts, expected.len() as u64);
        assert_eq!(packed.tokens, stats.input_ids.sum());
        let reader = ContextReader::open(&destination, UNIT).await.unwrap().unwrap();
        assert_eq!(reader.metadata().packing, config().packing);
        let mut found = Vec::new();
        for batch in reader {
            for context in batch.unwrap().rows() {
                assert_eq!(
                    (context.segment_starts, context.segment_offsets),
                    (&[0][..], &[0][..])
                );
                found.push(PackedRow {
                    input_ids: context.input_ids.iter().map(|id| id.cast_unsigned()).collect(),
                    segments: vec![PackedSegment {
                        start: 0,
                        offset: 0,
                        key: context.keys[0].to_owned(),
                        order: context.orders[0],
                    }],
                });
            }
        }
        assert_eq!(found, expected);
        let keys = Arc::new(KeyLedger::new().unwrap());
        let report = verify_unit(&destination, UNIT, None, &keys).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}

#[tokio::test]
async fn a_unit_whose_contexts_lack_ids_of_its_sequences_is_not_committed() {
    let (_folder, destination) = support::local();
    let mut lacking = contexts(&support::outcomes(UNIT.0, &support::mixed_pairs(20)));
    lacking.pop();
    let refused = write(&destination, &lacking).await;
    assert!(matches!(refused, Err(ShardError::Unpacked { .. })), "{refused:?}");
    assert!(ContextReader::open(&destination, UNIT).await.unwrap().is_none());
}
