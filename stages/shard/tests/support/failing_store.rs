//! A store in memory that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use img2tokens_shard::Destination;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// The same output, through a store that fails at its `at`-th call and through a healthy one.
pub fn failing(at: u64, when: Lost) -> (Destination, Destination, Arc<Fault>) {
    let inner = Arc::new(InMemory::new());
    let (healthy, prefix) = (inner.clone(), Path::from("out"));
    let fault = Arc::new(Fault {
        calls: AtomicU64::new(0),
        at,
        when,
    });
    let failing = Destination::Store {
        store: Arc::new(Failing {
            inner,
            fault: fault.clone(),
        }),
        prefix: prefix.clone(),
    };
    let healthy = Destination::Store {
        store: healthy,
        prefix,
    };
    (failing, healthy, fault)
}

#[derive(Debug)]
struct Failing {
    inner: Arc<InMemory>,
    fault: Arc<Fault>,
}

#[derive(Debug)]
struct FailingUpload {
    upload: Box<dyn MultipartUpload>,
    fault: Arc<Fault>,
}

/// Fails the `at`-th call, before the store has seen it or after: a request lost, or an answer. Or all from then on:
/// the process died.
#[derive(Debug)]
pub struct Fault {
    calls: AtomicU64,
    at: u64,
    when: Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    Request,
    Answer,
    Process,
}

impl std::fmt::Display for Failing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a failing store")
    }
}

impl Fault {
    fn away() -> Error {
        Error::Generic {
            store: "failing",
            source: "the store went away".into(),
        }
    }

    fn is_now(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        call == self.at || (call > self.at && self.when == Lost::Process)
    }

    /// Whether so many calls came that one failed.
    pub fn was_met(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.at
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fails = self.is_now();
        if fails && self.when != Lost::Answer {
            return Err(Self::away());
        }
        let answer = call.await;
        if fails { Err(Self::away()) } else { answer }
    }
}

#[async_trait]
impl MultipartUpload for FailingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, fault) = (self.upload.put_part(data), self.fault.clone());
        async move { fault.call(part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.fault.call(self.upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.fault.call(self.upload.abort()).await
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.fault
            .call(self.inner.put_opts(location, payload, options))
            .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self
            .fault
            .call(self.inner.put_multipart_opts(location, options))
            .await?;
        Ok(Box::new(FailingUpload {
            upload,
            fault: self.fault.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.fault.call(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.fault.is_now() {
            return futures::stream::once(async { Err(Fault::away()) }).boxed();
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.fault.call(self.inner.copy_opts(from, to, options)).await
    }
}
