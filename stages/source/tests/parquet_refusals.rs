//! Parquet files that are refused: broken, changed, or without the columns asked for.
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::sync::Arc;

use arrow_array::Int32Array;
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
