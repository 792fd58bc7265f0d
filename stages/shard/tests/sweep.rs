//! What dead attempts leave is removed, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use std::time::Duration;

use img2tokens_shard::{Destination, UnitId, sweep};
use support::{config, counts, filled, in_memory, local, mixed_pairs, timings, write};

const DAY: Duration = Duration::from_secs(86_400);

async fn leave(destination: &Destination, name: &str) {
    destination.put_atomic(name, "half a tab".into()).await.unwrap();
}

#[tokio::test]
async fn leftovers_go_by_age_or_with_their_unit() {
    let (_folder, folder) = local();
    for destination in [folder, in_memory()] {
        write(&destination, UnitId(0), &config(), &mixed_pairs(9))
            .await
            .unwrap();
        leave(&destination, ".tmp/part-00000.data.f00").await;
        leave(&destination, ".tmp/part-00001.data.f00").await;
        assert_eq!(
            sweep(&destination, DAY).await.unwrap(),
            [".tmp/part-00000.data.f00"]
        );
        assert_eq!(
            sweep(&destination, Duration::ZERO).await.unwrap(),
            [".tmp/part-00001.data.f00"]
        );
        assert!(sweep(&destination, Duration::ZERO).await.unwrap().is_empty());
        assert!(destination.exists("data/part-00000.parquet").await.unwrap());
    }
}

#[tokio::test]
async fn the_files_of_a_living_writer_stay_however_old() {
    let (_folder, destination) = local();
    let pairs = mixed_pairs(20);
    let writer = filled(&destination, UnitId(0), &config(), &pairs).unwrap();
    assert!(sweep(&destination, Duration::ZERO).await.unwrap().is_empty());
    writer.commit(counts(&pairs), timings()).await.unwrap();
    assert!(destination.exists("stats/part-00000.json").await.unwrap());
}

#[tokio::test]
async fn an_output_that_was_never_begun_has_nothing_to_sweep() {
    let (folder, destination) = local();
    assert!(sweep(&destination, Duration::ZERO).await.unwrap().is_empty());
    assert!(!folder.path().join("out").exists());
}
