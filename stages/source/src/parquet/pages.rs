//! Pages, counted before they are unpacked: what one batch is decoded from has a bound, whatever a file states of itself.
//!
//! A page's own header says how large it gets, and unpacking it proves that. The statistics of a column say nothing that
//! could be relied on.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use super::chunks::{ChunkRead, Chunks};
use super::{delta, thrift};

/// What the pages of all columns that one batch is decoded from may take, unpacked. A page of 1,024 embedded pictures, as
/// Arrow writes it, is the largest that is met with.
pub(super) const MAX_PAGES_BYTES: u64 = 512 << 20;
/// What a value of a list takes beside its bytes: a view, two levels, an offset; of a dictionary: a view.
const VALUE_BYTES: u64 = 24;
/// The longest page header.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// The pages held: of each column the dictionary and the page at hand, and those that the batch has passed.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    columns: Vec<Column>,
    passed: u64,
    is_over: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Column {
    dictionary: u64,
    page: u64,
}

impl Ledger {
    /// A batch was given out: nothing holds the pages that it went past any more.
    pub(super) fn begin_batch(&self) {
        self.lock().passed = 0;
    }

    /// Whether a page was refused since the last time, for want of room.
    pub(super) fn take_over(&self) -> bool {
        std::mem::take(&mut self.lock().is_over)
    }

    /// Refuses a page of so many bytes that does not fit beside those held.
    fn check(&self, bytes: u64) -> Result<()> {
        let mut held = self.lock();
        let columns: u64 = held
            .columns
            .iter()
            .map(|column| column.dictionary + column.page)
            .sum();
        let total = columns.saturating_add(held.passed).saturating_add(bytes);
        if total <= MAX_PAGES_BYTES {
            return Ok(());
        }
        held.is_over = true;
        Err(ParquetError::General(format!(
            "its pages take {total} bytes at one time, at most {MAX_PAGES_BYTES} are allowed"
        )))
    }

    /// Notes a page that was unpacked.
    fn hold(&self, column: usize, bytes: u64, is_dictionary: bool) {
        let mut held = self.lock();
        if held.columns.len() <= column {
            held.columns.resize(column + 1, Column::default());
        }
        let Some(of_column) = held.columns.get_mut(column) else {
            return;
        };
        let place = match is_dictionary {
            true => &mut of_column.dictionary,
            false => &mut of_column.page,
        };
        let passed = std::mem::replace(place, bytes);
        held.passed += passed;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The row groups that are read, their pages counted.
pub(super) struct CountedGroups {
    pub(super) chunks: Chunks,
    pub(super) metadata: Arc<ParquetMetaData>,
    /// Which of the file's.
    pub(super) numbers: Vec<usize>,
    pub(super) ledger: Arc<Ledger>,
}

impl CountedGroups {
    fn groups(&self) -> impl Iterator<Item = &RowGroupMetaData> {
        let groups = self.metadata.row_groups();
        self.numbers.iter().filter_map(|number| groups.get(*number))
    }
}

impl RowGroups for CountedGroups {
    fn num_rows(&self) -> usize {
        self.groups()
            .map(|group| usize::try_from(group.num_rows()).unwrap_or(0))
            .sum()
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let readers: Vec<_> = self.groups().map(|group| self.pages(group, column)).collect();
        Ok(Box::new(ColumnChunks(readers.into_iter())))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.groups())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

impl CountedGroups {
    fn pages(&self, group: &RowGroupMetaData, column: usize) -> Result<Box<dyn PageReader>> {
        let meta = group.columns().get(column);
        let meta = meta.ok_or_else(|| ParquetError::General(format!("it has no column {column}")))?;
        let stated = Arc::new(AtomicU64::new(0));
        let headers = Headers {
            chunks: self.chunks.clone(),
            stated: Arc::clone(&stated),
        };
        let rows = usize::try_from(group.num_rows())?;
        Ok(Box::new(CountedPages {
            pages: SerializedPageReader::new(Arc::new(headers), meta, rows, None)?,
            stated,
            deferred: 0,
            ledger: Arc::clone(&self.ledger),
            column,
            description: meta.column_descr_ptr(),
        }))
    }
}

struct ColumnChunks(std::vec::IntoIter<Result<Box<dyn PageReader>>>);

impl Iterator for ColumnChunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl PageIterator for ColumnChunks {}

/// A file of which each page header that is read is understood first.
struct Headers {
    chunks: Chunks,
    /// How large the page of the last header gets.
    stated: Arc<AtomicU64>,
}

impl Length for Headers {
    fn len(&self) -> u64 {
        self.chunks.len()
    }
}

impl ChunkReader for Headers {
    type T = HeaderRead;

    fn get_read(&self, start: u64) -> Result<HeaderRead> {
        Ok(HeaderRead {
            header: self.chunks.get_read(start)?,
            start,
            stated: Some(Arc::clone(&self.stated)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.chunks.get_bytes(start, length)
    }
}

/// A page header, understood when it is first read: the library also opens places of which it reads nothing.
struct HeaderRead {
    header: ChunkRead,
    start: u64,
    /// Where its page's size goes; none once it is there.
    stated: Option<Arc<AtomicU64>>,
}

impl HeaderRead {
    fn stated_bytes(&self) -> io::Result<u64> {
        let mut length = 1;
        loop {
            let bytes = self.header.ahead(length)?;
            match thrift::stated_page_bytes(&bytes) {
                Some(stated) => return u64::try_from(stated).map_err(io::Error::other),
                None if (bytes.len() as u64) < length || length >= MAX_HEADER_BYTES => {
                    return Err(io::Error::other(format!("at {} is no page header", self.start)));
                }
                None => length = (bytes.len() as u64 * 8).min(MAX_HEADER_BYTES),
            }
        }
    }
}

impl Read for HeaderRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(stated) = self.stated.take() {
            stated.store(self.stated_bytes()?, Ordering::Relaxed);
        }
        self.header.read(buffer)
    }
}

/// The pages of one column chunk.
struct CountedPages {
    pages: SerializedPageReader<Headers>,
    stated: Arc<AtomicU64>,
    /// How large the dictionary gets that was passed over.
    deferred: u64,
    ledger: Arc<Ledger>,
    column: usize,
    description: ColumnDescPtr,
}

impl CountedPages {
    fn stated(&self) -> u64 {
        self.stated.load(Ordering::Relaxed)
    }

    /// Checks what an unpacked page asks for beside its bytes, and notes it.
    fn counted(&self, page: Page) -> Result<Page> {
        let bytes = page.buffer().len() as u64;
        let values = u64::from(page.num_values());
        let is_dictionary = page.is_dictionary_page();
        let beside = match is_dictionary {
            // No value of any type that has a dictionary takes less than a byte.
            true if values > bytes => {
                return Err(ParquetError::General(format!(
                    "a dictionary of {bytes} bytes cannot hold {values} values"
                )));
            }
            true => values * VALUE_BYTES,
            false => {
                let of_lists = u64::from(self.description.max_rep_level() > 0) * values * VALUE_BYTES;
                of_lists.saturating_add(self.joined(&page)?)
            }
        };
        self.ledger.check(bytes.saturating_add(beside))?;
        self.ledger.hold(self.column, bytes + beside, is_dictionary);
        Ok(page)
    }

    /// What the values of a page get longer when their shared beginnings are joined to them.
    fn joined(&self, page: &Page) -> Result<u64> {
        let most = u64::from(page.num_values());
        let broken = || ParquetError::General("the lengths of delta-encoded values are broken".to_owned());
        let values = || {
            let values = self.levels_end(page).and_then(|end| page.buffer().get(end..));
            values.ok_or_else(broken)
        };
        match page.encoding() {
            Encoding::DELTA_BYTE_ARRAY => match values()? {
                // All are null.
                [] => Ok(0),
                values => Ok(delta::numbers(values, most).ok_or_else(broken)?.sum),
            },
            Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BINARY_PACKED => match values()? {
                [] => Ok(0),
                values => delta::stated_count(values)
                    .filter(|count| *count <= most)
                    .map(|_| 0)
                    .ok_or_else(broken),
            },
            _ => Ok(0),
        }
    }

    /// Where a data page's values begin, behind its levels.
    fn levels_end(&self, page: &Page) -> Option<usize> {
        match page {
            Page::DataPageV2 {
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => usize::try_from(rep_levels_byte_len.checked_add(*def_levels_byte_len)?).ok(),
            Page::DataPage {
                buf,
                num_values,
                def_level_encoding,
                rep_level_encoding,
                ..
            } => {
                let mut at = 0_usize;
                let levels = [
                    (self.description.max_rep_level(), *rep_level_encoding),
                    (self.description.max_def_level(), *def_level_encoding),
                ];
                for (max, encoding) in levels.into_iter().filter(|(max, _)| *max > 0) {
                    at = at.checked_add(match encoding {
                        Encoding::RLE => {
                            let length = buf.get(at..at.checked_add(4)?)?.try_into().ok()?;
                            usize::try_from(u32::from_le_bytes(length)).ok()?.checked_add(4)?
                        }
                        _ => {
                            let bits = u64::from(max.unsigned_abs().ilog2() + 1) * u64::from(*num_values);
                            usize::try_from(bits.div_ceil(8)).ok()?
                        }
                    })?;
                }
                Some(at)
            }
            Page::DictionaryPage { .. } => Some(0),
        }
    }
}

impl Iterator for CountedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CountedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        // The header alone, so that it is known what the page asks for.
        if self.pages.peek_next_page()?.is_none() {
            return Ok(None);
        }
        self.ledger.check(self.stated())?;
        let page = self.pages.get_next_page()?;
        page.map(|page| self.counted(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        let next = self.pages.peek_next_page()?;
        if next.is_some_and(|next| next.is_dict) {
            self.deferred = self.stated();
        }
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        self.ledger.check(self.deferred)?;
        let page = self.pages.take_deferred_dictionary()?;
        self.deferred = 0;
        page.map(|page| self.counted(page)).transpose()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}
