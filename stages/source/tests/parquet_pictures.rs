//! Parquet tables with embedded pictures.
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{ArrayRef, BinaryArray, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use img2tokens_source::{Source, SourceConfig};
use support::{config, file, lines, parquet, read, strings};

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
    assert_small(&support::batch_lengths(&source, &input, &survey).await);
}

#[tokio::test]
async fn large_captions_come_in_small_batches_even_where_a_dictionary_makes_the_file_small() {
    let captions = |caption: fn(usize) -> String| -> ArrayRef {
        Arc::new((0..40).map(|row| Some(caption(row))).collect::<StringArray>())
    };
    let columns = [
        captions(|row| format!("{row}").repeat(1 << 20)[..1 << 20].to_owned()),
        captions(|_| "x".repeat(1 << 20)),
    ];
    for column in columns {
        let bytes = parquet(vec![("url", strings("u", 40)), ("text", column)], 1000);
        let input = file("a.parquet", bytes).await;
        let source = Source::new(config(1000, 1000));
        let survey = source.survey(&input).await.expect("surveys");
        assert_small(&support::batch_lengths(&source, &input, &survey).await);
    }
}

/// 40 rows of 1 MiB.
fn assert_small(batches: &[usize]) {
    assert!(
        batches.iter().all(|rows| *rows <= 9),
        "at most about 8 MiB a batch: {batches:?}"
    );
    assert_eq!(batches.iter().sum::<usize>(), 40);
}
