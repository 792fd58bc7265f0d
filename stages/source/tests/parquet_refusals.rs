//! Parquet files that are refused: broken, changed, or without the columns asked for.
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::sync::Arc;

use arrow_array::Int32Array;
use futures::TryStreamExt;
use img2tokens_source::{Extent, Source, SourceConfig, SourceError};
use object_store::ObjectStoreExt;
use support::{config, file, keeping, parquet, read, strings};

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

/// Found by fuzzing: a page that says it holds data and has no header of data pages, at which the library panics.
#[tokio::test]
async fn a_reader_that_panics_is_an_error_of_its_file_and_no_missing_rows() {
    let bytes = include_bytes!("found_by_fuzzing/page_without_its_header.parquet");
    let input = file("bad.parquet", *bytes).await;
    let source = Source::new(SourceConfig {
        url_column: Some("url".to_owned()),
        text_column: Some("caption".to_owned()),
        ..keeping(&["similarity"], config(4, 2))
    });
    let survey = source.survey(&input).await.expect("its footer is sound");
    let mut interrupted = 0;
    for extent in &survey.extents {
        let rows: Result<Vec<_>, _> = source.rows(&input, &survey, extent, 0).try_collect().await;
        let Err(error) = rows else { continue };
        assert!(error.to_string().contains("mem://bad.parquet"), "{error}");
        assert!(!error.is_transient());
        interrupted += u32::from(matches!(error, SourceError::Interrupted { source: Some(_), .. }));
    }
    assert!(
        interrupted > 0,
        "the library got a check there: this file proves nothing any more"
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
async fn a_cell_that_is_no_text_in_a_column_marked_as_text_costs_its_row_alone() {
    let columns = vec![
        ("URL", strings("http://host/", 9)),
        ("TEXT", strings("caption-", 9)),
    ];
    let mut bytes = parquet(columns, 4);
    let places: Vec<usize> = bytes
        .windows(9)
        .enumerate()
        .filter_map(|(at, window)| (window == b"caption-5").then_some(at))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 8] = 0xff;
    }
    let whole = read(&file("a.parquet", bytes.clone()).await, config(4, 3))
        .await
        .expect("the file is read to its end");
    let lines = support::lines(&whole.rows);
    assert_eq!(lines.len(), 9);
    assert!(
        lines[5].starts_with("00003-000000005 corrupt_row the caption is not UTF-8"),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(row, line)| row == 5 || line.contains(&format!("caption-{row}")))
    );

    // A column that goes through to the output is typed as a whole: there it still ends the file.
    let kept = read(&file("a.parquet", bytes).await, keeping(&["TEXT"], config(4, 3))).await;
    assert!(kept.is_err());
}
