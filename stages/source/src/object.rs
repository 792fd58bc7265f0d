//! One version of a file in a store, read from a thread that may block.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::unpack::unpack;
use crate::{Compression, Input, SourceError};

/// What one request to a store asks for when a file is streamed. It is taken in at once: a request that is left open while
/// its rows are worked on ends by a timeout, the client's or the server's.
const WINDOW_BYTES: u64 = 8 << 20;

/// A file of known size and etag. Its methods block: call them on a blocking thread of the runtime.
#[derive(Clone)]
pub(crate) struct Object {
    store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) name: Arc<str>,
    pub(crate) size: u64,
    etag: Option<String>,
    runtime: Handle,
    cancelled: CancellationToken,
}

impl Object {
    /// The file as it lies there now.
    pub(crate) async fn find(
        input: &Input,
        cancelled: CancellationToken,
    ) -> Result<(Self, ObjectMeta), SourceError> {
        let head = input.store.head(&input.path).await;
        let meta = head.map_err(|source| SourceError::Store {
            input: input.name.clone(),
            source,
        })?;
        Ok((Self::new(input, meta.size, meta.e_tag.clone(), cancelled), meta))
    }

    /// The version of `size` and `etag`; reading another one is an error. Call it within a runtime.
    pub(crate) fn new(input: &Input, size: u64, etag: Option<String>, cancelled: CancellationToken) -> Self {
        Self {
            store: Arc::clone(&input.store),
            path: input.path.clone(),
            name: input.name.as_str().into(),
            size,
            etag,
            runtime: Handle::current(),
            cancelled,
        }
    }

    /// The bytes of a range.
    pub(crate) fn range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let expected = range.end.saturating_sub(range.start);
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        self.open(range)?
            .read_to_end(&mut bytes)
            .map_err(|error| SourceError::from_io(&self.name, error))?;
        match bytes.len() as u64 == expected {
            true => Ok(bytes.into()),
            false => Err(SourceError::from_io(
                &self.name,
                io::ErrorKind::UnexpectedEof.into(),
            )),
        }
    }

    /// A stream of a range, decompressed.
    pub(crate) fn open_decompressed(
        &self,
        range: Range<u64>,
        compression: Option<Compression>,
    ) -> Result<Watched, SourceError> {
        let raw = self.open(range)?;
        let reader = unpack(raw, compression).map_err(|error| SourceError::from_io(&self.name, error))?;
        Ok(self.watch(reader))
    }

    /// A stream of a range as it is.
    fn open(&self, range: Range<u64>) -> Result<Watched, SourceError> {
        if range.is_empty() {
            return Ok(self.watch(Box::new(io::empty())));
        }
        let window = first_window(&range);
        let result = self.get(window.clone())?;
        let body: Box<dyn Read + Send> = match result.payload {
            GetResultPayload::File(mut file, _) => {
                let sought = file.seek(SeekFrom::Start(range.start));
                sought.map_err(|error| SourceError::from_io(&self.name, error))?;
                Box::new(file.take(range.end - range.start))
            }
            payload @ GetResultPayload::Stream(_) => Box::new(Windows {
                object: self.clone(),
                rest: window.end..range.end,
                window: self.take_in(GetResult { payload, ..result })?,
            }),
        };
        Ok(self.watch(body))
    }

    fn take_in(&self, result: GetResult) -> Result<Bytes, SourceError> {
        self.runtime
            .block_on(result.bytes())
            .map_err(|error| self.failed(error))
    }

    fn get(&self, range: Range<u64>) -> Result<GetResult, SourceError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let result = self
            .runtime
            .block_on(self.store.get_opts(&self.path, options))
            .map_err(|e| self.failed(e))?;
        let change = match &result.meta {
            meta if meta.size != self.size => format!("it has {} bytes, not {}", meta.size, self.size),
            meta if self.etag.is_some() && meta.e_tag != self.etag => "its etag differs".to_owned(),
            _ => return Ok(result),
        };
        Err(SourceError::Changed {
            input: self.name.to_string(),
            change,
        })
    }

    fn failed(&self, source: object_store::Error) -> SourceError {
        SourceError::Store {
            input: self.name.to_string(),
            source,
        }
    }

    fn watch(&self, reader: Box<dyn Read + Send>) -> Watched {
        Watched {
            reader,
            name: Arc::clone(&self.name),
            cancelled: self.cancelled.clone(),
        }
    }
}

/// A reader that ends with an error once nobody waits for it any more, however much it could still give.
pub(crate) struct Watched {
    reader: Box<dyn Read + Send>,
    name: Arc<str>,
    cancelled: CancellationToken,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancelled.is_cancelled() {
            let input = self.name.to_string();
            return Err(io::Error::other(SourceError::Interrupted { input, source: None }));
        }
        self.reader.read(buffer)
    }
}

fn first_window(range: &Range<u64>) -> Range<u64> {
    range.start..range.end.min(range.start.saturating_add(WINDOW_BYTES))
}

/// A range, a window at a time.
struct Windows {
    object: Object,
    rest: Range<u64>,
    window: Bytes,
}

impl Read for Windows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.window.is_empty() && !self.rest.is_empty() {
            let next = first_window(&self.rest);
            let result = self.object.get(next.clone()).map_err(io::Error::other)?;
            self.window = self.object.take_in(result).map_err(io::Error::other)?;
            self.rest.start = next.end;
        }
        let length = self.window.len().min(buffer.len());
        self.window.split_to(length).as_ref().read(buffer)
    }
}
