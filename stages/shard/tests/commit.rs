//! One unit, written and committed: what stands afterwards, and what never does.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use img2tokens_schemas::RowIndex;
use img2tokens_shard::{
    Destination, ShardConfig, ShardError, ShardWriter, UnitCounts, UnitId, committed, read_stats, sweep,
};
use support::{Pair, config, counts, filled, in_memory, local, mixed_pairs, outcomes, timings, write};

const DAY: Duration = Duration::from_secs(86_400);

async fn staged(destination: &Destination) -> Vec<String> {
    destination.names(".tmp").await.unwrap()
}

#[tokio::test]
async fn a_committed_unit_stands_whole_and_leaves_no_temporary_file() {
    let (_folder, folder) = local();
    for destination in [folder, in_memory()] {
        let pairs = mixed_pairs(40);
        let stats = write(&destination, UnitId(3), &config(), &pairs).await.unwrap();
        assert_eq!(
            (stats.rows_read, stats.filtered, stats.pairs, stats.failed()),
            (40, 4, 28, 8)
        );
        assert_eq!(stats.sequences, 32);
        assert_eq!(
            committed(&destination).await.unwrap(),
            BTreeSet::from([UnitId(3)])
        );
        assert_eq!(
            read_stats(&destination, UnitId(3)).await.unwrap().as_ref(),
            Some(&stats)
        );
        assert_eq!(
            destination.checksum("data/part-00003.parquet").await.unwrap(),
            Some(stats.data_file)
        );
        assert_eq!(
            destination.checksum("failures/part-00003.parquet").await.unwrap(),
            Some(stats.failures_file)
        );
        assert_eq!(staged(&destination).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_same_outcomes_give_the_same_bytes_wherever_they_go() {
    let (_folder, folder) = local();
    let (_other, other) = local();
    let mut seen = Vec::new();
    for destination in [folder, other, in_memory()] {
        write(&destination, UnitId(0), &config(), &mixed_pairs(40))
            .await
            .unwrap();
        let data = destination
            .read("data/part-00000.parquet", 1 << 30)
            .await
            .unwrap()
            .unwrap();
        let failures = destination
            .read("failures/part-00000.parquet", 1 << 30)
            .await
            .unwrap()
            .unwrap();
        seen.push((data, failures));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_unit_without_pairs_is_a_unit() {
    let (_folder, destination) = local();
    let stats = write(&destination, UnitId(0), &config(), &[]).await.unwrap();
    assert_eq!((stats.rows_read, stats.sequences), (0, 0));
    assert!(destination.exists("data/part-00000.parquet").await.unwrap());
    assert!(destination.exists("failures/part-00000.parquet").await.unwrap());
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let (_folder, folder) = local();
    for destination in [folder, in_memory()] {
        drop(filled(&destination, UnitId(0), &config(), &mixed_pairs(40)).unwrap());
        for folder in [".tmp", "data", "failures", "stats"] {
            assert_eq!(
                destination.names(folder).await.unwrap(),
                Vec::<String>::new(),
                "{folder}"
            );
        }
    }
}

#[tokio::test]
async fn a_second_writer_changes_nothing_even_if_it_saw_another_world() {
    let (_folder, folder) = local();
    for destination in [folder, in_memory()] {
        let late = filled(&destination, UnitId(0), &config(), &mixed_pairs(30)).unwrap();
        let first = write(&destination, UnitId(0), &config(), &mixed_pairs(40))
            .await
            .unwrap();
        let before = destination
            .read("data/part-00000.parquet", 1 << 30)
            .await
            .unwrap();
        let answer = late.commit(counts(&mixed_pairs(30)), timings()).await.unwrap();
        assert_eq!(answer, first);
        assert_eq!(
            destination
                .read("data/part-00000.parquet", 1 << 30)
                .await
                .unwrap(),
            before
        );
        assert_eq!(staged(&destination).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_at_once_one_wins_with_all_three_files() {
    let (_folder, folder) = local();
    for destination in [folder, in_memory()] {
        let attempts = (20..36).map(|rows| {
            let pairs = mixed_pairs(rows);
            let writer = filled(&destination, UnitId(0), &config(), &pairs).unwrap();
            tokio::spawn(writer.commit(counts(&pairs), timings()))
        });
        let mut answers = Vec::new();
        for attempt in attempts.collect::<Vec<_>>() {
            answers.push(attempt.await.unwrap().unwrap());
        }
        let marker = read_stats(&destination, UnitId(0)).await.unwrap().unwrap();
        assert!(answers.iter().all(|answer| *answer == marker));
        assert_eq!(
            destination.checksum("data/part-00000.parquet").await.unwrap(),
            Some(marker.data_file)
        );
        assert_eq!(
            destination.checksum("failures/part-00000.parquet").await.unwrap(),
            Some(marker.failures_file)
        );
        sweep(&destination, DAY).await.unwrap();
        assert_eq!(staged(&destination).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_unit_of_another_plan_is_not_taken_for_this_plans() {
    let (_folder, destination) = local();
    write(&destination, UnitId(0), &config(), &mixed_pairs(9))
        .await
        .unwrap();
    let other = ShardConfig {
        plan: "another".to_owned(),
        ..config()
    };
    let refused = write(&destination, UnitId(0), &other, &mixed_pairs(9)).await;
    assert!(
        matches!(refused, Err(ShardError::OtherPlan { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn rows_that_are_unaccounted_for_are_refused() {
    let (_folder, destination) = local();
    let pairs = mixed_pairs(20);
    let UnitCounts { rows_read, filtered } = counts(&pairs);
    for counts in [
        UnitCounts {
            rows_read: rows_read + 1,
            filtered,
        },
        UnitCounts {
            rows_read,
            filtered: filtered + 1,
        },
        UnitCounts {
            rows_read,
            filtered: u64::MAX,
        },
    ] {
        let refused = filled(&destination, UnitId(0), &config(), &pairs)
            .unwrap()
            .commit(counts, timings())
            .await;
        assert!(
            matches!(refused, Err(ShardError::Unaccounted { .. })),
            "{refused:?}"
        );
    }
    assert!(committed(&destination).await.unwrap().is_empty());
}

#[tokio::test]
async fn rows_out_of_order_break_the_unit_for_good() {
    let (_folder, destination) = local();
    let pairs = mixed_pairs(4);
    let mut writer = ShardWriter::begin(&destination, UnitId(0), &config()).unwrap();
    let mut outcomes = outcomes(0, &pairs);
    let first = outcomes.remove(0);
    writer.push(first.clone()).unwrap();
    assert!(matches!(
        writer.push(first),
        Err(ShardError::OutOfOrder {
            index: RowIndex(0),
            ..
        })
    ));
    for outcome in outcomes {
        writer.push(outcome).unwrap();
    }
    let refused = writer.commit(counts(&pairs), timings()).await;
    assert!(
        matches!(refused, Err(ShardError::Broken(UnitId(0)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_pair_with_neither_sequence_nor_failure_is_refused() {
    let (_folder, destination) = local();
    let pairs = [Pair::Succeeds {
        kept: vec![true],
        text_ids: vec![3],
        orders: Vec::new(),
    }];
    assert!(matches!(
        filled(&destination, UnitId(0), &config(), &pairs).map(|_| ()),
        Err(ShardError::NoSequence { .. })
    ));
}

#[tokio::test]
async fn a_kept_column_of_another_type_than_announced_is_refused() {
    let (_folder, destination) = local();
    let mut config = config();
    config.kept = config.kept.iter().rev().cloned().collect();
    let refused = filled(&destination, UnitId(0), &config, &mixed_pairs(2)).map(|_| ());
    assert!(
        matches!(refused, Err(ShardError::KeptColumn { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn of_two_who_create_a_file_one_succeeds() {
    let (_folder, folder) = local();
    for destination in [folder, in_memory()] {
        assert!(destination.put_if_absent("plan.json", "a".into()).await.unwrap());
        assert!(!destination.put_if_absent("plan.json", "b".into()).await.unwrap());
        assert_eq!(
            destination.read("plan.json", 1 << 30).await.unwrap().as_deref(),
            Some(b"a".as_slice())
        );
        destination.put_atomic("plan.json", "c".into()).await.unwrap();
        assert_eq!(
            destination.read("plan.json", 1 << 30).await.unwrap().as_deref(),
            Some(b"c".as_slice())
        );
        assert_eq!(destination.read("README.md", 1 << 30).await.unwrap(), None);
        assert_eq!(staged(&destination).await, Vec::<String>::new());
    }
}
