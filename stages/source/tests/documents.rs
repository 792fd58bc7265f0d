//! Rows that are documents: in which columns they are looked for, and what their parts are in every format.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod support;

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, StringArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use img2tokens_schemas::{FailureReason, Part};
use img2tokens_source::{SourceConfig, SourceError};
use support::{Whole, config, file, keeping, parquet, read, strings};

type Texts<'a> = &'a [Option<&'a str>];

/// A column of lists of text.
fn lists(rows: &[Texts<'_>]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows {
        lists.append_value(row.iter().copied());
    }
    Arc::new(lists.finish())
}

/// A column of what MMC4 tells of images, a list a row.
fn image_info(rows: &[&[(&str, i32)]]) -> ArrayRef {
    let items = rows.concat();
    let column = |name, array: ArrayRef| (Arc::new(Field::new(name, array.data_type().clone(), true)), array);
    let urls = items.iter().map(|(url, _)| Some(*url)).collect::<StringArray>();
    let texts = items.iter().map(|(_, text)| Some(*text)).collect::<Int32Array>();
    let items = StructArray::from(vec![
        column("image_name", strings("name", items.len())),
        column("raw_url", Arc::new(urls)),
        column("matched_text_index", Arc::new(texts)),
    ]);
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.len()));
    let item = Arc::new(Field::new("item", items.data_type().clone(), true));
    Arc::new(ListArray::new(item, offsets, Arc::new(items), None))
}

/// What each row says, in short: a text as it is, an image as its place and URL; or why it says nothing.
fn shown(whole: &Whole) -> Vec<Result<Vec<String>, FailureReason>> {
    let show = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Image { place, picture } => format!("{place}:{}", picture.url().unwrap_or("?")),
    };
    let rows = whole.rows.iter();
    rows.map(|row| match row {
        Ok(row) => Ok(row
            .document
            .as_ref()
            .expect("a document")
            .iter()
            .map(show)
            .collect()),
        Err(outcome) => Err(outcome.result.as_ref().unwrap_err().reason),
    })
    .collect()
}

const IMAGES: [Texts<'static>; 3] = [&[None, Some("u"), Some("v")], &[Some("w")], &[None]];
const TEXTS: [Texts<'static>; 3] = [&[Some("a"), None, None], &[Some("both")], &[Some("b")]];

fn expected() -> Vec<Result<Vec<String>, FailureReason>> {
    let parts = |parts: &[&str]| Ok(parts.iter().map(|part| (*part).to_owned()).collect());
    vec![
        parts(&["a", "1:u", "2:v"]),
        Err(FailureReason::CorruptRow),
        parts(&["b"]),
    ]
}

#[tokio::test]
async fn lists_side_by_side_are_read_alike_from_every_list_type_and_from_json() {
    let large = |lists: ArrayRef| {
        let item = Arc::new(Field::new("item", DataType::LargeUtf8, true));
        arrow_cast::cast(&lists, &DataType::LargeList(item)).unwrap()
    };
    let json: String = std::iter::zip(IMAGES, TEXTS)
        .map(|(images, texts)| format!("{}\n", serde_json::json!({ "images": images, "texts": texts })))
        .collect();
    let files = [
        file(
            "lists.parquet",
            parquet(vec![("images", lists(&IMAGES)), ("texts", lists(&TEXTS))], 2),
        )
        .await,
        file(
            "large.parquet",
            parquet(
                vec![("images", large(lists(&IMAGES))), ("texts", large(lists(&TEXTS)))],
                9,
            ),
        )
        .await,
        file("lines.jsonl", json).await,
    ];
    for input in files {
        let whole = read(&input, config(2, 1)).await.unwrap();
        assert_eq!(shown(&whole), expected(), "{}", input.name);
        assert_eq!(whole.survey.columns.document.as_ref().unwrap().images, "images");
    }
}

#[tokio::test]
async fn matched_images_are_read_alike_from_structs_and_from_json() {
    let images: [&[(&str, i32)]; 3] = [&[("u", 1), ("v", 0), ("w", 1)], &[("x", 2)], &[]];
    let texts: [Texts<'_>; 3] = [&[Some("a"), Some("b")], &[Some("c")], &[Some("d")]];
    let expected = [
        Ok(vec![
            "1:v".to_owned(),
            "a".to_owned(),
            "0:u".to_owned(),
            "2:w".to_owned(),
            "b".to_owned(),
        ]),
        Err(FailureReason::CorruptRow),
        Ok(vec!["d".to_owned()]),
    ];
    let json = std::iter::zip(images, texts).map(|(images, texts)| {
        let images = images.iter().map(|(url, text)| {
            serde_json::json!({ "raw_url": url, "matched_text_index": text, "matched_sim": 0.5 })
        });
        let images: Vec<_> = images.collect();
        let row = serde_json::json!({ "text_list": texts, "url": "http://page", "image_info": images });
        format!("{row}\n")
    });
    let table = vec![("image_info", image_info(&images)), ("text_list", lists(&texts))];
    for input in [
        file("table.parquet", parquet(table, 9)).await,
        file("lines.jsonl", json.collect::<String>()).await,
    ] {
        let whole = read(&input, config(9, 9)).await.unwrap();
        assert_eq!(shown(&whole), expected, "{}", input.name);
    }
}

fn table_of_both() -> Vec<u8> {
    let columns = vec![
        ("images", lists(&IMAGES)),
        ("texts", lists(&TEXTS)),
        ("url", strings("http://page/", 3)),
        ("caption", strings("caption", 3)),
        ("id", strings("k", 3)),
    ];
    parquet(columns, 9)
}

#[tokio::test]
async fn a_table_of_pairs_is_one_unless_the_config_names_columns_of_documents() {
    let input = file("both.parquet", table_of_both()).await;
    let pairs = read(&input, config(9, 9)).await.unwrap();
    assert_eq!(pairs.survey.columns.document, None);
    assert!(
        pairs
            .rows
            .iter()
            .all(|row| row.as_ref().unwrap().document.is_none())
    );
    let named = SourceConfig {
        texts_column: Some("texts".to_owned()),
        ..keeping(&["caption", "images"], config(9, 9))
    };
    let documents = read(&input, named).await.unwrap();
    assert_eq!(shown(&documents), expected());
    let row = documents.rows[2].as_ref().unwrap();
    assert_eq!((row.key.as_str(), row.caption.as_deref()), ("k2", None));
    assert_eq!(row.kept.batch().schema().field(1).name(), "images");
}

#[tokio::test]
async fn columns_that_hold_no_documents_are_refused_by_name() {
    let input = file("both.parquet", table_of_both()).await;
    let with = |images: Option<&str>, texts: Option<&str>| SourceConfig {
        images_column: images.map(str::to_owned),
        texts_column: texts.map(str::to_owned),
        ..config(9, 9)
    };
    let refused = read(&input, with(Some("url"), None)).await.err().unwrap();
    assert!(
        matches!(
            refused,
            SourceError::ColumnType {
                key: "images_column",
                ..
            }
        ),
        "{refused}"
    );
    let refused = read(&input, with(None, Some("pages"))).await.err().unwrap();
    assert!(
        matches!(
            refused,
            SourceError::MissingColumn {
                key: "texts_column",
                ..
            }
        ),
        "{refused}"
    );
    let pairs = file("pairs.csv", "url,caption\nu,c\n").await;
    let refused = read(&pairs, with(Some("url"), None)).await.err().unwrap();
    assert!(
        matches!(
            refused,
            SourceError::ColumnType {
                key: "images_column",
                ..
            }
        ),
        "{refused}"
    );
    let refused = read(&pairs, with(None, Some("caption"))).await.err().unwrap();
    assert!(
        matches!(
            refused,
            SourceError::UndetectedColumn { .. } | SourceError::ColumnType { .. }
        ),
        "{refused}"
    );
}
