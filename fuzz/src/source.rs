//! A whole input, read as a run reads it.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Arc, LazyLock};

use futures::StreamExt;
use img2tokens_source::{Filter, Input, InputFormat, Source, SourceConfig};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let built = Builder::new_multi_thread().worker_threads(1).build();
    built.expect("a runtime")
});

/// Surveys `bytes` as `format` and reads every extent; an error is a fine end, and every row is accounted for.
pub fn read_source(format: InputFormat, bytes: &[u8]) {
    let config = SourceConfig {
        format: Some(format),
        url_column: Some("url".to_owned()),
        text_column: Some("caption".to_owned()),
        filters: vec![Filter {
            column: "width".to_owned(),
            min: Some(1.0),
            max: None,
        }],
        keep_columns: vec!["similarity".to_owned()],
        unit_rows: NonZeroU64::MIN.saturating_add(3),
        batch_rows: NonZeroUsize::MIN.saturating_add(1),
        max_image_bytes: 1 << 16,
        ..SourceConfig::default()
    };
    // What names no such columns gets as far with the names left to be found.
    let found = SourceConfig {
        format: Some(format),
        ..SourceConfig::default()
    };
    RUNTIME.block_on(async {
        let store = InMemory::new();
        let path = Path::from("input");
        let put = store.put(&path, bytes.to_vec().into()).await;
        put.expect("memory takes it");
        let input = Input {
            store: Arc::new(store),
            path,
            name: "input".to_owned(),
        };
        for config in [config, found] {
            read_all(&Source::new(config), &input).await;
        }
    });
}

async fn read_all(source: &Source, input: &Input) {
    let Ok(survey) = source.survey(input).await else {
        return;
    };
    for extent in &survey.extents {
        let mut batches = source.rows(input, &survey, extent, 0);
        while let Some(Ok(batch)) = batches.next().await {
            assert_eq!(batch.rows_read, batch.filtered + batch.rows.len() as u64);
        }
    }
}
