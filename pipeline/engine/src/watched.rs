//! A hop of threads whose work may never return: a record costs a thread at most, and never the hop.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::try_join_all;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::threads::{cross, next};
use crate::watch::{Lanes, LeftBehind, Overdue, Watch, WatchLimits};
use crate::{Crossing, Meter};

/// Computation that is other people's code, and may never return.
pub trait WatchedWork: Send + Sync + 'static {
    /// The records it takes.
    type In: Send + 'static;
    /// What they become.
    type Out: Send + 'static;
    /// What ends a record.
    type Ticket: Send + 'static;

    /// Takes a record through; all that may never return goes through [`Watch::over`].
    ///
    /// # Errors
    /// [`LeftBehind`] as `watch` gave it.
    fn work(&self, record: Self::In, watch: &Watch<Self::Ticket>) -> Result<Crossing<Self::Out>, LeftBehind>;

    /// Ends the record whose work took too long. False: the hop cannot go on, as the thread that was left behind holds
    /// what others need.
    fn give_up(&self, ticket: Self::Ticket) -> bool;
}

/// Why a watched hop ended before its input did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchedError {
    /// A thread could not start, or panicked.
    #[error("a thread of the {0} hop died")]
    Died(String),
    /// Too many threads never returned.
    #[error(
        "{threads} threads of the {hop} hop did not return from their work, and no more can be left behind"
    )]
    NeverReturned {
        /// The hop.
        hop: String,
        /// How many.
        threads: usize,
    },
}

/// What all threads of a watched hop share.
struct Hop<Work: WatchedWork> {
    name: String,
    work: Work,
    input: Mutex<Receiver<Work::In>>,
    /// None when the hop has ended: a thread that was left behind must not keep the next hop's queue open.
    output: Mutex<Option<Sender<Work::Out>>>,
    meter: Arc<Meter>,
    cancel: CancellationToken,
}

/// As [`each_on_threads`](crate::each_on_threads), for work that may never return. A thread whose work takes longer than
/// `limits` allow is left behind: its record is given up, and another thread takes its place. Its late result is dropped;
/// it ends with its work, or with the process.
///
/// # Errors
/// If a thread cannot start or panics, or if more threads than `limits` allow were left behind.
pub async fn each_watched<Work: WatchedWork>(
    name: &str,
    (threads, limits): (usize, WatchLimits),
    input: Receiver<Work::In>,
    output: Sender<Work::Out>,
    meter: Arc<Meter>,
    cancel: CancellationToken,
    work: Work,
) -> Result<(), WatchedError> {
    let died = || WatchedError::Died(name.to_owned());
    let (reports, ends): (Vec<_>, Vec<_>) = (0..threads).map(|_| oneshot::channel()).unzip();
    let lanes = Lanes::new(limits, reports);
    let hop = Arc::new(Hop {
        name: name.to_owned(),
        work,
        input: Mutex::new(input),
        output: Mutex::new(Some(output)),
        meter,
        cancel,
    });
    let _end = Ending {
        hop: hop.clone(),
        lanes: lanes.clone(),
    };
    for lane in 0..threads {
        hop.start(lanes.first_watch(lane), None).map_err(|_| died())?;
    }
    let watched = hop.clone();
    let keep_watch = move || {
        // A thread that cannot start takes its lane along: the hop has died.
        lanes.keep_watch(|overdue| drop(watched.start_again(overdue)));
    };
    let watchdog = std::thread::Builder::new().name(format!("{name}-watch"));
    watchdog.spawn(keep_watch).map_err(|_| died())?;
    let told = ends
        .into_iter()
        .map(|end| async { end.await.unwrap_or_else(|_| Err(died())) });
    try_join_all(told).await.map(drop)
}

/// Ends the watch, and closes the next hop's queue, however the hop ends.
struct Ending<Work: WatchedWork> {
    hop: Arc<Hop<Work>>,
    lanes: Arc<Lanes<Work::Ticket>>,
}

impl<Work: WatchedWork> Drop for Ending<Work> {
    fn drop(&mut self) {
        self.lanes.end();
        self.hop
            .output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

impl<Work: WatchedWork> Hop<Work> {
    /// Starts a thread for a lane; first of all it gives up the record that the one before could not.
    fn start(
        self: &Arc<Self>,
        watch: Watch<Work::Ticket>,
        overdue: Option<(Work::Ticket, bool)>,
    ) -> std::io::Result<()> {
        let hop = self.clone();
        let run = move || {
            watch.occupy();
            let goes_on = overdue.is_none_or(|(ticket, is_one_too_many)| {
                hop.meter.fail(1);
                hop.work.give_up(ticket) && !is_one_too_many
            });
            let ended = if goes_on {
                hop.work_through(&watch)
            } else {
                Ok(Err(WatchedError::NeverReturned {
                    hop: hop.name.clone(),
                    threads: watch.left_behind(),
                }))
            };
            if let Ok(told) = ended
                && let Some(report) = watch.leave()
            {
                // The receiver is gone only when the whole run is being dropped: then nobody is left to be told.
                let _ = report.send(told);
            }
        };
        let thread = std::thread::Builder::new().name(self.name.clone());
        thread.spawn(run).map(drop)
    }

    fn start_again(self: &Arc<Self>, overdue: Overdue<Work::Ticket>) -> std::io::Result<()> {
        self.start(overdue.watch, Some((overdue.ticket, overdue.is_one_too_many)))
    }

    /// One thread's part of the records; an error if it was left behind.
    fn work_through(&self, watch: &Watch<Work::Ticket>) -> Result<Result<(), WatchedError>, LeftBehind> {
        while let Some(record) = next(&self.input, &self.meter) {
            self.meter.take(1);
            if self.cancel.is_cancelled() {
                break;
            }
            let output = || {
                let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
                output.clone()
            };
            if !cross(|| self.work.work(record, watch), output, &self.meter)? {
                break;
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests;
