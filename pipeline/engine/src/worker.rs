//! One thread that owns what must not be shared: a model, a device.

use std::time::Instant;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::Meter;

/// Runs `work` on every record of `input`, one after another on a thread of its own, and sends the results on.
///
/// Resolves when the input is closed, the next hop is gone or `cancel` fires (after the record in work), or with the
/// first error. A panic on the thread is an error too: the closure's value is gone with it, so nothing goes on.
///
/// # Errors
/// The first error of `work`, or [`WorkerError::Died`] if the thread could not start or panicked.
pub async fn work_on_thread<In, Out, Fault, Work>(
    name: &str,
    mut input: Receiver<In>,
    output: Sender<Out>,
    meter: std::sync::Arc<Meter>,
    cancel: CancellationToken,
    mut work: Work,
) -> Result<(), WorkerError<Fault>>
where
    In: Send + 'static,
    Out: Send + 'static,
    Fault: Send + 'static,
    Work: FnMut(In) -> Result<Out, Fault> + Send + 'static,
{
    let (report, ended) = oneshot::channel();
    let run = move || {
        let result = loop {
            let idle_since = Instant::now();
            let Some(record) = input.blocking_recv() else {
                break Ok(());
            };
            meter.starved_since(idle_since);
            if cancel.is_cancelled() {
                break Ok(());
            }
            let started = Instant::now();
            let made = work(record);
            meter.busy_since(started);
            let finished = Instant::now();
            match made.map(|made| output.blocking_send(made)) {
                Ok(Ok(())) => meter.blocked_since(finished),
                Ok(Err(_)) => break Ok(()),
                Err(fault) => break Err(WorkerError::Failed(fault)),
            }
        };
        // The receiver is gone only when the whole run is being dropped: then nobody is left to be told.
        let _ = report.send(result);
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    match thread {
        Ok(_) => ended.await.unwrap_or(Err(WorkerError::Died)),
        Err(_) => Err(WorkerError::Died),
    }
}

/// Why a worker thread ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError<Fault> {
    /// Its work failed.
    #[error("{0}")]
    Failed(Fault),
    /// The thread could not be started, or panicked.
    #[error("the worker thread died")]
    Died,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;

    use super::*;

    async fn run_worker(
        work: impl FnMut(u32) -> Result<u32, String> + Send + 'static,
    ) -> (Result<(), WorkerError<String>>, Vec<u32>) {
        let (send, input) = mpsc::channel(8);
        for number in 0..4 {
            send.send(number).await.unwrap();
        }
        drop(send);
        let (output, mut received) = mpsc::channel(8);
        let ended = work_on_thread(
            "test",
            input,
            output,
            Arc::default(),
            CancellationToken::new(),
            work,
        )
        .await;
        let mut all = Vec::new();
        while let Some(number) = received.recv().await {
            all.push(number);
        }
        (ended, all)
    }

    #[tokio::test]
    async fn records_keep_their_order() {
        let (ended, all) = run_worker(|number| Ok(number * 2)).await;
        assert!(ended.is_ok());
        assert_eq!(all, [0, 2, 4, 6]);
    }

    #[tokio::test]
    async fn an_error_ends_the_worker_and_is_reported() {
        let (ended, all) = run_worker(|number| {
            if number == 2 {
                Err("lost device".to_owned())
            } else {
                Ok(number)
            }
        })
        .await;
        assert!(matches!(ended, Err(WorkerError::Failed(fault)) if fault == "lost device"));
        assert_eq!(all, [0, 1]);
    }

    #[tokio::test]
    async fn a_panic_is_a_dead_worker_and_not_a_hang() {
        let (ended, _) = run_worker(|number| {
            if number == 1 {
                panic!("on purpose")
            } else {
                Ok(number)
            }
        })
        .await;
        assert!(matches!(ended, Err(WorkerError::Died)));
    }
}
