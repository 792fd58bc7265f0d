//! An output makes way for another plan's, and stays whole where it goes.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use img2tokens_shard::{Destination, ShardConfig, UnitId, committed, living_attempt, set_aside};
use support::{config, counts, filled, in_memory, local, mixed_pairs, timings, write};

fn under(destination: &Destination, folder: &str) -> Destination {
    match destination {
        Destination::Local(root) => Destination::Local(root.join(folder)),
        Destination::Store { store, prefix } => Destination::Store {
            store: store.clone(),
            prefix: format!("{prefix}/{folder}").into(),
        },
    }
}

#[tokio::test]
async fn what_is_set_aside_is_an_output_of_its_own_and_the_place_is_free_for_another_plan() {
    let (_folder, folder) = local();
    for destination in [folder, in_memory()] {
        for unit in [0, 1] {
            write(&destination, UnitId(unit), &config(), &mixed_pairs(9))
                .await
                .unwrap();
        }
        destination
            .put_atomic("plan.json", "the old one".into())
            .await
            .unwrap();
        let data = destination.checksum("data/part-00001.parquet").await.unwrap();
        assert_eq!(
            set_aside(&destination, "replaced/a", &["README.md", "plan.json"])
                .await
                .unwrap(),
            2
        );

        let aside = under(&destination, "replaced/a");
        assert_eq!(committed(&aside).await.unwrap().len(), 2);
        assert_eq!(aside.checksum("data/part-00001.parquet").await.unwrap(), data);
        assert_eq!(
            aside.read("plan.json", 1 << 30).await.unwrap().as_deref(),
            Some(&b"the old one"[..])
        );
        for name in [
            "plan.json",
            "stats/part-00000.json",
            "failures/part-00000.parquet",
        ] {
            assert!(!destination.exists(name).await.unwrap(), "{name}");
        }
        let other = ShardConfig {
            plan: "another".to_owned(),
            ..config()
        };
        write(&destination, UnitId(0), &other, &mixed_pairs(5))
            .await
            .unwrap();
        assert_eq!(
            set_aside(&destination, "replaced/b", &["plan.json"])
                .await
                .unwrap(),
            1
        );
        assert_eq!(committed(&aside).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_living_attempt_is_known_as_long_as_it_lives() {
    let (_folder, destination) = local();
    assert_eq!(living_attempt(&destination).await.unwrap(), None);
    let pairs = mixed_pairs(20);
    let writer = filled(&destination, UnitId(3), &config(), &pairs).unwrap();
    let held = living_attempt(&destination).await.unwrap().unwrap();
    assert!(held.starts_with(".tmp/part-00003."), "{held}");
    writer.commit(counts(&pairs), timings()).await.unwrap();
    assert_eq!(living_attempt(&destination).await.unwrap(), None);
}
