//! Pictures that inputs bring along are held within the byte budget, as downloads are.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use img2tokens_schemas::{OptionalColumns, Vocabulary};
use img2tokens_vision::ModelConfig;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::config::Config;

const ROWS: usize = 10;
const PICTURE_BYTES: usize = 1_000;

/// A table of pictures of a kilobyte each.
async fn table() -> Input {
    let pictures = [7_u8; PICTURE_BYTES];
    let batch = RecordBatch::try_from_iter([
        (
            "image",
            Arc::new(BinaryArray::from_vec(vec![&pictures[..]; ROWS])) as ArrayRef,
        ),
        ("text", Arc::new(StringArray::from(vec!["a caption"; ROWS]))),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let path = object_store::path::Path::from("pairs.parquet");
    store.put(&path, bytes.into()).await.unwrap();
    Input {
        store,
        path,
        name: "mem://pairs.parquet".to_owned(),
    }
}

fn reader(stages: Arc<Stages>) -> Reader {
    Reader {
        stages,
        texts: None,
        destination: Arc::new(Destination::Local("never".into())),
        shard: Arc::new(ShardConfig {
            compression: img2tokens_shard::Compression::None,
            row_group_rows: 1,
            optional: OptionalColumns::default(),
            kept: arrow_schema::Fields::empty(),
            plan: String::new(),
            provenance: serde_json::Value::Null,
            vocabulary: Vocabulary {
                text_size: 1,
                codebook_size: 1,
                bos: 0,
                eos: 0,
            },
            images: false,
            packing: None,
            texts: false,
        }),
        meters: Meters::default(),
        drain: CancellationToken::new(),
        cancel: CancellationToken::new(),
        units_in_flight: 1,
    }
}

// The clock stands still while anything can be done, so a wait of an hour ends when nothing can, and only then.
#[tokio::test(start_paused = true)]
async fn pictures_of_the_input_wait_for_a_share_of_the_byte_budget() {
    let mut config = Config::default();
    config.fetch.max_bytes = PICTURE_BYTES as u64;
    config.fetch.max_bytes_in_flight = 3 * PICTURE_BYTES as u64;
    let stages = Arc::new(Stages::new(&config, &ModelConfig::lavit()).unwrap());
    let input = Arc::new(table().await);
    let survey = Arc::new(stages.source.survey(&input).await.unwrap());
    let unit = PlannedUnit {
        id: UnitId(0),
        input,
        input_number: 0,
        extent: survey.extents[0].clone(),
        rows: 0..ROWS as u64,
        survey,
    };
    let (messages, _inbox) = mpsc::channel(ROWS);
    let handle = UnitHandle {
        messages,
        timings: Arc::default(),
        tombstones: Arc::default(),
    };
    let (rows_out, mut rows) = mpsc::channel(ROWS);
    let reading = tokio::spawn(async move { reader(stages).read_unit(&unit, handle, &rows_out).await });
    let mut held_at_once = Vec::new();
    loop {
        let mut held = Vec::new();
        while let Ok(Some(pair)) = tokio::time::timeout(Duration::from_secs(3600), rows.recv()).await {
            held.push(pair);
        }
        if held.is_empty() {
            break;
        }
        held_at_once.push(held.len());
    }
    assert_eq!(held_at_once, [3, 3, 3, 1]);
    reading.await.unwrap().unwrap();
}
