//! Threads that each own what must not be shared: a model, a device.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::future::try_join_all;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::Meter;
use crate::threads::next;

/// Runs every one of `works` on a thread of its own; whichever is free takes the next record of `input`, and sends its
/// result on. One thread keeps the records' order, several do not.
///
/// Resolves when the input is closed, the next hop is gone or `cancel` fires (after the records in work), or with the
/// first error: then the others end with the record they have. A panic on a thread is an error too: the closure's value
/// is gone with it, so nothing goes on.
///
/// # Errors
/// The first error of any of `works`, or [`WorkerError::Died`] if a thread could not start or panicked.
pub async fn work_on_threads<In, Out, Fault, Work>(
    name: &str,
    works: Vec<Work>,
    input: Receiver<In>,
    output: Sender<Out>,
    meter: Arc<Meter>,
    cancel: CancellationToken,
) -> Result<(), WorkerError<Fault>>
where
    In: Send + 'static,
    Out: Send + 'static,
    Fault: Send + 'static,
    Work: FnMut(In) -> Result<Out, Fault> + Send + 'static,
{
    let input = Arc::new(Mutex::new(input));
    let mut ends = Vec::with_capacity(works.len());
    for (number, work) in works.into_iter().enumerate() {
        let (input, output) = (input.clone(), output.clone());
        let (meter, cancel) = (meter.clone(), cancel.clone());
        let (report, ended) = oneshot::channel();
        let run = move || {
            let result = work_through(&input, &output, &meter, &cancel, work);
            // The receiver is gone only when the whole run is being dropped: then nobody is left to be told.
            let _ = report.send(result);
        };
        let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
        thread.spawn(run).map_err(|_| WorkerError::Died)?;
        ends.push(async move { ended.await.unwrap_or(Err(WorkerError::Died)) });
    }
    drop((input, output));
    try_join_all(ends).await.map(drop)
}

/// One thread's part of the records.
fn work_through<In, Out, Fault>(
    input: &Mutex<Receiver<In>>,
    output: &Sender<Out>,
    meter: &Meter,
    cancel: &CancellationToken,
    mut work: impl FnMut(In) -> Result<Out, Fault>,
) -> Result<(), WorkerError<Fault>> {
    while let Some(record) = next(input, meter) {
        if cancel.is_cancelled() {
            break;
        }
        let started = Instant::now();
        let made = work(record);
        meter.busy_since(started);
        let finished = Instant::now();
        if output.blocking_send(made.map_err(WorkerError::Failed)?).is_err() {
            break;
        }
        meter.blocked_since(finished);
    }
    Ok(())
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
        let cancel = CancellationToken::new();
        let ended = work_on_threads("test", vec![work], input, output, Arc::default(), cancel).await;
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

    /// Each of two threads is given what it owns, and both take part: neither gives its first record back before the
    /// other has one.
    #[tokio::test]
    async fn several_threads_share_the_records() {
        let (send, input) = mpsc::channel(8);
        for number in 0..6_u32 {
            send.send(number).await.unwrap();
        }
        drop(send);
        let both = Arc::new(std::sync::Barrier::new(2));
        let works: Vec<_> = ["a", "b"]
            .into_iter()
            .map(|own| {
                let (both, mut is_first) = (both.clone(), true);
                move |number| {
                    if std::mem::take(&mut is_first) {
                        both.wait();
                    }
                    Ok::<_, String>((number, own))
                }
            })
            .collect();
        let (output, mut received) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        work_on_threads("test", works, input, output, Arc::default(), cancel)
            .await
            .unwrap();
        let mut all = Vec::new();
        while let Some(made) = received.recv().await {
            all.push(made);
        }
        all.sort_unstable();
        let numbers: Vec<u32> = all.iter().map(|made| made.0).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        assert!(["a", "b"].iter().all(|own| all.iter().any(|made| made.1 == *own)));
    }
}
