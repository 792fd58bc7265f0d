//! Windows onto a file in a store, for a reader that goes forward through several column chunks at once.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::SourceError;
use crate::object::Object;

/// What the first request at a place asks for: a page header and, often, its page.
const FIRST_WINDOW_BYTES: u64 = 128 << 10;
/// What a request asks for at most unless a page is larger: windows double as reading goes on.
const LARGEST_WINDOW_BYTES: u64 = 1 << 20;
/// The largest page: a length beyond is a broken header's.
const LARGEST_READ_BYTES: usize = 512 << 20;
/// The largest footer: what it is decoded to takes several times as much.
const LARGEST_FOOTER_BYTES: u64 = 64 << 20;
/// What a file ends with: the length of its footer, and this.
const END: &[u8] = b"PAR1";
const END_BYTES: u64 = 8;
/// What is read ahead of the footer's own request; most footers fit.
const FOOTER_WINDOW_BYTES: u64 = 64 << 10;

/// A file as Parquet's readers want it. Holds two windows a column in use: of its pages, and of its
/// dictionary or of the place that reading jumped to.
#[derive(Clone)]
pub(crate) struct Chunks {
    object: Object,
    windows: Arc<Mutex<Windows>>,
}

#[derive(Default)]
struct Windows {
    /// The column chunks that will be read: no window reaches over the end of one.
    chunks: Vec<Range<u64>>,
    /// The least recently used first.
    open: Vec<Window>,
    /// How many windows may be open.
    most: usize,
    /// The error that stopped the reader: Parquet's own errors do not keep their cause.
    failure: Option<SourceError>,
}

#[derive(Clone)]
struct Window {
    start: u64,
    bytes: Bytes,
    /// How much was asked for: the next one doubles it.
    asked: u64,
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The bytes from `start` on, if the window has any.
    fn from(&self, start: u64) -> Option<Bytes> {
        let skipped = usize::try_from(start.checked_sub(self.start)?).ok()?;
        (skipped < self.bytes.len()).then(|| self.bytes.slice(skipped..))
    }
}

impl Chunks {
    /// The file, with its end read ahead.
    pub(crate) fn open(object: &Object) -> std::result::Result<Self, SourceError> {
        let start = object.size.saturating_sub(FOOTER_WINDOW_BYTES);
        let footer = Window {
            start,
            bytes: object.range(start..object.size)?,
            asked: FOOTER_WINDOW_BYTES,
        };
        let windows = Windows {
            open: vec![footer],
            most: 1,
            ..Windows::default()
        };
        Ok(Self {
            object: object.clone(),
            windows: Arc::new(Mutex::new(windows)),
        })
    }

    /// Says which column chunks will be read, of how many columns.
    pub(crate) fn expect(&self, chunks: Vec<Range<u64>>, columns: usize) {
        let mut windows = self.lock();
        windows.chunks = chunks;
        windows.most = 2 * columns.max(1);
    }

    /// The bytes of the footer.
    pub(crate) fn footer(&self) -> Result<Bytes> {
        let broken = |problem: &str| ParquetError::General(problem.to_owned());
        let end = self.object.size.checked_sub(END_BYTES);
        let end = end.ok_or_else(|| ParquetError::EOF("it is too short".to_owned()))?;
        let tail = self.bytes_from(end, END_BYTES)?;
        let (length, magic) = tail.split_at_checked(4).ok_or_else(|| broken("it ends early"))?;
        let length = length.try_into().map(u32::from_le_bytes);
        let length = u64::from(length.map_err(|_| broken("it ends early"))?);
        if !magic.starts_with(END) {
            return Err(broken("it does not end like Parquet, or is encrypted"));
        }
        if length > LARGEST_FOOTER_BYTES {
            return Err(broken("its footer has more than 64 MiB"));
        }
        let start = end.checked_sub(length);
        let start = start.ok_or_else(|| broken("its footer is longer than the file"))?;
        self.get_bytes(start, usize::try_from(length)?)
    }

    /// The error that stopped the reader, if one did.
    pub(crate) fn take_failure(&self) -> Option<SourceError> {
        self.lock().failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At least `length` bytes from `start` on, unless the file ends before.
    fn bytes_from(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let end = start.saturating_add(length).min(self.object.size);
        let mut windows = self.lock();
        let found = windows
            .open
            .iter()
            .position(|window| window.from(start).is_some() || window.end() == start);
        // Only windows onto column chunks grow; the footer's is as large as it gets.
        let before = found.map(|at| windows.open.remove(at));
        let window = match before {
            Some(window) if window.end() >= end && window.end() > start => window,
            before => {
                let ahead = before
                    .as_ref()
                    .map_or(FIRST_WINDOW_BYTES, |w| (w.asked * 2).min(LARGEST_WINDOW_BYTES));
                let held = before.and_then(|window| window.from(start)).unwrap_or_default();
                self.fetch(&mut windows, start, &held, end, ahead)?
            }
        };
        let bytes = window.from(start).unwrap_or_default();
        windows.open.push(window);
        if windows.open.len() > windows.most {
            windows.open.remove(0);
        }
        Ok(bytes)
    }

    /// A window from `start` on whose first bytes are `held` already and that reaches `end`, or further by `ahead`
    /// within its chunk.
    fn fetch(
        &self,
        windows: &mut Windows,
        start: u64,
        held: &Bytes,
        end: u64,
        ahead: u64,
    ) -> io::Result<Window> {
        let from = start + held.len() as u64;
        let chunk = windows.chunks.iter().find(|chunk| chunk.contains(&start));
        let reach = chunk.map_or(end, |chunk| (from + ahead).min(chunk.end)).max(end);
        let fetched = self.object.range(from..reach).map_err(|error| {
            let message = error.to_string();
            windows.failure.get_or_insert(error);
            io::Error::other(message)
        })?;
        let bytes = match held.is_empty() {
            true => fetched,
            false => {
                let mut joined = BytesMut::with_capacity(held.len() + fetched.len());
                joined.extend_from_slice(held);
                joined.extend_from_slice(&fetched);
                joined.freeze()
            }
        };
        Ok(Window {
            start,
            bytes,
            asked: ahead,
        })
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.object.size
    }
}

impl ChunkReader for Chunks {
    type T = ChunkRead;

    fn get_read(&self, start: u64) -> Result<ChunkRead> {
        Ok(ChunkRead {
            chunks: self.clone(),
            position: start,
            window: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if length > LARGEST_READ_BYTES {
            return Err(ParquetError::General(format!(
                "{length} bytes at {start} are no page or footer"
            )));
        }
        let bytes = self.bytes_from(start, length as u64)?;
        match bytes.len() >= length {
            true => Ok(bytes.slice(..length)),
            false => Err(ParquetError::EOF(format!(
                "{length} bytes at {start} reach over the end of the file"
            ))),
        }
    }
}

/// A page header's reader: forward from a place.
pub(crate) struct ChunkRead {
    chunks: Chunks,
    position: u64,
    window: Bytes,
}

impl ChunkRead {
    /// What comes next, at least `length` bytes unless the file ends before.
    pub(crate) fn ahead(&self, length: u64) -> io::Result<Bytes> {
        self.chunks.bytes_from(self.position, length)
    }
}

impl Read for ChunkRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.window.is_empty() {
            self.window = self.chunks.bytes_from(self.position, 1)?;
        }
        let length = self.window.len().min(buffer.len());
        let taken = self.window.split_to(length).as_ref().read(buffer)?;
        self.position += taken as u64;
        Ok(taken)
    }
}
