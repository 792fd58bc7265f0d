//! A hop whose work is computation: threads of its own that never leave it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::future::try_join_all;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{Crossing, Meter};

/// A thread of a hop could not start, or panicked.
#[derive(Debug, thiserror::Error)]
#[error("a thread of the {0} hop died")]
pub struct ThreadDied(String);

/// Runs `work` on the records of `input`, on as many threads as `threads`, and sends what goes on to `output` as it gets
/// done (not in order). As long as there is work no thread sleeps or changes hands with another.
///
/// Resolves when the input is closed and all work is done, or when the next hop is gone or `cancel` fires, after the
/// records in work.
///
/// # Errors
/// If a thread cannot start, or `work` panics: its record is lost.
pub async fn each_on_threads<In, Out, Work>(
    name: &str,
    threads: usize,
    input: Receiver<In>,
    output: Sender<Out>,
    meter: Arc<Meter>,
    cancel: CancellationToken,
    work: Work,
) -> Result<(), ThreadDied>
where
    In: Send + 'static,
    Out: Send + 'static,
    Work: Fn(In) -> Crossing<Out> + Clone + Send + 'static,
{
    let input = Arc::new(Mutex::new(input));
    let mut ends = Vec::with_capacity(threads);
    for number in 0..threads {
        let (input, output) = (input.clone(), output.clone());
        let (meter, cancel, work) = (meter.clone(), cancel.clone(), work.clone());
        let (report, ended) = oneshot::channel();
        let run = move || {
            while let Some(record) = next(&input, &meter) {
                meter.take(1);
                if cancel.is_cancelled() {
                    break;
                }
                match cross(
                    || Ok::<_, Infallible>(work(record)),
                    || Some(output.clone()),
                    &meter,
                ) {
                    Ok(true) => {}
                    Ok(false) => break,
                }
            }
            // The receiver is gone only when the whole run is being dropped: then nobody is left to be told.
            let _ = report.send(());
        };
        let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
        thread.spawn(run).map_err(|_| ThreadDied(name.to_owned()))?;
        ends.push(ended);
    }
    drop((input, output));
    let all = try_join_all(ends).await;
    all.map(drop).map_err(|_| ThreadDied(name.to_owned()))
}

/// The next record, for whichever thread is first.
pub(crate) fn next<In>(input: &Mutex<Receiver<In>>, meter: &Meter) -> Option<In> {
    let idle_since = Instant::now();
    let record = input
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .blocking_recv()?;
    meter.starved_since(idle_since);
    Some(record)
}

/// One record's way through to the `output` that stands when the work is done; false if the next hop is gone.
pub(crate) fn cross<Out, Fault>(
    work: impl FnOnce() -> Result<Crossing<Out>, Fault>,
    output: impl FnOnce() -> Option<Sender<Out>>,
    meter: &Meter,
) -> Result<bool, Fault> {
    let started = Instant::now();
    let crossing = work()?;
    meter.busy_since(started);
    let Crossing::Onward(record) = crossing else {
        meter.fail(1);
        return Ok(true);
    };
    let finished = Instant::now();
    let sent = output().is_some_and(|output| output.blocking_send(record).is_ok());
    meter.blocked_since(finished);
    meter.finish(u64::from(sent));
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn every_record_goes_on_or_ends_once_whatever_the_number_of_threads() {
        for threads in [1, 3] {
            let (send, input) = channel(4);
            let (output, mut received) = channel(4);
            let meter = Arc::new(Meter::default());
            let work = |number: u32| match number % 10 {
                0 => Crossing::Ended,
                _ => Crossing::Onward(number),
            };
            let hop = each_on_threads(
                "test",
                threads,
                input,
                output,
                meter.clone(),
                CancellationToken::new(),
                work,
            );
            let feed = async move {
                for number in 0..1000 {
                    send.send(number).await.unwrap();
                }
            };
            let drain = async {
                let mut all = Vec::new();
                while let Some(number) = received.recv().await {
                    all.push(number);
                }
                all
            };
            let (ended, (), mut all) = tokio::join!(hop, feed, drain);
            ended.unwrap();
            all.sort_unstable();
            let expected: Vec<_> = (0..1000).filter(|number| number % 10 != 0).collect();
            assert_eq!(all, expected);
            let reading = meter.read();
            assert_eq!((reading.taken, reading.done, reading.failed), (1000, 900, 100));
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_dead_hop_and_not_a_hang() {
        let (send, input) = channel(4);
        let (output, _received) = channel::<()>(4);
        send.send(()).await.unwrap();
        let work = |()| panic!("on purpose");
        // The queue stays open: the other thread has not ended, and is not waited for.
        let ended = each_on_threads(
            "test",
            2,
            input,
            output,
            Arc::default(),
            CancellationToken::new(),
            work,
        )
        .await;
        assert_eq!(ended.unwrap_err().to_string(), "a thread of the test hop died");
        drop(send);
    }

    #[tokio::test]
    async fn the_hop_ends_when_the_next_one_is_gone() {
        let (send, input) = channel(4);
        let (output, received) = channel(4);
        drop(received);
        send.send(1).await.unwrap();
        drop(send);
        let cancel = CancellationToken::new();
        each_on_threads("test", 2, input, output, Arc::default(), cancel, Crossing::Onward)
            .await
            .unwrap();
    }
}
