//! Parquet tables, with URLs and with embedded pictures, in the layouts of the known datasets.

mod support;

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, StringViewArray, StructArray,
};
use arrow_schema::{DataType, Field};
use img2tokens_schemas::{PictureSource, StatedDigest};
use img2tokens_source::{Extent, Filter, InputFormat, Source, SourceConfig, SourceError, unify_kept};
use object_store::ObjectStoreExt;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;
use support::{block_on, config, file, line, lines, parquet, parquet_with, read};

fn strings(prefix: &str, rows: usize) -> ArrayRef {
    Arc::new(
        (0..rows)
            .map(|row| Some(format!("{prefix}{row}")))
            .collect::<StringArray>(),
    )
}

fn keeping(columns: &[&str], config: SourceConfig) -> SourceConfig {
    SourceConfig {
        keep_columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        ..config
    }
}

#[tokio::test]
async fn laion_2b_rows_are_keyed_by_hash_and_keep_their_types() {
    let bytes = parquet(
        vec![
            ("URL", strings("http://a/", 3)),
            ("TEXT", strings("caption ", 3)),
            (
                "WIDTH",
                Arc::new(Int32Array::from(vec![Some(10), None, Some(30)])),
            ),
            ("HEIGHT", Arc::new(Int32Array::from(vec![1, 2, 3]))),
            ("similarity", Arc::new(Float64Array::from(vec![0.3, 0.4, 0.5]))),
            (
                "hash",
                Arc::new(Int64Array::from(vec![Some(-7), None, Some(i64::MAX)])),
            ),
            ("punsafe", Arc::new(Float32Array::from(vec![0.25, 0.5, 0.75]))),
            ("pwatermark", Arc::new(Float32Array::from(vec![0.0, 0.0, 0.0]))),
        ],
        2,
    );
    let input = file("laion.parquet", bytes).await;
    let whole = read(&input, keeping(&["WIDTH", "similarity"], config(10, 10)))
        .await
        .expect("reads");
    assert_eq!(
        lines(&whole.rows),
        [
            "-7 http://a/0 caption 0 [10,0.3]",
            "00003-000000001 http://a/1 caption 1 [,0.4]",
            "9223372036854775807 http://a/2 caption 2 [30,0.5]",
        ]
    );
    assert_eq!(whole.survey.rows, Some(3));
    assert_eq!(whole.survey.columns.key.as_deref(), Some("hash"));
    assert_eq!(whole.survey.kept[0].data_type(), &DataType::Int32);
    assert_eq!(whole.survey.format, InputFormat::Parquet);
}

#[tokio::test]
async fn the_columns_of_every_known_dataset_are_found() {
    let text = |name: &'static str| (name, strings(name, 2));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![100, 101]));
    let md5 = "000102030405060708090a0b0c0d0e0f";
    let digests = |hex: String| -> ArrayRef { Arc::new(StringArray::from(vec![Some(hex), None])) };
    let cases: Vec<(&str, Vec<(&str, ArrayRef)>, &str)> = vec![
        (
            "LAION-400M",
            vec![text("SAMPLE_ID"), text("URL"), text("TEXT"), text("LICENSE")],
            "00003-000000000 URL0 TEXT0 []",
        ),
        (
            "Re-LAION",
            vec![
                text("url"),
                text("caption"),
                text("key"),
                ("md5", digests(md5.into())),
            ],
            "key0 url0 caption0 []",
        ),
        (
            "LAION-COCO",
            vec![text("URL"), text("top_caption"), text("all_captions")],
            "00003-000000000 URL0 top_caption0 []",
        ),
        (
            "COYO-700M",
            vec![("id", ids), text("url"), text("text")],
            "100 url0 text0 []",
        ),
        (
            "DataComp",
            vec![
                text("uid"),
                text("url"),
                text("text"),
                ("sha256", digests("ab".repeat(32))),
            ],
            "uid0 url0 text0 []",
        ),
    ];
    for (dataset, columns, first) in cases {
        let input = file("part.parquet", parquet(columns, 100)).await;
        let whole = read(&input, config(10, 10)).await.expect(dataset);
        assert_eq!(line(&whole.rows[0]), first, "{dataset}");
        let stated = |row: usize| whole.rows[row].as_ref().expect("a row").stated_digest;
        match dataset {
            "Re-LAION" => assert!(matches!(stated(0), Some(StatedDigest::Md5([0, 1, 2, ..])))),
            "DataComp" => assert_eq!(stated(0), Some(StatedDigest::Sha256([0xab; 32]))),
            _ => assert_eq!(stated(0), None),
        }
        assert_eq!(stated(1), None);
    }
}

#[tokio::test]
async fn every_string_type_reads_alike() {
    let urls = ["http://a/0", "http://a/1"];
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    urls.iter().for_each(|url| dictionary.append_value(url));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(urls.to_vec())),
        Arc::new(LargeStringArray::from(urls.to_vec())),
        Arc::new(StringViewArray::from(urls.to_vec())),
        Arc::new(dictionary.finish()),
        Arc::new(BinaryArray::from(
            urls.iter().map(|url| url.as_bytes()).collect::<Vec<_>>(),
        )),
    ];
    for column in columns {
        let shown = column.data_type().to_string();
        let bytes = parquet(
            vec![
                ("URL", column.clone()),
                ("TEXT", strings("t", 2)),
                ("kept", column),
            ],
            10,
        );
        let whole = read(&file("a.parquet", bytes).await, keeping(&["URL"], config(10, 10)))
            .await
            .expect("reads");
        assert_eq!(
            whole.rows[1].as_ref().expect("row").picture,
            PictureSource::Url("http://a/1".into()),
            "{shown}"
        );
        assert_eq!(whole.survey.kept[0].data_type().to_string(), shown);
    }
}

#[tokio::test]
async fn blank_urls_are_missing_and_text_that_is_none_fails_its_row_alone() {
    let urls = BinaryArray::from_opt_vec(vec![
        Some(b" ".as_slice()),
        None,
        Some(b"\xff"),
        Some(b"http://a/3"),
    ]);
    let bytes = parquet(vec![("URL", Arc::new(urls)), ("TEXT", strings("t", 4))], 10);
    let whole = read(&file("a.parquet", bytes).await, config(10, 10))
        .await
        .expect("reads");
    let lines = lines(&whole.rows);
    assert_eq!(lines[0], "00003-000000000 missing t0 []");
    assert_eq!(lines[1], "00003-000000001 missing t1 []");
    assert!(
        lines[2].starts_with("00003-000000002 corrupt_row the URL is not UTF-8"),
        "{}",
        lines[2]
    );
    assert_eq!(lines[3], "00003-000000003 http://a/3 t3 []");
}

#[tokio::test]
async fn filters_leave_rows_out_and_indices_count_them() {
    let bytes = parquet(
        vec![
            ("URL", strings("u", 5)),
            ("TEXT", strings("t", 5)),
            (
                "punsafe",
                Arc::new(Float32Array::from(vec![
                    Some(0.1),
                    None,
                    Some(f32::NAN),
                    Some(0.9),
                    Some(0.2),
                ])),
            ),
            (
                "WIDTH",
                Arc::new(Float64Array::from(vec![100.0, 100.0, 100.0, 100.0, 300.0])),
            ),
        ],
        2,
    );
    let filter = |column: &str, min, max| Filter {
        column: column.into(),
        min,
        max,
    };
    let filters = vec![
        filter("punsafe", None, Some(0.5)),
        filter("WIDTH", Some(100.0), None),
    ];
    let whole = read(
        &file("a.parquet", bytes).await,
        SourceConfig {
            filters,
            ..config(3, 2)
        },
    )
    .await
    .expect("reads");
    assert_eq!(
        lines(&whole.rows),
        ["00003-000000000 u0 t0 []", "00003-000000004 u4 t4 []"]
    );
    assert_eq!((whole.filtered, whole.rows_read), (3, 5));
    assert_eq!(
        whole.rows[1].as_ref().expect("row").index.0,
        1,
        "indices begin anew in each extent"
    );
}

#[tokio::test]
async fn embedded_pictures_come_as_bytes_from_structs_and_binary_columns() {
    let pictures = BinaryArray::from_opt_vec(vec![Some(b"jpeg".as_slice()), None, Some(b"a larger one")]);
    let image = StructArray::from(vec![
        (
            Arc::new(Field::new("bytes", DataType::Binary, true)),
            Arc::new(pictures.clone()) as ArrayRef,
        ),
        (
            Arc::new(Field::new("path", DataType::Utf8, true)),
            strings("p", 3),
        ),
    ]);
    for (name, column) in [
        ("image", Arc::new(image) as ArrayRef),
        ("jpg", Arc::new(pictures)),
    ] {
        let urls: ArrayRef = Arc::new(StringArray::from(vec![
            None,
            Some("http://a/1"),
            Some("http://a/2"),
        ]));
        let bytes = parquet(
            vec![(name, column), ("caption", strings("t", 3)), ("url", urls)],
            2,
        );
        let config = SourceConfig {
            max_image_bytes: 10,
            ..config(10, 10)
        };
        let whole = read(&file("a.parquet", bytes).await, config)
            .await
            .expect("reads");
        assert_eq!(
            lines(&whole.rows),
            [
                "00003-000000000 jpeg@ t0 []",
                "00003-000000001 http://a/1 t1 []",
                "00003-000000002 too_large the picture has 12 bytes, at most 10 are allowed",
            ]
        );
    }
}

#[tokio::test]
async fn large_pictures_come_in_small_batches() {
    let mut pictures = BinaryBuilder::new();
    (0..40_u8).for_each(|row| pictures.append_value(vec![row; 1 << 20]));
    let bytes = parquet(
        vec![("image", Arc::new(pictures.finish())), ("text", strings("t", 40))],
        1000,
    );
    let input = file("a.parquet", bytes).await;
    let source = Source::new(config(1000, 1000));
    let survey = source.survey(&input).await.expect("surveys");
    let batches = support::batches(&source, &input, &survey)
        .await
        .expect("reads")
        .concat_batches();
    assert!(
        batches.iter().all(|rows| *rows <= 9),
        "at most about 8 MiB a batch: {batches:?}"
    );
    assert_eq!(batches.iter().sum::<usize>(), 40);
}

trait ConcatBatches {
    fn concat_batches(self) -> Vec<usize>;
}

impl ConcatBatches for Vec<Vec<img2tokens_source::RowBatch>> {
    fn concat_batches(self) -> Vec<usize> {
        self.into_iter().flatten().map(|batch| batch.rows.len()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_units_of_every_split_equal_the_whole(
        rows in 1_usize..120, group in 1_usize..50, unit in 1_u64..60, batch in 1_usize..40, indexed: bool,
    ) {
        let columns = vec![("URL", strings("http://a/", rows)), ("TEXT", strings("caption ", rows))];
        let table = RecordBatch::try_from_iter(columns).expect("columns");
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(group))
            .set_data_page_row_count_limit(5)
            .set_write_batch_size(5)
            .set_offset_index_disabled(!indexed)
            .set_statistics_enabled(if indexed { EnabledStatistics::Page } else { EnabledStatistics::None })
            .build();
        let whole = block_on(async {
            let input = file("a.parquet", parquet_with(&table, properties)).await;
            read(&input, config(unit, batch)).await.expect("reads")
        });
        let expected: Vec<String> =
            (0..rows).map(|row| format!("00003-{row:09} http://a/{row} caption {row} []")).collect();
        prop_assert_eq!(lines(&whole.rows), expected);
        prop_assert_eq!(whole.survey.extents.len() as u64, (rows as u64).div_ceil(unit));
    }
}

#[tokio::test]
async fn rows_read_through_many_windows_are_those_written() {
    // Larger than any window, with pages that cross them, read from the middle on.
    let rows = 60_000;
    let noise = |row: usize| {
        (0..8)
            .map(|word| format!("{:016x}", (row * 8 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect::<String>()
    };
    let texts: ArrayRef = Arc::new((0..rows).map(|row| Some(noise(row))).collect::<StringArray>());
    let table = RecordBatch::try_from_iter(vec![("URL", strings("http://a/", rows)), ("TEXT", texts)])
        .expect("columns");
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_offset_index_disabled(true)
        .build();
    let input = file("a.parquet", parquet_with(&table, properties)).await;
    let source = Source::new(config(100_000, 1024));
    let survey = source.survey(&input).await.expect("surveys");
    for (first_row, length) in [(0, 60_000), (59_990, 10), (31_234, 5_000)] {
        let extent = Extent {
            first_row,
            rows: Some(length),
            bytes: None,
        };
        let part = img2tokens_source::Survey {
            extents: vec![extent],
            ..survey.clone()
        };
        let batches = support::batches(&source, &input, &part).await.expect("reads");
        let read: Vec<_> = batches
            .into_iter()
            .flatten()
            .flat_map(|batch| batch.rows)
            .collect();
        assert_eq!(read.len() as u64, length);
        for (row, at) in read.into_iter().zip(first_row..) {
            let row = row.expect("a row");
            assert_eq!(
                row.caption.as_deref(),
                Some(noise(usize::try_from(at).expect("small")).as_str())
            );
        }
    }
}

#[tokio::test]
async fn files_that_are_no_parquet_or_break_off_name_themselves() {
    let good = parquet(
        vec![("URL", strings("http://a/", 500)), ("TEXT", strings("t", 500))],
        100,
    );
    for bytes in [
        good[..good.len() - 9].to_vec(),
        b"not a table".to_vec(),
        Vec::new(),
    ] {
        let error = read(&file("bad.parquet", bytes).await, config(10, 10))
            .await
            .err()
            .expect("refuses");
        assert!(error.to_string().contains("mem://bad.parquet"), "{error}");
        assert!(!error.is_transient());
    }
    // A page that is broken: the rows before it come, then an error that says from which row on.
    let mut broken = good;
    broken[2000..2400].fill(0xee);
    let error = read(&file("bad.parquet", broken).await, config(1000, 10))
        .await
        .err()
        .expect("refuses");
    assert!(
        matches!(&error, SourceError::Decode { input, .. } if input == "mem://bad.parquet"),
        "{error:?}"
    );
}

#[tokio::test]
async fn missing_columns_name_the_file_what_it_has_and_the_key_to_set() {
    let input = file(
        "odd.parquet",
        parquet(vec![("link", strings("u", 1)), ("alt", strings("t", 1))], 10),
    )
    .await;
    let survey = |config| async {
        Source::new(config)
            .survey(&input)
            .await
            .expect_err("refuses")
            .to_string()
    };
    let url = survey(config(10, 10)).await;
    for part in ["mem://odd.parquet", "URL, url", "input.url_column", "link, alt"] {
        assert!(url.contains(part), "{url}");
    }
    let configured = || SourceConfig {
        url_column: Some("link".into()),
        ..config(10, 10)
    };
    assert!(survey(configured()).await.contains("input.text_column"));
    let with_text = || SourceConfig {
        text_column: Some("alt".into()),
        ..configured()
    };
    let kept = survey(keeping(&["width"], with_text())).await;
    assert!(
        kept.contains("`width`") && kept.contains("input.keep_columns"),
        "{kept}"
    );
    let numbers = parquet(
        vec![
            ("URL", strings("u", 1)),
            ("TEXT", Arc::new(Int32Array::from(vec![1]))),
        ],
        10,
    );
    let config = SourceConfig {
        text_column: Some("TEXT".into()),
        ..config(10, 10)
    };
    let error = read(&file("n.parquet", numbers).await, config)
        .await
        .err()
        .expect("refuses")
        .to_string();
    assert!(
        error.contains("Int32") && error.contains("input.text_column"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_changed_since_its_survey_is_refused() {
    let table = |rows| {
        parquet(
            vec![("URL", strings("u", rows)), ("TEXT", strings("t", rows))],
            10,
        )
    };
    let input = file("a.parquet", table(3)).await;
    let source = Source::new(config(10, 10));
    let survey = source.survey(&input).await.expect("surveys");
    input.store.put(&input.path, table(3).into()).await.expect("put");
    let error = support::batches(&source, &input, &survey)
        .await
        .expect_err("another version");
    assert!(matches!(error, SourceError::Changed { .. }), "{error:?}");
    // The rows that were surveyed and are not there.
    let survey = source.survey(&input).await.expect("surveys");
    let extents = vec![Extent {
        first_row: 2,
        rows: Some(2),
        bytes: None,
    }];
    let error = support::batches(&source, &input, &img2tokens_source::Survey { extents, ..survey }).await;
    assert!(
        matches!(
            error,
            Err(SourceError::RowCount {
                expected: 2,
                found: 1,
                ..
            })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn kept_columns_of_several_files_get_one_type() {
    let widths: [ArrayRef; 2] = [
        Arc::new(Int32Array::from(vec![640])),
        Arc::new(Float64Array::from(vec![640.5])),
    ];
    let source = Source::new(keeping(&["WIDTH"], config(10, 10)));
    let mut inputs = Vec::new();
    let mut surveys = Vec::new();
    for width in widths {
        let bytes = parquet(
            vec![
                ("URL", strings("u", 1)),
                ("TEXT", strings("t", 1)),
                ("WIDTH", width),
            ],
            10,
        );
        inputs.push(file("a.parquet", bytes).await);
        let survey = source.survey(&inputs[inputs.len() - 1]).await.expect("surveys");
        surveys.push((format!("file {}", surveys.len()), survey));
    }
    unify_kept(surveys.iter_mut().map(|(name, survey)| (name.as_str(), survey))).expect("both are numbers");
    let mut shown = Vec::new();
    for (input, (_, survey)) in inputs.iter().zip(&surveys) {
        let json = serde_json::to_string(survey).expect("a survey goes into the plan");
        assert_eq!(
            &serde_json::from_str::<img2tokens_source::Survey>(&json).expect("and comes back"),
            survey
        );
        assert_eq!(survey.kept[0].data_type(), &DataType::Float64);
        let batches = support::batches(&source, input, survey).await.expect("reads");
        shown.push(line(&batches[0][0].rows[0]));
    }
    assert_eq!(
        shown,
        ["00003-000000000 u0 t0 [640.0]", "00003-000000000 u0 t0 [640.5]"]
    );
}
