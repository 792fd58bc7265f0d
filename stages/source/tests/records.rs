//! CSV, TSV and JSONL, plain and compressed.
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::io::Write;
use std::time::Duration;

use arrow_schema::DataType;
use img2tokens_source::{Filter, InputFormat, Quoting, Source, SourceConfig, SourceError};
use proptest::prelude::*;
use serde_json::json;
use support::{block_on, config, file, keeping, lines, read};

const CODINGS: [&str; 3] = ["", ".gz", ".zst"];

fn compress(bytes: &[u8], coding: &str) -> Vec<u8> {
    match coding {
        ".gz" => {
            // Two members, as `cat a.gz b.gz` makes them.
            let (left, right) = bytes.split_at(bytes.len() / 2);
            [left, right]
                .map(|part| {
                    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    encoder.write_all(part).expect("compresses");
                    encoder.finish().expect("compresses")
                })
                .concat()
        }
        ".zst" => zstd::encode_all(bytes, 1).expect("compresses"),
        _ => bytes.to_vec(),
    }
}

#[tokio::test]
async fn csv_and_tsv_give_strings_and_null_for_what_is_empty() {
    for (name, separator, format) in [
        ("a.csv", ",", InputFormat::Csv),
        ("a.tsv", "\t", InputFormat::Tsv),
    ] {
        let text = "URL,TEXT,WIDTH,key\r\nhttp://a/0,\"two\nlines, \"\"quoted\"\"\",640,k0\r\n\r\nhttp://a/1,,,\n,t2,7,k2";
        let text = text
            .replace(", \"\"", "|")
            .replace(',', separator)
            .replace('|', ", \"\"");
        let whole = read(&file(name, text).await, keeping(&["WIDTH"], config(2, 10)))
            .await
            .expect("reads");
        assert_eq!(
            lines(&whole.rows),
            [
                "k0 http://a/0 two\nlines, \"quoted\" [640]",
                "00003-000000001 http://a/1 null []",
                "k2 missing t2 [7]",
            ]
        );
        assert_eq!(whole.survey.format, format);
        assert_eq!(whole.survey.kept[0].data_type(), &DataType::Utf8);
    }
}

#[tokio::test]
async fn a_record_that_is_broken_costs_none_of_its_neighbours() {
    let mut csv = b"URL,TEXT\nhttp://a/0,t0\nhttp://a/1\nhttp://a/2,t2,more\nhttp://a/3,\xff\n".to_vec();
    csv.extend_from_slice(b"http://a/4,\"never closed\nhttp://a/5,t5\n");
    for unit_rows in [1, 2, 10] {
        let whole = read(&file("a.csv", csv.clone()).await, config(unit_rows, 10))
            .await
            .expect("reads");
        let lines = lines(&whole.rows);
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "00003-000000000 http://a/0 t0 []");
        assert_eq!(
            lines[1],
            "00003-000000001 corrupt_row record at byte 23 has 1 fields, the header 2"
        );
        assert_eq!(
            lines[2],
            "00003-000000002 corrupt_row record at byte 34 has 3 fields, the header 2"
        );
        assert!(
            lines[3].contains("corrupt_row record at byte 53: it is not UTF-8"),
            "{}",
            lines[3]
        );
        assert!(
            lines[4].contains("corrupt_row record at byte 66: a quoted field is not closed"),
            "{}",
            lines[4]
        );
        assert_eq!(lines[5], "00003-000000005 http://a/5 t5 []");
    }
    let jsonl = "{\"url\":\"http://a/0\",\"text\":\"t0\"}\n{\"url\":\n[1]\n{\"url\":7,\"text\":\"t3\"}\n{\"url\":\"http://a/4\"}\n";
    let whole = read(&file("a.jsonl", jsonl).await, config(2, 10))
        .await
        .expect("reads");
    let lines = lines(&whole.rows);
    assert_eq!(lines[0], "00003-000000000 http://a/0 t0 []");
    assert!(
        lines[1].starts_with("00003-000000001 corrupt_row record at byte 33: "),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].starts_with("00003-000000002 corrupt_row record at byte 41: "),
        "{}",
        lines[2]
    );
    assert_eq!(lines[3], "00003-000000003 corrupt_row column `url` is no text: 7");
    assert_eq!(lines[4], "00003-000000004 http://a/4 null []");
}

#[tokio::test]
async fn json_columns_are_kept_with_the_type_that_all_their_values_have() {
    let records = [
        json!({"uid": "a", "url": "u0", "text": "t0", "w": 1, "s": 1, "tags": ["x"], "flag": true}),
        json!({"uid": 7, "url": "u1", "text": "t1", "w": 2, "s": 0.5, "tags": "y", "flag": null}),
        json!({"url": "u2", "text": null, "other": 1}),
    ];
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    let config = keeping(&["w", "s", "tags", "flag"], config(2, 10));
    let whole = read(&file("a.jsonl", text).await, config).await.expect("reads");
    let types: Vec<&DataType> = whole.survey.kept.iter().map(|field| field.data_type()).collect();
    assert_eq!(
        types,
        [
            &DataType::Int64,
            &DataType::Float64,
            &DataType::Utf8,
            &DataType::Boolean
        ]
    );
    assert_eq!(
        lines(&whole.rows),
        [
            "a u0 t0 [1,1.0,[\"x\"],true]",
            "7 u1 t1 [2,0.5,y,]",
            "00003-000000002 u2 null [,,,]",
        ]
    );
}

#[tokio::test]
async fn filters_read_numbers_out_of_text() {
    let filters = vec![Filter {
        column: "punsafe".into(),
        min: None,
        max: Some(0.5),
    }];
    let csv = "url,text,punsafe\nu0,t0, 0.25 \nu1,t1,0.75\nu2,t2,\nu3,t3,none\nu4\n";
    let whole = read(
        &file("a.csv", csv).await,
        SourceConfig {
            filters: filters.clone(),
            ..config(10, 2)
        },
    )
    .await;
    let whole = whole.expect("reads");
    let shown = lines(&whole.rows);
    assert_eq!(shown[0], "00003-000000000 u0 t0 []");
    assert!(
        shown[1].starts_with("00003-000000004 corrupt_row"),
        "what cannot be read is not filtered: {shown:?}"
    );
    assert_eq!((shown.len(), whole.filtered), (2, 3));
    let jsonl =
        "{\"url\":\"u0\",\"text\":\"t\",\"punsafe\":0.1}\n{\"url\":\"u1\",\"text\":\"t\",\"punsafe\":1}\n";
    let whole = read(
        &file("a.jsonl", jsonl).await,
        SourceConfig {
            filters,
            ..config(10, 2)
        },
    )
    .await
    .expect("reads");
    assert_eq!(lines(&whole.rows), ["00003-000000000 u0 t []"]);
}

#[tokio::test]
async fn contents_tell_formats_and_compression_that_names_do_not() {
    let jsonl = "{\"url\":\"u0\",\"text\":\"t0\"}\n";
    for coding in CODINGS {
        let whole = read(
            &file("data.json", compress(jsonl.as_bytes(), coding)).await,
            config(10, 10),
        )
        .await;
        assert_eq!(whole.expect("reads").survey.format, InputFormat::Jsonl);
    }
    let error = read(&file("data", "url,text\n").await, config(10, 10))
        .await
        .err()
        .expect("refuses");
    assert!(matches!(error, SourceError::UnknownFormat { .. }), "{error}");
    let csv = SourceConfig {
        format: Some(InputFormat::Csv),
        ..config(10, 10)
    };
    assert_eq!(
        read(&file("data", "url,text\nu,t\n").await, csv)
            .await
            .expect("reads")
            .rows_read,
        1
    );
}

#[tokio::test]
async fn large_captions_come_in_small_batches() {
    let caption = "x".repeat((1 << 20) - 100);
    let csv = format!("URL,TEXT\n{}", format!("u,{caption}\n").repeat(40));
    let jsonl = format!("{{\"url\":\"u\",\"text\":\"{caption}\"}}\n").repeat(40);
    for (name, text) in [("a.csv", csv), ("a.jsonl", jsonl)] {
        let input = file(name, text).await;
        let source = Source::new(config(1000, 1000));
        let survey = source.survey(&input).await.expect("surveys");
        let batches = support::batch_lengths(&source, &input, &survey).await;
        assert!(
            batches.iter().all(|rows| *rows <= 9),
            "at most about 8 MiB a batch: {batches:?}"
        );
        assert_eq!(batches.iter().sum::<usize>(), 40);
    }
}

#[tokio::test]
async fn tables_written_without_quoting_keep_their_quotes() {
    let unquoted = SourceConfig {
        quoting: Quoting::None,
        ..config(2, 10)
    };
    let tsv = "URL\tTEXT\nu0\t\"never closed\nu1\tsay \"\"\nu2\t\"a\"\n";
    let whole = read(&file("a.tsv", tsv).await, unquoted).await.expect("reads");
    let keyless = lines(&whole.rows).into_iter().map(|line| line[16..].to_owned());
    assert_eq!(
        keyless.collect::<Vec<_>>(),
        ["u0 \"never closed []", "u1 say \"\" []", "u2 \"a\" []"]
    );
}

#[tokio::test]
async fn what_is_cut_short_or_has_no_columns_is_an_error_that_names_the_file() {
    let csv: String = (0..5000).fold("URL,TEXT\n".to_owned(), |text, row| {
        text + &format!("http://a/{row},t\n")
    });
    for coding in [".gz", ".zst"] {
        let whole = compress(csv.as_bytes(), coding);
        let cut = whole[..whole.len() - 20].to_vec();
        let error = read(&file("cut.csv", cut).await, config(10, 10))
            .await
            .err()
            .expect("refuses");
        assert!(
            matches!(&error, SourceError::Broken { input, .. } if input == "mem://cut.csv"),
            "{error:?}"
        );
    }
    let refused = |name: &'static str, text: &'static str| async move {
        read(&file(name, text).await, config(10, 10))
            .await
            .err()
            .expect("refuses")
            .to_string()
    };
    assert!(refused("a.csv", "").await.contains("header"));
    assert!(refused("a.csv", "link,alt\n").await.contains("input.url_column"));
    assert!(
        refused("a.jsonl", "{\"url\":\"u\"}\n")
            .await
            .contains("input.text_column")
    );
    assert_eq!(
        read(&file("empty.jsonl", "").await, config(10, 10))
            .await
            .expect("no rows")
            .rows_read,
        0
    );
}

#[tokio::test]
async fn units_of_plain_files_begin_by_seeking() {
    let csv = "url,text\nu0,t0\nu1,\"t\n1\"\nu2,t2\n";
    let source = Source::new(config(2, 10));
    let survey = source.survey(&file("a.csv", csv).await).await.expect("surveys");
    let bytes: Vec<_> = survey.extents.iter().map(|extent| extent.bytes.clone()).collect();
    assert_eq!(bytes, [Some(9..24), Some(24..30)]);
    let packed = file("a.csv.gz", compress(csv.as_bytes(), ".gz")).await;
    assert!(
        source
            .survey(&packed)
            .await
            .expect("surveys")
            .extents
            .iter()
            .all(|extent| extent.bytes.is_none())
    );
}

#[test]
fn a_survey_that_nobody_waits_for_stops() {
    // 256 GiB of blank lines: neither a row nor an end comes in sight.
    let frame = zstd::encode_all(vec![b'\n'; 64 << 20].as_slice(), 1).expect("compresses");
    let bomb = frame.repeat(4096);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build();
    let runtime = runtime.expect("runtime");
    let surveyed = runtime.block_on(async {
        let input = file("bomb.jsonl", bomb).await;
        let source = Source::new(config(10, 10));
        tokio::time::timeout(Duration::from_millis(10), source.survey(&input)).await
    });
    assert!(surveyed.is_err());
    // Waits for the thread that reads, so this ends only if that thread does.
    drop(runtime);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_units_of_every_split_of_a_csv_equal_the_whole(
        texts in prop::collection::vec("[a\",\n\r é]{0,12}", 1..40),
        unit in 1_u64..20, batch in 1_usize..10, coding in 0_usize..3, tabs: bool,
    ) {
        let separator = if tabs { "\t" } else { "," };
        let mut table = format!("key{separator}TEXT{separator}URL\n");
        for (row, text) in texts.iter().enumerate() {
            let quoted = text.replace('"', "\"\"");
            table += &format!("{row}{separator}\"{quoted}\"{separator}u{row}\r\n");
        }
        let name = format!("a.{}{}", if tabs { "tsv" } else { "csv" }, CODINGS[coding]);
        let whole = block_on(async {
            read(&file(&name, compress(table.as_bytes(), CODINGS[coding])).await, config(unit, batch)).await
        });
        let whole = whole.expect("reads");
        let expected: Vec<String> =
            texts.iter().enumerate().map(|(row, text)| format!("{row} u{row} {text} []")).collect();
        prop_assert_eq!(lines(&whole.rows), expected);
        prop_assert_eq!(whole.survey.extents.len() as u64, (texts.len() as u64).div_ceil(unit));
    }

    #[test]
    fn the_units_of_every_split_of_a_jsonl_equal_the_whole(
        texts in prop::collection::vec(".{0,12}", 1..40),
        unit in 1_u64..20, batch in 1_usize..10, coding in 0_usize..3,
    ) {
        let table: String =
            texts.iter().enumerate().map(|(row, text)| format!("{}\n", json!({"id": row, "caption": text, "url": "u"}))).collect();
        let name = format!("a.jsonl{}", CODINGS[coding]);
        let whole = block_on(async {
            read(&file(&name, compress(table.as_bytes(), CODINGS[coding])).await, config(unit, batch)).await
        });
        let expected: Vec<String> =
            texts.iter().enumerate().map(|(row, text)| format!("{row} u {text} []")).collect();
        prop_assert_eq!(lines(&whole.expect("reads").rows), expected);
    }

    #[test]
    fn no_bytes_at_all_make_a_reader_of_records_panic_or_lose_count(
        bytes in prop::collection::vec(any::<u8>(), 0..300), seed in "[\",\n\t{}:a]{0,80}", unit in 1_u64..5,
    ) {
        let mut table = b"url,text\n{\"url\":\"u\",\"text\":\"t\"}\n".to_vec();
        table.extend_from_slice(seed.as_bytes());
        table.extend_from_slice(&bytes);
        for name in ["a.csv", "a.jsonl"] {
            // `read` checks that every row of every unit is accounted for.
            let whole = block_on(async { read(&file(name, table.clone()).await, config(unit, 3)).await });
            prop_assert!(whole.is_ok());
        }
    }
}
