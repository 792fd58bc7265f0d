//! What is taken down is gone, all else stays as it was, and every pair stays accounted for.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use img2tokens_schemas::listed::read_list;
use img2tokens_schemas::{FailureReason, Packing};
use img2tokens_shard::read::{ContextReader, DataReader, FailureReader};
use img2tokens_shard::takedown::{Taken, Tombstones, resume, take_down};
use img2tokens_shard::verify::{KeyLedger, verify_tombstones, verify_unit};
use img2tokens_shard::{
    Compression, Destination, Encoding, KeptImage, ShardConfig, ShardError, ShardWriter, UnitId, read_stats,
    sweep,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use support::failing_store::{Lost, failing};
use support::{config, contexts, counts, in_memory, local, mixed_pairs, outcomes, timings};

const UNIT: UnitId = UnitId(1);
const PAIRS: usize = 60;
/// Ids of a context.
const CONTEXT: usize = 50;
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

fn encoding() -> Encoding {
    Encoding {
        compression: Compression::default(),
        row_group_rows: config().row_group_rows,
    }
}

/// Key and offset of each stretch of the packed file.
async fn segments(destination: &Destination) -> Vec<(String, i32)> {
    let mut segments = Vec::new();
    for batch in ContextReader::open(destination, UNIT).await.unwrap().unwrap() {
        for context in batch.unwrap().rows() {
            assert!(!context.input_ids.is_empty());
            let keys = context.keys.iter().map(|key| (*key).to_owned());
            segments.extend(keys.zip(context.segment_offsets.iter().copied()));
        }
    }
    segments
}

/// Commits a unit of all kinds of pairs with their pictures and contexts.
async fn commit(destination: &Destination, unit: UnitId) {
    let (pairs, config) = (
        mixed_pairs(PAIRS),
        ShardConfig {
            images: true,
            packing: Some(Packing {
                method: "concat".to_owned(),
                length: CONTEXT as u32,
            }),
            ..config()
        },
    );
    let mut writer = ShardWriter::begin(destination, unit, &config).unwrap();
    let outcomes = outcomes(unit.0, &pairs);
    for context in contexts(&outcomes, CONTEXT) {
        writer.pack(&context).unwrap();
    }
    for outcome in outcomes {
        let image = KeptImage {
            bytes: outcome.key.as_bytes(),
            extension: "jpg",
            width: 5,
            height: 7,
            caption: "",
        };
        writer.keep(outcome.index, &image).unwrap();
        writer.push(outcome).unwrap();
    }
    writer.commit(counts(&pairs), timings()).await.unwrap();
}

async fn record(destination: &Destination, list: &str) -> Arc<Tombstones> {
    let mut tombstones = Tombstones::default();
    for entry in read_list(list) {
        tombstones.add(&entry.unwrap().1).unwrap();
    }
    tombstones.record(destination).await.unwrap();
    Tombstones::read(destination).await.unwrap()
}

async fn take(destination: &Destination, list: &str) -> Result<Taken, ShardError> {
    let tombstones = record(destination, list).await;
    take_down(destination, UNIT, &tombstones, encoding()).await
}

/// A row of the data file: what names it, and all its columns.
struct Sequence {
    key: String,
    url: Option<String>,
    sha256: String,
    columns: String,
}

async fn sequences(destination: &Destination) -> Vec<Sequence> {
    let mut rows = Vec::new();
    for batch in DataReader::open(destination, UNIT).await.unwrap().unwrap() {
        let batch = batch.unwrap();
        rows.extend(batch.rows().enumerate().map(|(place, row)| Sequence {
            key: row.sample.key.to_owned(),
            url: row.url.map(str::to_owned),
            sha256: row.sha256.to_owned(),
            columns: format!("{:?}", batch.record_batch().slice(place, 1).columns()),
        }));
    }
    rows
}

/// Key, URL, reason and the rest of every failure.
type FailedPair = (String, Option<String>, FailureReason, String);

async fn failures(destination: &Destination) -> Vec<FailedPair> {
    let mut rows = Vec::new();
    for batch in FailureReader::open(destination, UNIT).await.unwrap().unwrap() {
        rows.extend(batch.unwrap().rows().map(|row| {
            let rest = format!("{} {:?} {}", row.detail, row.http_status, row.attempts);
            (row.key.to_owned(), row.url.map(str::to_owned), row.reason, rest)
        }));
    }
    rows
}

/// Names and contents of the members of the archive.
async fn pictures(destination: &Destination) -> Vec<(String, Vec<u8>)> {
    let archive = destination
        .read(&UNIT.images_file(), 1 << 30)
        .await
        .unwrap()
        .unwrap();
    let mut tar = tar::Archive::new(zstd::Decoder::new(&archive[..]).unwrap());
    let members = tar.entries().unwrap().map(|member| {
        let mut member = member.unwrap();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        (member.path().unwrap().to_string_lossy().into_owned(), content)
    });
    members.collect()
}

async fn files(destination: &Destination, unit: UnitId) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for name in [
        unit.data_file(),
        unit.failures_file(),
        unit.images_file(),
        unit.packed_file(),
        unit.stats_file(),
    ] {
        files.push(destination.read(&name, 1 << 30).await.unwrap().unwrap().to_vec());
    }
    files
}

/// Everything that is wrong, a line each.
async fn findings(destination: &Destination) -> String {
    let keys = Arc::new(KeyLedger::new().unwrap());
    let mut findings = verify_unit(destination, UNIT, None, &keys)
        .await
        .unwrap()
        .findings;
    let tombstones = Tombstones::read(destination).await.unwrap();
    findings.merge(verify_tombstones(destination, UNIT, &tombstones).await.unwrap());
    let lines: Vec<_> = findings.listed.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[tokio::test]
async fn what_an_entry_names_goes_and_all_else_stays_in_its_order() {
    type Names = fn(&str, Option<&str>, &str) -> bool;
    let digest = "05".repeat(32);
    let cases: [(&str, Names); 6] = [
        ("key:000010004\nkey:000010006", |key, _, _| {
            ["000010004", "000010006"].contains(&key)
        }),
        ("http://HOST1.example:80/13.jpg", |_, url, _| {
            url == Some("http://host1.example/13.jpg")
        }),
        ("host2.example", |_, url, _| {
            url.is_some_and(|url| url.starts_with("http://host2."))
        }),
        (&digest, |_, _, sha256| sha256 == "05".repeat(32)),
        ("domain:example", |_, url, _| url.is_some()),
        ("key:none", |_, _, _| false),
    ];
    for (list, names) in cases {
        let (_folder, destination) = local();
        commit(&destination, UNIT).await;
        let (rows, failed) = (sequences(&destination).await, failures(&destination).await);
        let (members, schema) = (pictures(&destination).await, described(&destination).await);
        let mut packed = segments(&destination).await;
        let taken = take(&destination, list).await.unwrap();

        let is_named = |row: &Sequence| names(&row.key, row.url.as_deref(), &row.sha256);
        let (gone, kept): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_named);
        let columns = |rows: Vec<Sequence>| rows.into_iter().map(|row| row.columns).collect::<Vec<_>>();
        assert_eq!(columns(sequences(&destination).await), columns(kept), "{list}");

        let gone: BTreeSet<String> = gone.into_iter().map(|row| row.key).collect();
        assert_eq!(taken.pairs, gone.len() as u64, "{list}");
        let empty = |key: String| {
            let rest = "the pair was taken down None 0".to_owned();
            (key, None, FailureReason::TakenDown, rest)
        };
        let still_there = failed
            .into_iter()
            .map(|row| match names(&row.0, row.1.as_deref(), "") {
                true => empty(row.0),
                false => row,
            });
        let expected: Vec<_> = still_there.chain(gone.iter().cloned().map(empty)).collect();
        assert_eq!(failures(&destination).await, expected, "{list}");

        let stays = |(name, _): &(String, _)| !gone.contains(&name[..9]);
        let members: Vec<_> = members.into_iter().filter(stays).collect();
        assert_eq!(pictures(&destination).await, members, "{list}");
        packed.retain(|(key, _)| !gone.contains(key));
        assert_eq!(segments(&destination).await, packed, "{list}");
        assert_eq!(described(&destination).await, schema, "{list}");
        assert_eq!(findings(&destination).await, "", "{list}");
        let stats = read_stats(&destination, UNIT).await.unwrap().unwrap();
        assert_eq!(
            stats.revision,
            u64::from(taken.pairs + taken.failures > 0),
            "{list}"
        );
    }
}

/// Schema and metadata of the tables; of their row groups, whether any but the last has other than the configured rows.
async fn described(destination: &Destination) -> Vec<String> {
    let mut described = Vec::new();
    for name in [UNIT.data_file(), UNIT.failures_file()] {
        let file = destination.open(&name).await.unwrap().unwrap();
        let file = SerializedFileReader::new(file).unwrap();
        let mut groups: Vec<_> = file.metadata().row_groups().iter().collect();
        groups.pop();
        let odd = groups
            .iter()
            .filter(|group| group.num_rows() != config().row_group_rows as i64);
        let metadata = file.metadata().file_metadata();
        let mut pairs: Vec<_> = metadata.key_value_metadata().unwrap().iter().collect();
        pairs.sort_by_key(|pair| &pair.key);
        described.push(format!("{} {pairs:?}", odd.count()));
    }
    described
}

#[tokio::test]
async fn units_that_hold_nothing_of_it_and_lists_that_came_before_change_nothing() {
    for destination in [local(), (tempfile::tempdir().unwrap(), in_memory())].map(|(folder, destination)| {
        drop(folder.keep());
        destination
    }) {
        commit(&destination, UNIT).await;
        let before = files(&destination, UNIT).await;
        take(&destination, "key:000000004").await.unwrap();
        assert!(files(&destination, UNIT).await == before);

        assert_eq!(take(&destination, "key:000010004").await.unwrap().pairs, 1);
        let after = files(&destination, UNIT).await;
        assert!(after != before);
        let again = take(&destination, "key:000010004").await.unwrap();
        assert_eq!((again.pairs, again.failures, again.entries.len()), (0, 0, 1));
        assert!(files(&destination, UNIT).await == after);
    }
}

#[tokio::test]
async fn everything_can_be_taken_down() {
    let (_folder, destination) = local();
    commit(&destination, UNIT).await;
    let keys = sequences(&destination).await.into_iter().map(|row| row.key);
    let list: String = keys.map(|key| format!("key:{key}\n")).collect();
    take(&destination, &list).await.unwrap();
    assert_eq!(sequences(&destination).await.len(), 0);
    assert_eq!(pictures(&destination).await.len(), 0);
    assert_eq!(segments(&destination).await.len(), 0);
    assert_eq!(findings(&destination).await, "");
}

#[tokio::test]
async fn a_unit_restored_from_a_backup_is_found_and_taken_down_again() {
    let (folder, destination) = local();
    commit(&destination, UNIT).await;
    let backup = files(&destination, UNIT).await;
    let list = "key:000010004\nkey:000010006";
    take(&destination, list).await.unwrap();
    let taken_down = files(&destination, UNIT).await;
    let root = folder.path().join("out");
    let names = [
        UNIT.data_file(),
        UNIT.failures_file(),
        UNIT.images_file(),
        UNIT.packed_file(),
        UNIT.stats_file(),
    ];
    for (name, bytes) in names.iter().zip(backup) {
        std::fs::write(root.join(name), bytes).unwrap();
    }
    let found = findings(&destination).await;
    assert_eq!(found.lines().count(), 2, "{found}");
    assert!(
        found.starts_with("data/part-00001.parquet: row 3: it was taken down"),
        "{found}"
    );
    assert!(found.contains("failures/part-00001.parquet: row 1: "), "{found}");
    take(&destination, list).await.unwrap();
    assert!(files(&destination, UNIT).await == taken_down);
}

#[tokio::test]
async fn damaged_data_get_no_new_checksum() {
    let (folder, destination) = local();
    commit(&destination, UNIT).await;
    let file = folder.path().join("out").join(UNIT.data_file());
    let mut bytes = std::fs::read(&file).unwrap();
    // A byte of the footer that no reader looks at: the program's name.
    let at = bytes
        .windows(10)
        .rposition(|bytes| bytes == b"img2tokens")
        .unwrap();
    bytes[at] = b'I';
    std::fs::write(&file, bytes).unwrap();
    let before = files(&destination, UNIT).await;
    let error = take(&destination, "key:000010004").await.unwrap_err();
    assert!(matches!(error, ShardError::Altered { name } if name == UNIT.data_file()));
    assert!(files(&destination, UNIT).await == before);
}

/// A takedown meets the fault; the next one meets a healthy store. False if the fault was not met.
async fn one_fault(at: u64, when: Lost, undisturbed: &[Vec<u8>]) -> bool {
    const LIST: &str = "key:000010004\nhost2.example";
    let (failing, healthy, fault) = failing(at, when);
    commit(&healthy, UNIT).await;
    let tombstones = record(&healthy, LIST).await;
    let first = take_down(&failing, UNIT, &tombstones, encoding()).await;
    if let Err(error) = first {
        assert!(error.is_transient(), "{at} {when:?}: {error:?}");
    }
    // A run's sweep comes between the two, and leaves what is half in place.
    sweep(&healthy, DAY).await.unwrap();
    resume(&healthy).await.unwrap();
    let keys = Arc::new(KeyLedger::new().unwrap());
    let report = verify_unit(&healthy, UNIT, None, &keys).await.unwrap();
    assert!(report.findings.is_empty(), "{at} {when:?}: {:?}", report.findings);
    take(&healthy, LIST).await.unwrap();
    assert_eq!(findings(&healthy).await, "", "{at} {when:?}");
    assert!(files(&healthy, UNIT).await == undisturbed, "{at} {when:?}");
    sweep(&healthy, DAY).await.unwrap();
    assert_eq!(
        healthy.names(".tmp").await.unwrap(),
        Vec::<String>::new(),
        "{at} {when:?}"
    );
    fault.was_met()
}

#[tokio::test]
async fn whichever_call_fails_the_next_takedown_leaves_what_an_undisturbed_one_does() {
    let undisturbed = in_memory();
    commit(&undisturbed, UNIT).await;
    take(&undisturbed, "key:000010004\nhost2.example").await.unwrap();
    let undisturbed = files(&undisturbed, UNIT).await;
    for when in [Lost::Request, Lost::Answer, Lost::Process] {
        let mut at = 0;
        while one_fault(at, when, &undisturbed).await {
            at += 1;
        }
        assert!(at >= 20, "only {at} calls were met by a fault");
    }
}
