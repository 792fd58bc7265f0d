//! Deaths between the steps of a commit, in a folder: what the next attempt makes of what they left.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Fields, Schema};
use img2tokens_schemas::{
    Failure, FailureReason, KeptColumns, OptionalColumns, Outcome, RowIndex, Vocabulary,
};
use tempfile::TempDir;

use super::{Candidate, Round, commit, finish_elections, place, vote};
use crate::{Compression, Destination, ShardConfig, ShardStats, ShardWriter, UnitCounts, UnitId, read_stats};

const UNIT: UnitId = UnitId(0);

fn root() -> (TempDir, Destination) {
    let folder = tempfile::tempdir().unwrap();
    let destination = Destination::Local(folder.path().join("out"));
    (folder, destination)
}

/// An attempt in whose world `rows` pairs failed.
fn attempt(destination: &Destination, plan: &str, rows: u64) -> super::Attempt {
    let config = ShardConfig {
        compression: Compression::None,
        row_group_rows: 10,
        optional: OptionalColumns::default(),
        kept: Fields::empty(),
        plan: plan.to_owned(),
        provenance: serde_json::Value::Null,
        vocabulary: Vocabulary {
            text_size: 256,
            codebook_size: 16,
            bos: 1,
            eos: 2,
        },
        images: false,
        packing: None,
        texts: false,
    };
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
    let batch = Arc::new(batch);
    let mut writer = ShardWriter::begin(destination, UNIT, &config).unwrap();
    for row in 0..rows {
        let outcome = Outcome {
            index: RowIndex(row),
            key: row.to_string(),
            url: None,
            kept: KeptColumns::new(batch.clone(), 0).unwrap(),
            result: Err(Failure::new(FailureReason::Dns, "no such host")),
        };
        writer.push(outcome).unwrap();
    }
    writer
        .finish(
            UnitCounts {
                rows_read: rows,
                filtered: 0,
            },
            Default::default(),
        )
        .unwrap()
}

/// Brings an attempt as far as being elected, and dies.
async fn elected(destination: &Destination, plan: &str, rows: u64) -> Candidate {
    elect(destination, attempt(destination, plan, rows)).await
}

async fn elect(destination: &Destination, attempt: super::Attempt) -> Candidate {
    let mut staged = destination.bring(UNIT, attempt.files).await.unwrap();
    let mine = Candidate {
        files: staged.files.clone(),
        stats: attempt.stats,
    };
    match vote(destination, 0, &mine, &mut staged).await.unwrap() {
        Round::Elected(elected) => *elected,
        Round::Void | Round::Gone => panic!("nobody is elected"),
    }
}

/// What void and dead attempts left does not outlive a sweep, now that the unit is committed.
async fn assert_committed(destination: &Destination, stats: &ShardStats) {
    crate::sweep(destination, std::time::Duration::from_secs(86_400))
        .await
        .unwrap();
    assert_eq!(read_stats(destination, UNIT).await.unwrap().as_ref(), Some(stats));
    let checksums = (stats.data_file.clone(), stats.failures_file.clone());
    let data = destination.checksum(&UNIT.data_file()).await.unwrap().unwrap();
    let failures = destination
        .checksum(&UNIT.failures_file())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((data, failures), checksums);
    assert_eq!(destination.names(".tmp").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_winner_that_dies_is_finished_by_the_next_wherever_it_stopped() {
    for tables_placed in 0..=2 {
        let (_folder, destination) = root();
        let dead = elected(&destination, "plan", 5).await;
        let tables = [
            (&dead.files.data, UNIT.data_file()),
            (&dead.files.failures, UNIT.failures_file()),
        ];
        for (staged, name) in tables.iter().take(tables_placed) {
            assert!(destination.place(staged, name).await.unwrap());
        }
        let stats = commit(&destination, attempt(&destination, "plan", 9))
            .await
            .unwrap();
        assert_eq!(stats, dead.stats, "{tables_placed} tables placed");
        assert_committed(&destination, &stats).await;
    }
}

#[tokio::test]
async fn a_winner_that_died_before_it_tidied_up_is_tidied_up_after() {
    let (_folder, destination) = root();
    let dead = elected(&destination, "plan", 5).await;
    assert!(place(&destination, &dead).await.unwrap());
    let stats = commit(&destination, attempt(&destination, "plan", 9))
        .await
        .unwrap();
    assert_eq!(stats, dead.stats);
    crate::sweep(&destination, std::time::Duration::from_secs(86_400))
        .await
        .unwrap();
    assert_committed(&destination, &stats).await;
}

#[tokio::test]
async fn a_dead_winner_without_its_tables_is_void() {
    for tables_placed in 0..=1 {
        let (_folder, destination) = root();
        let dead = elected(&destination, "plan", 5).await;
        if tables_placed == 1 {
            assert!(
                destination
                    .place(&dead.files.data, &UNIT.data_file())
                    .await
                    .unwrap()
            );
        }
        destination.remove(&dead.files.failures.path()).await.unwrap();
        let stats = commit(&destination, attempt(&destination, "plan", 9))
            .await
            .unwrap();
        assert_eq!(stats.rows_read, 9);
        assert_committed(&destination, &stats).await;
    }
}

#[tokio::test]
async fn a_dead_winner_of_another_plan_is_void() {
    let (_folder, destination) = root();
    elected(&destination, "older plan", 5).await;
    let stats = commit(&destination, attempt(&destination, "plan", 9))
        .await
        .unwrap();
    assert_eq!(stats.rows_read, 9);
    assert_committed(&destination, &stats).await;
}

#[tokio::test]
async fn a_vote_cast_after_the_commit_does_not_count() {
    let (_folder, destination) = root();
    let late = attempt(&destination, "plan", 9);
    let first = commit(&destination, attempt(&destination, "plan", 5))
        .await
        .unwrap();
    // What the late one does if it looked for the marker just before it was there.
    let mut staged = destination.bring(UNIT, late.files).await.unwrap();
    let mine = Candidate {
        files: staged.files.clone(),
        stats: late.stats,
    };
    let voted = vote(&destination, 0, &mine, &mut staged).await.unwrap();
    assert!(matches!(voted, Round::Elected(_)));
    drop(staged);
    let answer = commit(&destination, attempt(&destination, "plan", 7))
        .await
        .unwrap();
    assert_eq!(answer, first);
    crate::sweep(&destination, std::time::Duration::from_secs(86_400))
        .await
        .unwrap();
    assert_committed(&destination, &first).await;
}

/// The first revision of a unit, which has `rows` rows.
fn revision(destination: &Destination, rows: u64) -> super::Attempt {
    let mut attempt = attempt(destination, "plan", rows);
    attempt.stats.revision = 1;
    attempt
}

#[tokio::test]
async fn a_revision_whose_winner_died_is_finished_wherever_it_stopped() {
    for tables_placed in 0..=2 {
        let (_folder, destination) = root();
        commit(&destination, attempt(&destination, "plan", 5))
            .await
            .unwrap();
        let dead = elect(&destination, revision(&destination, 4)).await;
        let tables = [
            (&dead.files.failures, UNIT.failures_file()),
            (&dead.files.data, UNIT.data_file()),
        ];
        for (staged, name) in tables.iter().take(tables_placed) {
            assert!(destination.place(staged, name).await.unwrap());
        }
        // A run's sweep leaves it alone, however old.
        crate::sweep(&destination, std::time::Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(finish_elections(&destination, None).await.unwrap(), 1);
        assert_committed(&destination, &dead.stats).await;
        assert_eq!(finish_elections(&destination, None).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_dead_winner_of_a_revision_counts_for_those_who_make_it_too() {
    let (_folder, destination) = root();
    commit(&destination, attempt(&destination, "plan", 5))
        .await
        .unwrap();
    let dead = elect(&destination, revision(&destination, 4)).await;
    let stats = commit(&destination, revision(&destination, 3)).await.unwrap();
    assert_eq!(stats, dead.stats);
    assert_committed(&destination, &stats).await;
}

#[tokio::test]
async fn a_writer_that_comes_late_brings_nothing_back() {
    let (_folder, local) = root();
    let store = Destination::Store {
        store: Arc::new(object_store::memory::InMemory::new()),
        prefix: "out".into(),
    };
    for destination in [local, store] {
        // Two writers saw the election. One commits and dies before it tidies up; the other pauses before it places.
        let first = elected(&destination, "plan", 5).await;
        assert!(place(&destination, &first).await.unwrap());
        finish_elections(&destination, Some(UNIT)).await.unwrap();
        let stats = commit(&destination, revision(&destination, 4)).await.unwrap();
        assert!(!place(&destination, &first).await.unwrap());
        let second = commit(&destination, attempt(&destination, "plan", 5))
            .await
            .unwrap();
        assert_eq!((second.revision, second), (1, stats.clone()));
        assert_committed(&destination, &stats).await;
    }
}
