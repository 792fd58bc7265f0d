//! Pictures kept beside the shards: which, as what, in which bytes, and that they stand or fall with their unit.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use img2tokens_schemas::{Outcome, RowIndex};
use img2tokens_shard::verify::{KeyLedger, verify_unit};
use img2tokens_shard::{
    Destination, KeptImage, ShardConfig, ShardError, ShardStats, ShardWriter, UnitId, sweep,
};
use support::{config, counts, in_memory, local, mixed_pairs, outcomes, timings};

const UNIT: UnitId = UnitId(3);
const PAIRS: usize = 40;

fn with_images() -> ShardConfig {
    ShardConfig {
        images: true,
        ..config()
    }
}

fn keep(writer: &mut ShardWriter, index: RowIndex) -> Result<(), ShardError> {
    let (bytes, caption) = (
        vec![index.0 as u8; 700 * index.0 as usize],
        format!("Bild {}", index.0),
    );
    writer.keep(
        index,
        &KeptImage {
            bytes: &bytes,
            extension: "jpg",
            width: 5,
            height: 7,
            caption: &caption,
        },
    )
}

/// Writes a unit whose pictures come in this order, all of them before the first outcome.
async fn write(destination: &Destination, order: impl Fn(&mut Vec<Outcome>)) -> ShardStats {
    let pairs = mixed_pairs(PAIRS);
    let mut writer = ShardWriter::begin(destination, UNIT, &with_images()).unwrap();
    let mut arriving = outcomes(UNIT.0, &pairs);
    order(&mut arriving);
    for outcome in &arriving {
        keep(&mut writer, outcome.index).unwrap();
    }
    for outcome in outcomes(UNIT.0, &pairs) {
        writer.push(outcome).unwrap();
    }
    writer.commit(counts(&pairs), timings()).await.unwrap()
}

async fn archive(destination: &Destination) -> Vec<u8> {
    destination
        .read(&UNIT.images_file(), 1 << 20)
        .await
        .unwrap()
        .unwrap()
        .to_vec()
}

/// Names and contents of the members, in their order.
fn members(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(zstd::Decoder::new(archive).unwrap());
    let entries = tar.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (name, content)
    });
    entries.collect()
}

#[tokio::test]
async fn a_sample_stands_there_for_every_pair_with_sequences_in_row_order() {
    let (_folder, destination) = local();
    write(&destination, |_| {}).await;
    let members = members(&archive(&destination).await);
    let good: Vec<Outcome> = outcomes(UNIT.0, &mixed_pairs(PAIRS))
        .into_iter()
        .filter(|outcome| outcome.result.is_ok())
        .collect();
    let names: Vec<_> = members.iter().map(|(name, _)| name.clone()).collect();
    let expected = good
        .iter()
        .flat_map(|outcome| ["jpg", "txt", "json"].map(|extension| format!("{}.{extension}", outcome.key)));
    assert_eq!(names, expected.collect::<Vec<_>>());
    let contents: BTreeMap<_, _> = members.into_iter().collect();
    for outcome in &good {
        let row = outcome.index.0;
        assert_eq!(
            contents[&format!("{}.jpg", outcome.key)],
            vec![row as u8; 700 * row as usize]
        );
        assert_eq!(
            contents[&format!("{}.txt", outcome.key)],
            format!("Bild {row}").into_bytes()
        );
        let fields: serde_json::Value =
            serde_json::from_slice(&contents[&format!("{}.json", outcome.key)]).unwrap();
        let similarity = (row % 2 == 0).then_some(row as f64 / 8.0);
        let expected = serde_json::json!({
            "key": outcome.key, "url": outcome.url, "caption": format!("Bild {row}"),
            "status": "success", "error_message": null, "width": 5, "height": 7,
            "original_width": 640 + row, "original_height": 480, "sha256": format!("{row:02x}").repeat(32),
            "similarity": similarity, "input_key": row * 1_000_003,
            "NSFW": (row % 4 != 0).then_some("UNLIKELY"),
        });
        assert_eq!(fields, expected);
    }
}

#[tokio::test]
async fn the_bytes_do_not_tell_when_pictures_came_or_where_they_go() {
    let ((_a, first), (_b, second), store) = (local(), local(), in_memory());
    let stats = write(&first, |_| {}).await;
    let reversed = write(&second, |outcomes| outcomes.reverse()).await;
    let stored = write(&store, |outcomes| outcomes.rotate_left(11)).await;
    assert!(stats.images_file.is_some());
    assert_eq!(stats.images_file, reversed.images_file);
    assert_eq!(stats.images_file, stored.images_file);
    let bytes = archive(&first).await;
    assert!(bytes == archive(&second).await && bytes == archive(&store).await);
}

#[tokio::test]
async fn nothing_is_left_of_what_waited() {
    let (folder, destination) = local();
    write(&destination, |_| {}).await;
    sweep(&destination, std::time::Duration::from_secs(86_400))
        .await
        .unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["data", "failures", "images", "stats"]);
}

#[tokio::test]
async fn a_pair_without_its_picture_and_a_picture_that_nobody_keeps_break_the_unit() {
    let (_folder, destination) = local();
    let pairs = mixed_pairs(PAIRS);
    let mut writer = ShardWriter::begin(&destination, UNIT, &with_images()).unwrap();
    let first = outcomes(UNIT.0, &pairs).remove(0);
    assert!(first.result.is_ok());
    assert!(matches!(writer.push(first), Err(ShardError::Image { .. })));
    assert!(matches!(
        writer.commit(counts(&pairs), timings()).await,
        Err(ShardError::Broken(UNIT))
    ));

    let mut writer = ShardWriter::begin(&destination, UNIT, &config()).unwrap();
    assert!(matches!(
        keep(&mut writer, RowIndex(0)),
        Err(ShardError::Image { .. })
    ));
    assert!(matches!(
        writer.commit(counts(&pairs), timings()).await,
        Err(ShardError::Broken(UNIT))
    ));
}

#[tokio::test]
async fn verification_finds_an_archive_that_changed_or_is_gone() {
    let (folder, destination) = local();
    write(&destination, |_| {}).await;
    let file = folder.path().join("out").join(UNIT.images_file());
    let whole = std::fs::read(&file).unwrap();
    let findings = async || {
        let keys = Arc::new(KeyLedger::new().unwrap());
        let report = verify_unit(&destination, UNIT, None, &keys).await.unwrap();
        report
            .findings
            .listed
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(findings().await, "");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(&file, flipped).unwrap();
    assert!(findings().await.starts_with("images/part-00003.tar.zst: it has"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(findings().await, "images/part-00003.tar.zst: it is missing");
}
