//! A hop: takes records from one bounded queue, works on a bounded number of them at once, passes them on.

use std::future::Future;
use std::time::Instant;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::Meter;

/// What became of a record in a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing<T> {
    /// It goes on to the next hop.
    Onward(T),
    /// It ended here: its failure has been reported where it belongs.
    Ended,
}

/// Runs `work` on the records of `input`, at most `limit` at once, and sends what goes on to `output` as it gets done
/// (not in order).
///
/// Returns when the input is closed and all work is done, when the next hop is gone, or when `cancel` fires; work still
/// in flight is then dropped. A hop whose output is full goes on with the work it has in flight, but takes up no more.
pub async fn each_concurrently<In, Out, Work, Fut>(
    mut input: Receiver<In>,
    output: Sender<Out>,
    limit: usize,
    meter: &Meter,
    cancel: &CancellationToken,
    work: Work,
) where
    Work: Fn(In) -> Fut,
    Fut: Future<Output = Crossing<Out>>,
{
    let flow = async {
        let mut in_flight = FuturesUnordered::new();
        let mut input_open = true;
        while input_open || !in_flight.is_empty() {
            let waiting_since = in_flight.is_empty().then(Instant::now);
            let has_room = output.capacity() > 0;
            tokio::select! {
                // Work first: a record that was done at once is in the output before there is asked for room again.
                biased;
                Some(next_hop_stands) = in_flight.next() => match next_hop_stands {
                    true => {}
                    false => return,
                },
                record = input.recv(), if has_room && input_open && in_flight.len() < limit => match record {
                    Some(record) => {
                        meter.take(1);
                        if let Some(since) = waiting_since {
                            meter.starved_since(since);
                        }
                        in_flight.push(cross(work(record), &output, meter));
                    }
                    None => input_open = false,
                },
                // Comes when there is room again.
                room = output.reserve(), if !has_room => if room.is_err() {
                    return;
                },
            }
        }
    };
    tokio::select! {
        () = flow => {}
        () = cancel.cancelled() => {}
    }
}

/// One record's way through; false if the next hop is gone.
async fn cross<Out>(work: impl Future<Output = Crossing<Out>>, output: &Sender<Out>, meter: &Meter) -> bool {
    let started = Instant::now();
    let crossing = work.await;
    meter.busy_since(started);
    let Crossing::Onward(record) = crossing else {
        meter.fail(1);
        return true;
    };
    let finished = Instant::now();
    let sent = output.send(record).await.is_ok();
    meter.blocked_since(finished);
    meter.finish(u64::from(sent));
    sent
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    #[tokio::test]
    async fn every_record_goes_on_or_ends_once() {
        let (send, input) = mpsc::channel(4);
        let (output, mut received) = mpsc::channel(4);
        let meter = Meter::default();
        let cancel = CancellationToken::new();
        let feed = async move {
            for number in 0..1000_u32 {
                send.send(number).await.unwrap();
            }
        };
        let hop = each_concurrently(input, output, 7, &meter, &cancel, async |number| {
            tokio::task::yield_now().await;
            if number % 10 == 0 {
                Crossing::Ended
            } else {
                Crossing::Onward(number)
            }
        });
        let drain = async {
            let mut all = Vec::new();
            while let Some(number) = received.recv().await {
                all.push(number);
            }
            all
        };
        let ((), (), mut all) = tokio::join!(feed, hop, drain);
        all.sort_unstable();
        assert_eq!(
            all,
            (0..1000).filter(|number| number % 10 != 0).collect::<Vec<_>>()
        );
        let reading = meter.read();
        assert_eq!((reading.taken, reading.done, reading.failed), (1000, 900, 100));
    }

    #[tokio::test]
    async fn no_more_than_the_limit_is_in_flight_and_a_full_queue_stops_the_hop() {
        let (send, input) = mpsc::channel(100);
        for number in 0..100 {
            send.send(number).await.unwrap();
        }
        let (output, mut received) = mpsc::channel(1);
        let (meter, cancel) = (Meter::default(), CancellationToken::new());
        let (running, most, gate) = (AtomicUsize::new(0), AtomicUsize::new(0), Semaphore::new(0));
        let hop = each_concurrently(input, output, 5, &meter, &cancel, async |number: i32| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            gate.acquire().await.unwrap().forget();
            running.fetch_sub(1, Ordering::SeqCst);
            Crossing::Onward(number)
        });
        let check = async {
            gate.add_permits(100);
            let mut count = 0;
            drop(send);
            while received.recv().await.is_some() {
                count += 1;
                assert!(
                    meter.read().taken <= count + 5 + 1,
                    "one in the queue and five in flight at most"
                );
            }
            count
        };
        let ((), count) = tokio::join!(hop, check);
        assert_eq!(count, 100);
        assert!(most.load(Ordering::SeqCst) <= 5);
    }

    #[tokio::test]
    async fn a_full_output_stops_the_hop_below_its_limit_and_room_starts_it_again() {
        let (send, input) = mpsc::channel(100);
        for number in 0..100 {
            send.send(number).await.unwrap();
        }
        let (output, mut received) = mpsc::channel(2);
        let (meter, cancel) = (Meter::default(), CancellationToken::new());
        let hop = each_concurrently(input, output, 50, &meter, &cancel, async |number| {
            if number == 0 {
                std::future::pending::<()>().await;
            }
            Crossing::Onward(number)
        });
        let check = async {
            for count in 1..100 {
                received.recv().await.unwrap();
                assert!(
                    meter.read().taken <= count + 2 + 2,
                    "two in the queue, one that never ends and one more at most"
                );
            }
            cancel.cancel();
        };
        tokio::join!(hop, check);
    }

    #[tokio::test]
    async fn cancellation_ends_a_hop_whose_work_never_would() {
        let (send, input) = mpsc::channel(1);
        send.send(()).await.unwrap();
        let (output, _received) = mpsc::channel::<()>(1);
        let (meter, cancel) = (Meter::default(), CancellationToken::new());
        let hop = each_concurrently(input, output, 1, &meter, &cancel, |()| std::future::pending());
        tokio::join!(hop, async { cancel.cancel() });
    }

    #[tokio::test]
    async fn a_hop_ends_when_the_next_one_is_gone() {
        let (send, input) = mpsc::channel(1);
        send.send(1).await.unwrap();
        let (output, received) = mpsc::channel(1);
        drop(received);
        each_concurrently(
            input,
            output,
            1,
            &Meter::default(),
            &CancellationToken::new(),
            async |number| Crossing::Onward(number),
        )
        .await;
    }
}
