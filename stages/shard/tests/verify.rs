//! Verification finds each kind of damage, says where it is, and is silent about what is right.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use img2tokens_schemas::SequenceRow;
use img2tokens_shard::verify::{Expected, Findings, KeyLedger, verify_unit};
use img2tokens_shard::{Destination, ShardConfig, ShardWriter, UnitId};
use support::{PLAN, config, counts, in_memory, local, mixed_pairs, outcomes, timings, write};
use tempfile::TempDir;

const UNITS: [UnitId; 2] = [UnitId(0), UnitId(1)];

/// Everything that is wrong with the two units, a line each.
async fn findings(destination: &Destination) -> String {
    let keys = Arc::new(KeyLedger::new().unwrap());
    let expected = Expected {
        plan: PLAN.to_owned(),
        rows: Some(40),
    };
    let mut lines = Vec::new();
    let mut list = |findings: Findings| lines.extend(findings.listed.iter().map(ToString::to_string));
    for unit in UNITS {
        list(
            verify_unit(destination, unit, Some(&expected), &keys)
                .await
                .unwrap()
                .findings,
        );
    }
    list(Arc::into_inner(keys).unwrap().duplicates().unwrap());
    lines.join("\n")
}

async fn two_units() -> (TempDir, Destination, PathBuf) {
    let (folder, destination) = local();
    for unit in UNITS {
        write(&destination, unit, &config(), &mixed_pairs(40))
            .await
            .unwrap();
    }
    let root = folder.path().join("out");
    (folder, destination, root)
}

#[tokio::test]
async fn nothing_is_found_in_what_is_right() {
    let (_folder, folder, _) = two_units().await;
    let store = in_memory();
    for unit in UNITS {
        write(&store, unit, &config(), &mixed_pairs(40)).await.unwrap();
    }
    assert_eq!(findings(&folder).await, "");
    assert_eq!(findings(&store).await, "");
}

#[tokio::test]
async fn a_flipped_byte_is_found_wherever_it_is() {
    let (_folder, destination, root) = two_units().await;
    for file in ["data/part-00001.parquet", "failures/part-00001.parquet"] {
        let whole = std::fs::read(root.join(file)).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 25) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            std::fs::write(root.join(file), &flipped).unwrap();
            let found = findings(&destination).await;
            assert!(found.starts_with(file), "{at}: {found}");
        }
        std::fs::write(root.join(file), &whole).unwrap();
    }
}

#[tokio::test]
async fn a_truncated_file_is_found() {
    let (_folder, destination, root) = two_units().await;
    let file = "data/part-00000.parquet";
    let whole = std::fs::read(root.join(file)).unwrap();
    for len in [0, 3, 100, whole.len() - 1] {
        std::fs::write(root.join(file), &whole[..len]).unwrap();
        let found = findings(&destination).await;
        assert!(
            found.contains("data/part-00000.parquet: it cannot be decoded"),
            "{len}: {found}"
        );
        assert!(found.contains(&format!("it has {len} bytes")), "{found}");
    }
}

#[tokio::test]
async fn a_missing_file_is_found() {
    for file in [
        "data/part-00000.parquet",
        "failures/part-00000.parquet",
        "stats/part-00000.json",
    ] {
        let (_folder, destination, root) = two_units().await;
        std::fs::remove_file(root.join(file)).unwrap();
        let found = findings(&destination).await;
        assert!(found.starts_with(&format!("{file}: it is missing")), "{found}");
    }
}

#[tokio::test]
async fn swapped_files_are_found() {
    for (table, suffix) in [("data", "parquet"), ("failures", "parquet"), ("stats", "json")] {
        let (_folder, destination, root) = two_units().await;
        let [one, other] = UNITS.map(|unit| root.join(format!("{table}/{unit}.{suffix}")));
        let aside = root.join("aside");
        std::fs::rename(&one, &aside).unwrap();
        std::fs::rename(&other, &one).unwrap();
        std::fs::rename(&aside, &other).unwrap();
        let found = findings(&destination).await;
        for unit in UNITS {
            assert!(found.contains(&format!("{table}/{unit}.{suffix}: ")), "{found}");
        }
        assert!(
            found.contains("are those of part-00001") || found.contains("it is of part-00001"),
            "{found}"
        );
    }
}

#[tokio::test]
async fn stats_that_are_not_those_of_the_plan_are_found() {
    let (_folder, destination) = local();
    let other = ShardConfig {
        plan: "another".to_owned(),
        ..config()
    };
    write(&destination, UnitId(0), &other, &mixed_pairs(40))
        .await
        .unwrap();
    write(&destination, UnitId(1), &config(), &mixed_pairs(39))
        .await
        .unwrap();
    let found = findings(&destination).await;
    assert!(
        found.contains("stats/part-00000.json: it is of plan another, not 5ba1"),
        "{found}"
    );
    assert!(
        found.contains("stats/part-00001.json: 39 rows were read, and the plan has 40"),
        "{found}"
    );
}

#[tokio::test]
async fn stats_that_were_edited_are_found() {
    for (from, to, expected) in [
        (
            "\"pairs\": 28",
            "\"pairs\": 27",
            "40 rows read and 0 texts taken are not 4 filtered + 27 pairs + 0 texts + 8 failures",
        ),
        (
            "\"sequences\": 32",
            "\"sequences\": 33",
            "28 pairs and 0 texts in 32 sequences, and its stats say 28 and 0 in 33",
        ),
        ("\"http_status\": 4", "\"dns\": 4", "with other reasons"),
        ("{", "", "it is no stats file"),
    ] {
        let (_folder, destination, root) = two_units().await;
        let file = root.join("stats/part-00000.json");
        let json = std::fs::read_to_string(&file).unwrap();
        assert!(json.contains(from), "{json}");
        std::fs::write(&file, json.replacen(from, to, 1)).unwrap();
        let found = findings(&destination).await;
        assert!(found.contains(expected), "{found}");
    }
}

#[tokio::test]
async fn a_key_of_two_pairs_is_found_across_units_and_tables() {
    let (_folder, destination) = local();
    write(&destination, UnitId(0), &config(), &mixed_pairs(40))
        .await
        .unwrap();
    // Row 3 of each unit fails, row 4 does not: the other unit's row 4 takes the key of this one's row 3.
    let pairs = mixed_pairs(40);
    let mut writer = ShardWriter::begin(&destination, UnitId(1), &config()).unwrap();
    for mut outcome in outcomes(1, &pairs) {
        if outcome.index.0 == 4 {
            outcome.key = "000000003".to_owned();
        }
        writer.push(outcome).unwrap();
    }
    writer.commit(counts(&pairs), timings()).await.unwrap();
    let found = findings(&destination).await;
    let expected =
        "data/part-00001.parquet: row 3: its key stands in failures/part-00000.parquet, row 0, too";
    assert_eq!(found, expected);
}

/// Writes unit 0 with row 1 of its data file changed.
async fn findings_in_row(config: &ShardConfig, change: impl Fn(&mut SequenceRow)) -> String {
    let (_folder, destination) = local();
    let pairs = mixed_pairs(40);
    let mut writer = ShardWriter::begin(&destination, UnitId(0), config).unwrap();
    for mut outcome in outcomes(0, &pairs) {
        if outcome.index.0 == 1
            && let Ok(rows) = &mut outcome.result
        {
            rows.iter_mut().for_each(&change);
        }
        writer.push(outcome).unwrap();
    }
    writer.commit(counts(&pairs), timings()).await.unwrap();
    let keys = Arc::new(KeyLedger::new().unwrap());
    let report = verify_unit(&destination, UnitId(0), None, &keys).await.unwrap();
    report
        .findings
        .listed
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

type Change = fn(&mut SequenceRow);

#[tokio::test]
async fn a_wrong_row_is_found_with_its_number() {
    let changes: [(Change, &str); 9] = [
        (
            |row| row.sequence.input_ids[0] = 48_386,
            "id 48386 is not in the vocabulary of 48386",
        ),
        (|row| row.sequence.image_start += 1, "stands where [IMG] must"),
        (|row| row.sequence.image_len -= 1, "stands where [/IMG] must"),
        (|row| row.sequence.image_start = 400, "no image of"),
        (|row| row.sequence.input_ids.swap(3, 4), "stands where code"),
        (
            |row| row.sequence.input_ids.push(7),
            "on the side of the image that has no text",
        ),
        (
            |row| row.sequence.input_ids.push(32_001),
            "stands outside the image and is no text id",
        ),
        (
            |row| Arc::make_mut(&mut row.pair).text_ids.push(9),
            "the ids beside the image are not text_ids",
        ),
        (
            |row| Arc::make_mut(&mut row.pair).width = 0,
            "no picture is 0 x 480",
        ),
    ];
    for (change, expected) in changes {
        let found = findings_in_row(&config(), change).await;
        let line = found.lines().find(|line| line.contains(expected));
        assert!(
            line.is_some_and(|line| line.starts_with("data/part-00000.parquet: row 1: ")),
            "{expected}: {found}"
        );
    }
}

#[tokio::test]
async fn codes_beyond_the_codebook_are_found() {
    let mut config = config();
    config.vocabulary.codebook_size = 16;
    assert!(
        findings_in_row(&config, |_| ())
            .await
            .contains("is not in the codebook of 16")
    );
}

#[tokio::test]
async fn bos_eos_and_dropped_text_are_no_faults() {
    let fine: [Change; 3] = [
        |row| row.sequence.input_ids.truncate(row.sequence.input_ids.len() - 1),
        |row| {
            row.sequence.input_ids.insert(0, 1);
            row.sequence.image_start += 1;
        },
        |row| {
            let text = row.pair.text_ids.len();
            row.sequence.input_ids.drain(..text);
            row.sequence.image_start -= text as u32;
        },
    ];
    for change in fine {
        assert_eq!(findings_in_row(&config(), change).await, "");
    }
}
