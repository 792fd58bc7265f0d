//! What the tests of this crate share: files in memory, and all rows of one.
#![allow(dead_code, reason = "each test file uses a part")]

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use futures::TryStreamExt;
use img2tokens_schemas::{Outcome, PictureSource, Row};
use img2tokens_source::{Input, RowBatch, Source, SourceConfig, SourceError, Survey};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// A file in memory.
pub async fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Input {
    let store = InMemory::new();
    let path = Path::from(name);
    store.put(&path, bytes.into().into()).await.expect("put");
    Input {
        store: Arc::new(store) as Arc<dyn ObjectStore>,
        path,
        name: format!("mem://{name}"),
    }
}

/// A Parquet file of these columns.
pub fn parquet(columns: Vec<(&str, ArrayRef)>, rows_a_group: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .expect("columns");
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows_a_group))
        .set_data_page_row_count_limit(7)
        .set_write_batch_size(7)
        .build();
    parquet_with(&batch, properties)
}

/// A Parquet file with these properties.
pub fn parquet_with(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("writer");
    writer.write(batch).expect("write");
    writer.close().expect("close");
    bytes
}

/// A config with units and batches of these sizes.
pub fn config(unit_rows: u64, batch_rows: usize) -> SourceConfig {
    SourceConfig {
        unit_rows: NonZeroU64::new(unit_rows).expect("not zero"),
        batch_rows: NonZeroUsize::new(batch_rows).expect("not zero"),
        ..SourceConfig::default()
    }
}

/// A column of `rows` strings: the prefix and the row.
pub fn strings(prefix: &str, rows: usize) -> ArrayRef {
    Arc::new(
        (0..rows)
            .map(|row| Some(format!("{prefix}{row}")))
            .collect::<StringArray>(),
    )
}

/// The config with kept columns.
pub fn keeping(columns: &[&str], config: SourceConfig) -> SourceConfig {
    SourceConfig {
        keep_columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        ..config
    }
}

/// Every batch of every extent, extent by extent.
pub async fn batches(
    source: &Source,
    input: &Input,
    survey: &Survey,
) -> Result<Vec<Vec<RowBatch>>, SourceError> {
    let mut extents = Vec::new();
    for extent in &survey.extents {
        extents.push(source.rows(input, survey, extent, 3).try_collect().await?);
    }
    Ok(extents)
}

/// How many rows each batch of a file has.
pub async fn batch_lengths(source: &Source, input: &Input, survey: &Survey) -> Vec<usize> {
    let extents = batches(source, input, survey).await.expect("reads");
    extents.iter().flatten().map(|batch| batch.rows.len()).collect()
}

/// A survey and all rows of a file, with what was filtered.
pub struct Whole {
    pub survey: Survey,
    pub rows: Vec<Result<Row, Outcome>>,
    pub filtered: u64,
    pub rows_read: u64,
}

/// Reads a whole file, extent by extent, and checks that every row is accounted for.
pub async fn read(input: &Input, config: SourceConfig) -> Result<Whole, SourceError> {
    let source = Source::new(config);
    let survey = source.survey(input).await?;
    let mut whole = Whole {
        survey: survey.clone(),
        rows: Vec::new(),
        filtered: 0,
        rows_read: 0,
    };
    for (extent, batches) in survey.extents.iter().zip(batches(&source, input, &survey).await?) {
        let mut next = 0;
        for batch in batches {
            assert_eq!(
                batch.rows_read,
                batch.filtered + batch.rows.len() as u64,
                "every row is accounted for"
            );
            for row in &batch.rows {
                let index = index(row);
                assert!(
                    (next..next + batch.rows_read).contains(&index),
                    "indices count the extent's rows"
                );
            }
            assert!(batch.rows.is_sorted_by_key(index));
            next += batch.rows_read;
            whole.filtered += batch.filtered;
            whole.rows.extend(batch.rows);
        }
        assert!(
            extent.rows.is_none_or(|rows| rows == next),
            "an extent gives its rows"
        );
        whole.rows_read += next;
    }
    Ok(whole)
}

pub fn index(row: &Result<Row, Outcome>) -> u64 {
    match row {
        Ok(row) => row.index.0,
        Err(outcome) => outcome.index.0,
    }
}

/// A row in one line: key, URL or size of the picture, caption, kept values; or key and reason of the failure.
pub fn line(row: &Result<Row, Outcome>) -> String {
    let kept = |kept: &img2tokens_schemas::KeptColumns| {
        let value = |column: &ArrayRef| {
            arrow_cast::display::array_value_to_string(column, kept.row()).expect("a value that can be shown")
        };
        kept.batch()
            .columns()
            .iter()
            .map(value)
            .collect::<Vec<_>>()
            .join(",")
    };
    match row {
        Ok(row) => {
            let picture = match &row.picture {
                PictureSource::Url(url) => url.clone(),
                PictureSource::Bytes { bytes, url } => {
                    format!(
                        "{}@{}",
                        String::from_utf8_lossy(bytes),
                        url.as_deref().unwrap_or("")
                    )
                }
                PictureSource::Missing => "missing".to_owned(),
            };
            let caption = row.caption.as_deref().unwrap_or("null");
            format!("{} {picture} {caption} [{}]", row.key, kept(&row.kept))
        }
        Err(outcome) => {
            let failure = outcome
                .result
                .as_ref()
                .expect_err("a row that was not read has failed");
            format!("{} {} {}", outcome.key, failure.reason, failure.detail)
        }
    }
}

pub fn lines(rows: &[Result<Row, Outcome>]) -> Vec<String> {
    rows.iter().map(line).collect()
}

/// A runtime for properties, whose bodies are not async.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("runtime")
        .block_on(future)
}
