//! The rows of one extent of a Parquet file.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, RowSelection};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::cells::Cells;
use super::chunks::Chunks;
use super::pages::{CountedGroups, Ledger};
use super::raw_text::unmark;
use super::survey::footer;
use super::views::cell_bytes;
use crate::draft::{Place, Placed};
use crate::object::Object;
use crate::{Columns, Extent, RowBatch, SourceConfig, SourceError, Survey, kept};

/// How many bytes of the table a batch may hold: by the average size of its rows as the file states it, and then by what its
/// rows turn out to be.
const BATCH_BYTES: u64 = 8 << 20;
/// The most bytes of a row's kept columns: thousands of rows may wait for their pictures.
const MAX_KEPT_BYTES: u64 = 2 << 20;
/// By how much batches shrink whose pages do not fit.
const SHRINK: usize = 8;

/// The rows of `extent`, a batch at a time; reads the row groups it touches, the columns it needs, and skips to its
/// first row page by page.
pub(crate) fn batches(
    object: &Object,
    survey: &Survey,
    config: &SourceConfig,
    extent: &Extent,
    place: Place,
) -> Result<impl Iterator<Item = Result<RowBatch, SourceError>> + use<>, SourceError> {
    let chunks = Chunks::open(object)?;
    let metadata = footer(&chunks, object)?;
    let fail = |source: ParquetError| {
        chunks
            .take_failure()
            .unwrap_or_else(|| SourceError::decode(&place.input, place.first_row, source.into()))
    };
    let metadata = unmark(&metadata, &own_text(survey, config)).map_err(fail)?;
    let mut rows = Rows {
        table: Table {
            chunks,
            metadata,
            extent: extent.clone(),
            ledger: Arc::default(),
        },
        survey: survey.clone(),
        config: config.clone(),
        place,
        batch_rows: config.batch_rows.get(),
        reader: None,
        decoded: None,
        next: 0,
        ended: false,
    };
    Ok(std::iter::from_fn(move || {
        let batch = if rows.ended {
            None
        } else {
            rows.batch().transpose()
        };
        rows.ended = !matches!(batch, Some(Ok(_)));
        batch
    }))
}

/// Where rows come from.
struct Table {
    chunks: Chunks,
    metadata: ArrowReaderMetadata,
    extent: Extent,
    ledger: Arc<Ledger>,
}

/// The rows of an extent that are left.
struct Rows {
    table: Table,
    survey: Survey,
    config: SourceConfig,
    place: Place,
    /// How many rows are decoded together.
    batch_rows: usize,
    reader: Option<ParquetRecordBatchReader>,
    /// Rows that are decoded, and how many of them were given out.
    decoded: Option<(RecordBatch, Cells, usize)>,
    /// How many rows were given out.
    next: u64,
    ended: bool,
}

impl Rows {
    fn batch(&mut self) -> Result<Option<RowBatch>, SourceError> {
        let batch = self.decode().and_then(|()| self.take_decoded());
        let batch = batch.map_err(|source| {
            let failure = self.table.chunks.take_failure();
            let row = self.place.first_row + self.next;
            failure.unwrap_or_else(|| SourceError::decode(&self.place.input, row, source))
        })?;
        let Some((drafts, kept)) = batch else {
            return Ok(None);
        };
        let rows_read = kept.num_rows() as u64;
        self.next += rows_read;
        self.place.finish(drafts, kept, rows_read).map(Some)
    }

    /// Decodes rows if there are none left of those before; fewer together when their pages take too much.
    fn decode(&mut self) -> Result<(), ArrowError> {
        while self.decoded.is_none() {
            let mut reader = match self.reader.take() {
                Some(reader) => reader,
                None => self.open()?,
            };
            self.table.ledger.begin_batch();
            match reader.next() {
                None => return Ok(()),
                Some(Ok(batch)) => {
                    let cells = Cells::new(&batch, &self.survey.columns, &self.config)?;
                    self.decoded = Some((batch, cells, 0));
                    self.reader = Some(reader);
                }
                Some(Err(_)) if self.table.ledger.take_over() && self.batch_rows > 1 => {
                    self.batch_rows = (self.batch_rows / SHRINK).max(1);
                }
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// The decoded rows that are left, as many as a batch may hold.
    fn take_decoded(&mut self) -> Result<Option<(Vec<Placed>, RecordBatch)>, ArrowError> {
        let Some((batch, cells, first)) = self.decoded.take() else {
            return Ok(None);
        };
        let mut drafts = Vec::new();
        let (mut row, mut held) = (first, 0);
        while row < batch.num_rows() && held < BATCH_BYTES {
            held += self.kept_bytes(&batch, row)?;
            if cells.passes(row) {
                let draft = cells.draft(row);
                held += draft.bytes();
                drafts.push(Placed {
                    index: self.next + (row - first) as u64,
                    kept_row: row - first,
                    draft,
                });
            }
            row += 1;
        }
        let kept = kept::batch_of_table(&self.survey.kept, &batch.slice(first, row - first))?;
        if row < batch.num_rows() {
            self.decoded = Some((batch, cells, row));
        }
        Ok(Some((drafts, kept)))
    }

    /// How many bytes the kept columns of a row take.
    fn kept_bytes(&self, batch: &RecordBatch, row: usize) -> Result<u64, ArrowError> {
        let kept = self.survey.kept.iter();
        let columns = kept.filter_map(|field| batch.column_by_name(field.name()));
        let bytes = columns.map(|column| cell_bytes(column, row)).sum();
        match bytes > MAX_KEPT_BYTES {
            true => Err(ArrowError::InvalidArgumentError(format!(
                "the kept columns of a row have {bytes} bytes, at most {MAX_KEPT_BYTES} are allowed"
            ))),
            false => Ok(bytes),
        }
    }

    /// A reader of the rows that are left.
    fn open(&mut self) -> Result<ParquetRecordBatchReader, ArrowError> {
        let Table {
            chunks,
            metadata,
            extent,
            ledger,
        } = &mut self.table;
        // The pages of the reader before are gone.
        *ledger = Arc::default();
        let left = Extent {
            first_row: extent.first_row.saturating_add(self.next),
            rows: extent.rows.map(|rows| rows.saturating_sub(self.next)),
            bytes: None,
        };
        let groups = touched(metadata.metadata().row_groups(), &left);
        let mask = needed_roots(metadata, &self.survey, &self.config);
        let leaves: Vec<usize> = (0..metadata.parquet_schema().num_columns())
            .filter(|leaf| mask.leaf_included(*leaf))
            .collect();
        let metas: Vec<&RowGroupMetaData> = groups
            .numbers
            .iter()
            .filter_map(|number| metadata.metadata().row_groups().get(*number))
            .collect();
        let ranges = metas
            .iter()
            .flat_map(|group| leaves.iter().map(|leaf| byte_range(group, *leaf)))
            .collect::<Result<_, ParquetError>>()?;
        chunks.expect(ranges, leaves.len());
        self.batch_rows = rows_within(BATCH_BYTES, &metas, &leaves).clamp(1, self.batch_rows);
        let fields = metadata.schema().fields();
        let levels = parquet_to_arrow_field_levels(metadata.parquet_schema(), mask, Some(fields))?;
        let counted = CountedGroups {
            chunks: chunks.clone(),
            metadata: Arc::clone(metadata.metadata()),
            numbers: groups.numbers,
            ledger: Arc::clone(ledger),
        };
        let rows = std::iter::once(groups.rows);
        let selection = RowSelection::from_consecutive_ranges(rows, groups.total_rows);
        let reader = ParquetRecordBatchReader::try_new_with_row_groups(
            &levels,
            &counted,
            self.batch_rows,
            Some(selection),
        )?;
        Ok(reader)
    }
}

/// The columns that are read, whole.
fn needed_roots(metadata: &ArrowReaderMetadata, survey: &Survey, config: &SourceConfig) -> ProjectionMask {
    let needed = needed_columns(survey, config);
    let roots = metadata.schema().fields().iter().enumerate();
    let roots = roots
        .filter(|(_, field)| needed.contains(&field.name().as_str()))
        .map(|(at, _)| at);
    ProjectionMask::roots(metadata.parquet_schema(), roots)
}

/// The columns whose text is checked row by row: those that nothing but a row's own fields is made of.
fn own_text<'a>(survey: &'a Survey, config: &SourceConfig) -> Vec<&'a str> {
    let Columns {
        url,
        text,
        further_text,
        key,
        digest,
        image: _,
        document: _,
    } = &survey.columns;
    let is_used_otherwise = |name: &&str| {
        survey.kept.iter().any(|field| field.name() == name)
            || config.filters.iter().any(|filter| filter.column == **name)
    };
    let names = [url, text, key, digest].into_iter().flatten();
    let names = names.chain(further_text).map(String::as_str);
    names.filter(|name| !is_used_otherwise(name)).collect()
}

fn needed_columns<'a>(survey: &'a Survey, config: &'a SourceConfig) -> Vec<&'a str> {
    let columns = &survey.columns;
    let roles = [
        &columns.url,
        &columns.image,
        &columns.text,
        &columns.key,
        &columns.digest,
    ];
    let of_documents = columns.document.iter();
    let of_documents = of_documents.flat_map(|columns| [&columns.images, &columns.texts]);
    let roles = roles
        .into_iter()
        .flatten()
        .chain(&columns.further_text)
        .chain(of_documents);
    let roles = roles.map(String::as_str);
    let kept = survey.kept.iter().map(|field| field.name().as_str());
    roles
        .chain(kept)
        .chain(config.filters.iter().map(|filter| filter.column.as_str()))
        .collect()
}

/// The row groups that an extent touches, and its rows within them.
struct Touched {
    numbers: Vec<usize>,
    total_rows: usize,
    rows: Range<usize>,
}

fn touched(groups: &[RowGroupMetaData], extent: &Extent) -> Touched {
    let first = usize::try_from(extent.first_row).unwrap_or(usize::MAX);
    let rows = extent
        .rows
        .and_then(|rows| usize::try_from(rows).ok())
        .unwrap_or(usize::MAX);
    let end = first.saturating_add(rows);
    let mut touched = Touched {
        numbers: Vec::new(),
        total_rows: 0,
        rows: 0..0,
    };
    let mut start = 0_usize;
    for (number, group) in groups.iter().enumerate() {
        let length = usize::try_from(group.num_rows()).unwrap_or(0);
        if start < end && first < start.saturating_add(length) {
            if touched.numbers.is_empty() {
                touched.rows.start = first - start;
            }
            touched.numbers.push(number);
            touched.total_rows += length;
            touched.rows.end = (touched.total_rows).min(touched.rows.start.saturating_add(rows));
        }
        start = start.saturating_add(length);
    }
    touched
}

/// Where a column chunk lies. The library asks for it by a panic if it is negative.
fn byte_range(group: &RowGroupMetaData, leaf: usize) -> Result<Range<u64>, ParquetError> {
    let broken = || ParquetError::General(format!("column {leaf} lies at no place"));
    let column = group.columns().get(leaf).ok_or_else(broken)?;
    let first = column
        .dictionary_page_offset()
        .unwrap_or_else(|| column.data_page_offset());
    let (first, length) = (u64::try_from(first), u64::try_from(column.compressed_size()));
    let (first, length) = first.ok().zip(length.ok()).ok_or_else(broken)?;
    Ok(first..first.saturating_add(length))
}

/// How large a column is when it is decoded: its pages, or its values if a dictionary in them stands for more and the
/// writer says so.
fn decoded_bytes(column: &ColumnChunkMetaData) -> u64 {
    let values = column.unencoded_byte_array_data_bytes().unwrap_or(0);
    u64::try_from(column.uncompressed_size().max(values)).unwrap_or(0)
}

/// How many rows of average size fit into `bytes`.
fn rows_within(bytes: u64, groups: &[&RowGroupMetaData], leaves: &[usize]) -> usize {
    let size = |group: &&RowGroupMetaData| -> u64 {
        leaves.iter().map(|leaf| decoded_bytes(group.column(*leaf))).sum()
    };
    let total: u64 = groups.iter().map(size).sum();
    let rows: u64 = groups
        .iter()
        .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
        .sum();
    usize::try_from(bytes.saturating_mul(rows).checked_div(total).unwrap_or(rows)).unwrap_or(usize::MAX)
}
