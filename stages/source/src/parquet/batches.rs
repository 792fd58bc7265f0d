//! The rows of one extent of a Parquet file.

use std::ops::Range;

use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelectionPolicy,
};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::cells::Cells;
use super::chunks::Chunks;
use super::raw_text::unmark;
use super::survey::footer;
use crate::draft::{Place, Placed};
use crate::object::Object;
use crate::{Columns, Extent, RowBatch, SourceConfig, SourceError, Survey, kept};

/// How many bytes of the table a batch may hold, by the average size of its rows.
const BATCH_BYTES: u64 = 8 << 20;

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
    let reader = open(&chunks, &metadata, survey, config, extent);
    let mut reader = reader.map_err(|source| {
        chunks
            .take_failure()
            .unwrap_or_else(|| SourceError::decode(&place.input, place.first_row, source))
    })?;
    let (survey, config) = (survey.clone(), config.clone());
    let mut first = 0;
    let mut failed = false;
    Ok(std::iter::from_fn(move || {
        let batch = if failed { return None } else { reader.next()? };
        let rows = batch.and_then(|batch| {
            let cells = Cells::new(&batch, &survey.columns, &config)?;
            let passing = (0..batch.num_rows()).filter(|row| cells.passes(*row));
            let placed = |row| Placed {
                index: first + row as u64,
                kept_row: row,
                draft: cells.draft(row),
            };
            Ok((
                passing.map(placed).collect(),
                kept::batch_of_table(&survey.kept, &batch)?,
            ))
        });
        let rows = match rows {
            Ok((drafts, kept)) => {
                let rows_read = kept.num_rows() as u64;
                first += rows_read;
                place.finish(drafts, kept, rows_read)
            }
            Err(source) => Err(chunks
                .take_failure()
                .unwrap_or_else(|| SourceError::decode(&place.input, place.first_row + first, source))),
        };
        failed = rows.is_err();
        Some(rows)
    }))
}

fn open(
    chunks: &Chunks,
    metadata: &ArrowReaderMetadata,
    survey: &Survey,
    config: &SourceConfig,
    extent: &Extent,
) -> Result<ParquetRecordBatchReader, ArrowError> {
    let metadata = unmark(metadata, &own_text(survey, config))?;
    let groups = touched(metadata.metadata().row_groups(), extent);
    let needed = needed_columns(survey, config);
    let roots = metadata.schema().fields().iter().enumerate();
    let roots = roots
        .filter(|(_, field)| needed.contains(&field.name().as_str()))
        .map(|(at, _)| at);
    let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);

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
        .collect();
    chunks.expect(ranges, leaves.len());

    let batch_rows = rows_within(BATCH_BYTES, &metas, &leaves).clamp(1, config.batch_rows.get());
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.clone(), metadata)
        .with_row_groups(groups.numbers)
        .with_row_selection(RowSelection::from_consecutive_ranges(
            std::iter::once(groups.rows),
            groups.total_rows,
        ))
        .with_row_selection_policy(RowSelectionPolicy::Selectors)
        .with_projection(mask)
        .with_batch_size(batch_rows);
    Ok(builder.build()?)
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

fn byte_range(group: &RowGroupMetaData, leaf: usize) -> Range<u64> {
    let (start, length) = group.column(leaf).byte_range();
    start..start.saturating_add(length)
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
