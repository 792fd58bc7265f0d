//! One file, from the hub to its blob in the cache.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufWriter};

use crate::check::check;
use crate::client::{HubClient, RequestError};
use crate::error::HubError;
use crate::facts::Facts;
use crate::layout::Layout;
use crate::{Event, Repository};

/// Bytes written at once.
const BUFFER: usize = 1 << 20;
/// So many tries in a row may bring nothing.
const MAX_IDLE: u32 = 4;
/// The wait after the first of them; it doubles.
const BACKOFF: Duration = Duration::from_millis(200);

/// A file that the cache lacks.
pub(crate) struct Download<'a> {
    pub(crate) client: &'a HubClient,
    pub(crate) repository: &'a Repository,
    pub(crate) layout: &'a Layout,
    pub(crate) commit: &'a str,
    pub(crate) file: &'static str,
    pub(crate) facts: &'a Facts,
}

/// What ends a try.
enum Break {
    Network(RequestError),
    Disk(std::io::Error),
}

impl Download<'_> {
    /// Leaves the checked file under its blob's name; says whether it was there already.
    pub(crate) async fn run(&self, watch: &mut dyn FnMut(Event<'_>)) -> Result<bool, HubError> {
        let blob = self.layout.blob(&self.facts.etag);
        let partial = self.layout.partial(&self.facts.etag);
        let lock = self.layout.lock(&self.facts.etag);
        for path in [&blob, &lock] {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|error| HubError::write(parent, error))?;
            }
        }
        let _held = hold(&lock).await?;
        // Another revision's, or what another process has just fetched.
        if blob.exists() && self.check(&blob).await.is_ok() {
            return Ok(true);
        }
        self.receive_checked(&partial, watch).await?;
        std::fs::rename(&partial, &blob).map_err(|error| HubError::write(&blob, error))?;
        Ok(false)
    }

    /// What was resumed and is wrong may be the fault of what it was resumed from: then once more from the beginning.
    async fn receive_checked(
        &self,
        partial: &Path,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), HubError> {
        let mut is_second = false;
        loop {
            let is_resumed = self.receive(partial, watch).await?;
            let Err(error) = self.check(partial).await else {
                return Ok(());
            };
            std::fs::remove_file(partial).map_err(|error| HubError::write(partial, error))?;
            if is_second || !is_resumed {
                return Err(error);
            }
            is_second = true;
        }
    }

    /// Fills the file, and says whether its bytes are of more than one try.
    async fn receive(&self, partial: &Path, watch: &mut dyn FnMut(Event<'_>)) -> Result<bool, HubError> {
        let size = self.facts.size;
        let mut start = length(partial);
        let mut is_resumed = start > 0;
        watch(Event::Started {
            file: self.file,
            size,
            kept: start,
        });
        let mut idle = 0;
        while start < size {
            let end = self.append(partial, start, watch).await;
            let received = length(partial);
            match end {
                Ok(()) => break,
                Err(Break::Disk(source)) => return Err(HubError::write(partial, source)),
                Err(Break::Network(source)) if !source.is_transient() => {
                    return Err(HubError::Client(Box::new(source)));
                }
                Err(Break::Network(source)) if idle == MAX_IDLE => {
                    return Err(HubError::Broken {
                        file: self.file.to_owned(),
                        received,
                        size,
                        source: Box::new(source),
                    });
                }
                Err(Break::Network(_)) if received > start => idle = 0,
                Err(Break::Network(_)) => {
                    tokio::time::sleep(BACKOFF * 2_u32.pow(idle)).await;
                    idle += 1;
                }
            }
            is_resumed |= received > 0;
            start = received;
        }
        Ok(is_resumed)
    }

    /// One try: the bytes from `start` on, as far as they come. A server that ignores the range sends others, or more;
    /// the check finds them.
    async fn append(
        &self,
        partial: &Path,
        start: u64,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Break> {
        let size = self.facts.size;
        let steps = self.repository.file(self.commit, self.file);
        let asked = self.client.download(steps, start, size).await;
        let mut response = asked.map_err(Break::Network)?;
        let file = tokio::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(partial)
            .await
            .map_err(Break::Disk)?;
        let mut file = BufWriter::with_capacity(BUFFER, file);
        let mut received = start;
        let end = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    file.write_all(&bytes).await.map_err(Break::Disk)?;
                    received += bytes.len() as u64;
                    watch(Event::Received { bytes: received });
                    if received > size {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(Break::Network(error.into())),
            }
        };
        // What came before a break is kept.
        file.flush().await.map_err(Break::Disk)?;
        end
    }

    async fn check(&self, path: &Path) -> Result<(), HubError> {
        let (file, facts, path) = (self.file, self.facts.clone(), path.to_owned());
        blocking(path.clone(), move || check(file, &path, &facts)).await
    }
}

/// The length of a file, 0 if there is none.
fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Waits for the lock and holds it until dropped.
async fn hold(path: &Path) -> Result<File, HubError> {
    let path = path.to_owned();
    blocking(path.clone(), move || {
        let failed = |error| HubError::write(&path, error);
        let file = File::create(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    })
    .await
}

/// Work on the file `path` that would hold up the runtime.
async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T, HubError> + Send + 'static,
) -> Result<T, HubError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(HubError::write(&path, std::io::Error::other(error))),
    }
}
