//! Parquet tables, with URLs and with embedded pictures, in the layouts of the known datasets.
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, StringViewArray,
};
use arrow_schema::DataType;
use img2tokens_schemas::{PictureSource, StatedDigest};
use img2tokens_source::{Extent, Filter, InputFormat, Source, SourceConfig, unify_kept};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;
use support::{block_on, config, file, keeping, line, lines, parquet, parquet_with, read, strings};

type Columns = Vec<(&'static str, ArrayRef)>;

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
    let cases: Vec<(&str, Columns, &str)> = vec![
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
        let stated = |row: usize| whole.rows[row].as_ref().expect("a row").stated_digest.clone();
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
