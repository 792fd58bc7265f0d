//! Batches by count or deadline.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// When a batch is full.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// It holds this many records.
    pub records: usize,
    /// Or this long has passed since its first record came.
    pub delay: Duration,
}

/// Gathers the records of `input` to batches in their order: a batch goes on when it is full, when its first record has
/// waited for the delay, or when the input ends. A batch is never empty.
///
/// With a queue of one batch behind it, the worker that takes the batches is always one batch ahead. While it is busy a
/// batch whose delay has passed goes on filling up, so that a slow worker gets full batches.
pub async fn gather_batches<T>(
    mut input: Receiver<T>,
    output: Sender<Vec<T>>,
    limits: BatchLimits,
    cancel: &CancellationToken,
) {
    let flow = async {
        while let Some(first) = input.recv().await {
            let due = Instant::now() + limits.delay;
            let mut batch = vec![first];
            let Some(place) = fill(&mut batch, &mut input, &output, limits.records, due).await else {
                return;
            };
            place.send(batch);
        }
    };
    tokio::select! {
        () = flow => {}
        () = cancel.cancelled() => {}
    }
}

/// Fills `batch` until it is full, or is due and has a place to go, or the input ends. None if the worker is gone.
async fn fill<'a, T>(
    batch: &mut Vec<T>,
    input: &mut Receiver<T>,
    output: &'a Sender<Vec<T>>,
    records: usize,
    due: Instant,
) -> Option<tokio::sync::mpsc::Permit<'a, Vec<T>>> {
    {
        // In a scope of its own: a reservation that is no longer polled would still stand first in the queue for the
        // place that the one below asks for.
        let mut place = pin!(async {
            sleep_until(due).await;
            output.reserve().await
        });
        while batch.len() < records {
            tokio::select! {
                biased;
                record = input.recv() => match record {
                    Some(record) => batch.push(record),
                    None => break,
                },
                place = &mut place => return place.ok(),
            }
        }
    }
    output.reserve().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn limits(records: usize) -> BatchLimits {
        BatchLimits {
            records,
            delay: Duration::from_millis(50),
        }
    }

    async fn batches_of(input: Vec<u32>, records: usize) -> Vec<Vec<u32>> {
        let (send, receive) = mpsc::channel(input.len().max(1));
        for record in input {
            send.send(record).await.unwrap();
        }
        drop(send);
        let (output, mut received) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let drain = async {
            let mut all = Vec::new();
            while let Some(batch) = received.recv().await {
                all.push(batch);
            }
            all
        };
        tokio::join!(gather_batches(receive, output, limits(records), &cancel), drain).1
    }

    #[tokio::test]
    async fn batches_keep_order_lose_nothing_and_fill_up() {
        for total in [0, 1, 6, 7, 8, 50] {
            let batches = batches_of((0..total).collect(), 7).await;
            assert_eq!(batches.concat(), (0..total).collect::<Vec<_>>());
            assert!(batches.iter().rev().skip(1).all(|batch| batch.len() == 7));
            assert!(batches.iter().all(|batch| !batch.is_empty()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lonely_record_goes_on_after_the_delay() {
        let (send, receive) = mpsc::channel(1);
        let (output, mut received) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let check = async {
            let start = Instant::now();
            send.send(1).await.unwrap();
            assert_eq!(received.recv().await, Some(vec![1]));
            assert_eq!(start.elapsed().as_millis(), 50);
            drop(send);
        };
        tokio::join!(gather_batches(receive, output, limits(7), &cancel), check);
    }

    #[tokio::test(start_paused = true)]
    async fn a_due_batch_fills_up_while_the_worker_is_busy() {
        let (send, receive) = mpsc::channel(1);
        let (output, mut received) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let check = async {
            for record in 0..2 {
                send.send(record).await.unwrap();
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            send.send(2).await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
            drop(send);
            assert_eq!(
                received.recv().await,
                Some(vec![0]),
                "this one found a place in the queue"
            );
            assert_eq!(
                received.recv().await,
                Some(vec![1, 2]),
                "and this one had to wait"
            );
        };
        tokio::join!(gather_batches(receive, output, limits(7), &cancel), check);
    }
}
