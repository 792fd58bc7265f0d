//! A store that fails at any call: what counts as committed is whole, and the next attempt completes the unit.
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod support;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use img2tokens_schemas::FailureReason;
use img2tokens_shard::verify::{KeyLedger, verify_unit};
use img2tokens_shard::{Compression, Destination, ShardConfig, UnitId, committed, sweep};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use support::{Pair, config, mixed_pairs, write};

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

/// Fails the `at`-th call, before the store has seen it or after: a request lost, or an answer.
#[derive(Debug)]
struct Fault {
    calls: AtomicU64,
    at: u64,
    when: Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    Request,
    Answer,
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
        self.calls.fetch_add(1, Ordering::SeqCst) == self.at
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fails = self.is_now();
        if fails && self.when == Lost::Request {
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

const UNIT: UnitId = UnitId(0);

fn prefix() -> Path {
    Path::from("out")
}

/// One attempt meets the fault, then another, which saw another world, meets a healthy store.
async fn one_fault(at: u64, when: Lost, config: &ShardConfig, worlds: [&[Pair]; 2]) -> ControlFlow<()> {
    let inner = Arc::new(InMemory::new());
    let fault = Arc::new(Fault {
        calls: AtomicU64::new(0),
        at,
        when,
    });
    let store = Arc::new(Failing {
        inner: inner.clone(),
        fault: fault.clone(),
    });
    let failing = Destination::Store {
        store,
        prefix: prefix(),
    };
    let healthy = Destination::Store {
        store: inner,
        prefix: prefix(),
    };

    let first = write(&failing, UNIT, config, worlds[0]).await;
    let reached = fault.calls.load(Ordering::SeqCst) > at;
    if let Err(error) = &first {
        assert!(error.is_transient(), "{at} {when:?}: {error:?}");
    }
    if !committed(&healthy).await.unwrap().is_empty() {
        assert_whole(&healthy).await;
    }
    let second = write(&healthy, UNIT, config, worlds[1]).await.unwrap();
    if let Ok(first) = first {
        assert_eq!(second, first, "{at} {when:?}: a committed unit changed");
    }
    assert_whole(&healthy).await;
    sweep(&healthy, Duration::from_secs(86_400)).await.unwrap();
    assert_eq!(
        healthy.names(".tmp").await.unwrap(),
        Vec::<String>::new(),
        "{at} {when:?}"
    );
    if reached {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

async fn assert_whole(destination: &Destination) {
    let keys = Arc::new(KeyLedger::new().unwrap());
    let report = verify_unit(destination, UNIT, None, &keys).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

async fn every_fault(config: &ShardConfig, worlds: [&[Pair]; 2]) {
    for when in [Lost::Request, Lost::Answer] {
        let mut at = 0;
        while one_fault(at, when, config, worlds).await.is_continue() {
            at += 1;
        }
        assert!(at >= 9, "only {at} calls were met by a fault");
    }
}

#[tokio::test]
async fn whichever_call_fails_the_unit_is_whole_or_not_committed() {
    every_fault(&config(), [&mixed_pairs(40), &mixed_pairs(30)]).await;
}

#[tokio::test]
async fn whichever_call_fails_of_an_upload_in_parts_the_unit_is_whole_or_not_committed() {
    // Longer than one part of 8 MiB.
    let detail = "no such host ".repeat(400_000);
    let fails = |rows: usize| vec![Pair::Fails(FailureReason::Dns, None, detail.clone()); rows];
    let config = ShardConfig {
        compression: Compression::None,
        ..config()
    };
    every_fault(&config, [&fails(2), &fails(3)]).await;
}
