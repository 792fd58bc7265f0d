//! The room's verbs: survey a file, stream an extent of it.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::draft::Place;
use crate::object::Object;
use crate::{
    Compression, Extent, Input, InputFormat, RowBatch, SourceConfig, SourceError, Survey, parquet, records,
};

/// The batches of one extent. Dropping it stops the thread behind it.
pub type RowStream = BoxStream<'static, Result<RowBatch, SourceError>>;

/// How many batches may wait for their reader.
const BATCHES_AHEAD: usize = 2;
/// What is looked at to tell a file's compression and format.
const HEAD_BYTES: u64 = 4 << 10;

/// Reads inputs as one config says. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    config: Arc<SourceConfig>,
}

impl Source {
    /// A source that reads as `config` says.
    #[must_use]
    pub fn new(config: SourceConfig) -> Self {
        Self {
            config: Arc::new(config),
        }
    }

    /// What a plan must know of a file. Of Parquet the footer is read; CSV, TSV and JSONL are read once, to count their
    /// records and note where units begin; of a tar, its first samples.
    ///
    /// A file whose content is broken is surveyed as that ([`Survey::broken`]).
    ///
    /// # Errors
    /// [`SourceError`] if the file cannot be reached, has no known format, or lacks a column.
    pub async fn survey(&self, input: &Input) -> Result<Survey, SourceError> {
        let cancelled = CancellationToken::new();
        let _cancel_on_drop = cancelled.clone().drop_guard();
        let (object, meta) = Object::find(input, cancelled).await?;
        let config = Arc::clone(&self.config);
        let named = InputFormat::of_name(object.path.as_ref());
        let found = Survey {
            size: object.size,
            etag: meta.e_tag,
            last_modified: meta.last_modified.to_rfc3339(),
            format: config.format.or(named).unwrap_or(InputFormat::Jsonl),
            compression: None,
            rows: Some(0),
            columns: crate::Columns::default(),
            header: Vec::new(),
            kept: arrow_schema::Fields::empty(),
            extents: vec![Extent::of_nothing()],
            broken: None,
        };
        let mut fresh = found.clone();
        let surveyed = spawn_blocking(move || survey(&object, &config, &mut fresh).map(|()| fresh)).await;
        let surveyed = surveyed.unwrap_or_else(|panic| Err(interrupted(input, panic)));
        surveyed.or_else(|error| match error.broken_content() {
            Some(problem) => Ok(Survey {
                broken: Some(problem),
                ..found
            }),
            None => Err(error),
        })
    }

    /// The rows of one extent of a file that was surveyed, in order, in bounded memory. `input_number` is the file's
    /// place in the run: rows without a key of their own are named after it. Nothing happens before the first poll,
    /// which must be within a runtime.
    ///
    /// The stream ends after its first error.
    pub fn rows(&self, input: &Input, survey: &Survey, extent: &Extent, input_number: u32) -> RowStream {
        let (source, input) = (self.clone(), input.clone());
        let (survey, extent) = (survey.without_extents(), extent.clone());
        let start = async move { source.start(input, survey, extent, input_number) };
        stream::once(start).flatten().boxed()
    }

    fn start(&self, input: Input, survey: Survey, extent: Extent, input_number: u32) -> RowStream {
        let cancelled = CancellationToken::new();
        let cancel_on_drop = cancelled.clone().drop_guard();
        let object = Object::new(&input, survey.size, survey.etag.clone(), cancelled);
        let config = Arc::clone(&self.config);
        let place = Place {
            input: Arc::clone(&object.name),
            input_number,
            first_row: extent.first_row,
        };
        let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD);
        let thread = spawn_blocking(move || {
            let read = read(&object, &survey, &config, &extent, place, &sender);
            if let Err(error) = read {
                // Nobody waits for it: the stream is gone.
                let _ = sender.blocking_send(Err(error));
            }
        });
        let batches = stream::poll_fn(move |context| {
            let _held = &cancel_on_drop;
            receiver.poll_recv(context)
        });
        // A thread that died leaves a closed queue: only its handle tells that rows are missing.
        let end = stream::once(thread).filter_map(move |end| {
            let died = end.err().map(|panic| Err(interrupted(&input, panic)));
            async move { died }
        });
        batches.chain(end).boxed()
    }
}

fn interrupted(input: &Input, panic: tokio::task::JoinError) -> SourceError {
    SourceError::Interrupted {
        input: input.name.clone(),
        source: Some(panic),
    }
}

fn survey(object: &Object, config: &SourceConfig, survey: &mut Survey) -> Result<(), SourceError> {
    let head = object.range(0..object.size.min(HEAD_BYTES))?;
    survey.compression = Compression::of_content(&head);
    survey.format = match config
        .format
        .or_else(|| InputFormat::of_name(object.path.as_ref()))
    {
        Some(format) => format,
        None => records::format_of_content(object, survey.compression)?,
    };
    match survey.format {
        InputFormat::Parquet => {
            let (rows, columns, kept) = parquet::survey(object, config)?;
            survey.rows = Some(rows);
            survey.extents = Extent::split(rows, config.unit_rows);
            survey.columns = columns;
            survey.kept = kept;
            Ok(())
        }
        _ => records::survey(object, config, survey),
    }
}

/// Sends the batches of an extent until it ends or nobody listens.
fn read(
    object: &Object,
    survey: &Survey,
    config: &SourceConfig,
    extent: &Extent,
    place: Place,
    sender: &mpsc::Sender<Result<RowBatch, SourceError>>,
) -> Result<(), SourceError> {
    if let Some(broken) = survey.broken(&object.name) {
        return Err(broken);
    }
    let batches: Box<dyn Iterator<Item = _>> = match survey.format {
        InputFormat::Parquet => Box::new(parquet::batches(object, survey, config, extent, place)?),
        _ => Box::new(records::batches(object, survey, config, extent, place)?),
    };
    let mut found = 0;
    for batch in batches {
        let batch = batch?;
        found += batch.rows_read;
        if sender.blocking_send(Ok(batch)).is_err() {
            return Ok(());
        }
    }
    match extent.rows {
        Some(expected) if expected != found => Err(SourceError::RowCount {
            input: object.name.to_string(),
            first_row: extent.first_row,
            expected,
            found,
        }),
        _ => Ok(()),
    }
}
