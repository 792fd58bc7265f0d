//! What was pushed is what is read back.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use img2tokens_schemas::{FailureReason, Order, Outcome, SequenceRow};
use img2tokens_shard::read::{DataReader, DataRow, FailureReader, SampleReader};
use img2tokens_shard::{Compression, Destination, ShardConfig, ShardError, UnitId};
use proptest::prelude::*;
use support::{PLAN, Pair, VOCABULARY, config, in_memory, local, mixed_pairs, outcomes, write};

fn any_pair() -> impl Strategy<Value = Pair> {
    let orders = prop::sample::select(vec![
        vec![Order::ImageText],
        vec![Order::TextImage],
        vec![Order::ImageText, Order::TextImage],
    ]);
    prop_oneof![
        1 => Just(Pair::Filtered),
        2 => (prop::sample::select(FailureReason::ALL), prop::option::of(100_u16..600))
            .prop_map(|(reason, status)| Pair::Fails(reason, status, "as it is".to_owned())),
        5 => (prop::collection::vec(any::<bool>(), 20), prop::collection::vec(0_u32..32_000, 0..30), orders)
            .prop_map(|(mut kept, text_ids, orders)| {
                kept[7] = true;
                Pair::Succeeds { kept, text_ids, orders }
            }),
    ]
}

fn assert_same(row: &DataRow<'_>, outcome: &Outcome, expected: &SequenceRow) {
    let (sequence, pair) = (&expected.sequence, &expected.pair);
    let ids = |ids: &[u32]| ids.iter().map(|id| *id as i32).collect::<Vec<_>>();
    assert_eq!(
        (row.sample.key, row.url),
        (outcome.key.as_str(), outcome.url.as_deref())
    );
    assert_eq!(
        (row.sample.order, row.sample.input_ids),
        (sequence.order, ids(&sequence.input_ids).as_slice())
    );
    assert_eq!(row.num_tokens as usize, sequence.input_ids.len());
    assert_eq!(row.sample.image_start as u32, sequence.image_start);
    assert_eq!(row.sample.image_len as u32, sequence.image_len);
    assert_eq!(row.text_ids, ids(&pair.text_ids));
    assert_eq!(
        (row.image_codes, row.kept_patches),
        (pair.visual.codes(), pair.visual.kept().as_bytes())
    );
    assert_eq!(row.caption, pair.caption);
    assert_eq!((row.width as u32, row.height as u32), (pair.width, pair.height));
    assert_eq!(row.sha256, pair.sha256.unwrap().to_string());
}

fn assert_kept(batch: &RecordBatch, row: usize, outcome: &Outcome) {
    let (input, at) = (outcome.kept.batch(), outcome.kept.row());
    let float = |batch: &RecordBatch, name: &str, row: usize| {
        let column = batch
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Float32Type>()
            .clone();
        column.is_valid(row).then(|| column.value(row))
    };
    assert_eq!(float(batch, "similarity", row), float(input, "similarity", at));
    let key = batch
        .column_by_name("input_key")
        .unwrap()
        .as_primitive::<Int64Type>();
    assert_eq!(
        key.value(row),
        input
            .column_by_name("key")
            .unwrap()
            .as_primitive::<Int64Type>()
            .value(at)
    );
    let (nsfw, input) = (
        batch.column_by_name("NSFW").unwrap(),
        input.column_by_name("NSFW").unwrap(),
    );
    assert_eq!(nsfw.slice(row, 1).as_ref(), input.slice(at, 1).as_ref());
}

async fn assert_reads_back(destination: &Destination, unit: UnitId, outcomes: &[Outcome]) {
    let expected: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, outcome.result.as_ref().ok()?)))
        .flat_map(|(outcome, rows)| rows.iter().map(move |row| (outcome, row)))
        .collect();
    let mut seen = 0;
    for batch in DataReader::open(destination, unit).await.unwrap().unwrap() {
        let batch = batch.unwrap();
        for (at, row) in batch.rows().enumerate() {
            let (outcome, sequence) = expected[seen];
            assert_eq!(row.sample.row, seen as u64);
            assert_same(&row, outcome, sequence);
            assert_kept(batch.record_batch(), at, outcome);
            seen += 1;
        }
    }
    assert_eq!(seen, expected.len());

    let failures: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, outcome.result.as_ref().err()?)))
        .collect();
    let mut seen = 0;
    for batch in FailureReader::open(destination, unit).await.unwrap().unwrap() {
        for row in batch.unwrap().rows() {
            let (outcome, failure) = failures[seen];
            // Of a pair that was taken down only the key is kept.
            let is_taken_down = failure.reason == FailureReason::TakenDown;
            let url = outcome.url.as_deref().filter(|_| !is_taken_down);
            assert_eq!(
                (row.row, row.key, row.url),
                (seen as u64, outcome.key.as_str(), url)
            );
            assert_eq!(
                (row.reason, row.detail),
                (failure.reason, failure.detail.as_str())
            );
            assert_eq!(
                (row.http_status, row.attempts),
                (failure.http_status, failure.attempts)
            );
            seen += 1;
        }
    }
    assert_eq!(seen, failures.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_was_pushed_is_read_back(pairs in prop::collection::vec(any_pair(), 0..60), row_group_rows in 1_usize..40) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let config = ShardConfig { row_group_rows, ..config() };
            let destination = in_memory();
            write(&destination, UnitId(2), &config, &pairs).await.unwrap();
            assert_reads_back(&destination, UnitId(2), &outcomes(2, &pairs)).await;
        });
    }
}

#[tokio::test]
async fn every_compression_is_read_back_from_a_folder() {
    let pairs = mixed_pairs(50);
    for compression in [
        Compression::None,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd { level: 1 },
    ] {
        let (_folder, destination) = local();
        let config = ShardConfig {
            compression,
            row_group_rows: 4000,
            ..config()
        };
        write(&destination, UnitId(0), &config, &pairs).await.unwrap();
        assert_reads_back(&destination, UnitId(0), &outcomes(0, &pairs)).await;
    }
}

#[tokio::test]
async fn more_rows_than_a_batch_or_a_row_group_keep_their_order() {
    let pairs = mixed_pairs(5000);
    let (_folder, destination) = local();
    let config = ShardConfig {
        row_group_rows: 1500,
        ..config()
    };
    write(&destination, UnitId(0), &config, &pairs).await.unwrap();
    assert_reads_back(&destination, UnitId(0), &outcomes(0, &pairs)).await;
}

#[tokio::test]
async fn samples_alone_are_those_of_the_whole_rows() {
    let (_folder, destination) = local();
    write(&destination, UnitId(0), &config(), &mixed_pairs(60))
        .await
        .unwrap();
    let whole = DataReader::open(&destination, UnitId(0)).await.unwrap().unwrap();
    let alone = SampleReader::open(&destination, UnitId(0))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(whole.rows(), alone.rows());
    for (whole, alone) in whole.zip(alone) {
        let (whole, alone) = (whole.unwrap(), alone.unwrap());
        assert!(whole.rows().map(|row| row.sample).eq(alone.samples()));
    }
}

#[tokio::test]
async fn a_file_says_where_its_rows_come_from() {
    let (_folder, destination) = local();
    write(&destination, UnitId(7), &config(), &mixed_pairs(5))
        .await
        .unwrap();
    let reader = DataReader::open(&destination, UnitId(7)).await.unwrap().unwrap();
    let metadata = reader.metadata();
    assert_eq!((metadata.unit, metadata.plan.as_str()), (UnitId(7), PLAN));
    assert_eq!(metadata.vocabulary, VOCABULARY);
    assert_eq!(metadata.provenance, config().provenance);
    assert_eq!(
        *FailureReader::open(&destination, UnitId(7))
            .await
            .unwrap()
            .unwrap()
            .metadata(),
        *metadata
    );
}

#[tokio::test]
async fn what_is_no_shard_is_refused_and_what_is_not_there_is_none() {
    let (_folder, destination) = local();
    write(&destination, UnitId(0), &config(), &mixed_pairs(5))
        .await
        .unwrap();
    let failures = destination
        .read("failures/part-00000.parquet", 1 << 30)
        .await
        .unwrap()
        .unwrap();
    destination
        .put_atomic("data/part-00001.parquet", failures)
        .await
        .unwrap();
    destination
        .put_atomic("data/part-00002.parquet", "PAR1 or not".into())
        .await
        .unwrap();
    let refused = DataReader::open(&destination, UnitId(1)).await.map(|_| ());
    assert!(matches!(refused, Err(ShardError::Foreign { .. })), "{refused:?}");
    let refused = DataReader::open(&destination, UnitId(2)).await.map(|_| ());
    assert!(matches!(refused, Err(ShardError::Decode { .. })), "{refused:?}");
    assert!(DataReader::open(&destination, UnitId(3)).await.unwrap().is_none());
}
