//! Watching threads at work, so that none can keep a record for ever.
//!
//! A lane is a place at which one thread after the other works; the thread that has it now is its occupant. While the
//! occupant works, its record's ticket lies in the lane. The watchdog takes the ticket of work that takes too long, and
//! with it the lane: whatever the thread that is left behind still does, nobody hears of it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::WatchedError;
use crate::thread_clock::{Measure, ThreadClock};

/// How a lane's end is told.
pub(crate) type Report = oneshot::Sender<Result<(), WatchedError>>;

/// The first look at a thread's time comes after a tenth of the limit: ordinary work is over by then, and costs none.
const FIRST_LOOK: u32 = 10;

/// When work takes too long.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// The most time of one piece of work. It is counted from the first look at it, at most a tenth of this later.
    pub work: Duration,
    /// What time counts.
    pub measure: Measure,
    /// The most threads that may be left behind.
    pub left_behind: usize,
}

/// The thread was left behind: its record has ended, and so must the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work took too long, and its record has ended")]
pub struct LeftBehind;

/// What a thread at work holds: its right to a lane.
#[derive(Debug)]
pub struct Watch<Ticket> {
    lanes: Arc<Lanes<Ticket>>,
    lane: usize,
    generation: u64,
}

/// All lanes of a hop.
#[derive(Debug)]
pub(crate) struct Lanes<Ticket> {
    limits: WatchLimits,
    state: Mutex<State<Ticket>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<Ticket> {
    lanes: Vec<Lane<Ticket>>,
    /// The watchdog sleeps without a time: whoever begins work wakes it.
    watchdog_is_idle: bool,
    is_over: bool,
    left_behind: usize,
}

#[derive(Debug)]
struct Lane<Ticket> {
    /// How many occupants there have been before this one.
    generation: u64,
    clock: Option<ThreadClock>,
    work: Option<Work<Ticket>>,
    /// How the lane's end is told. It is dropped untold if the occupant panics.
    report: Option<Report>,
}

#[derive(Debug)]
struct Work<Ticket> {
    ticket: Ticket,
    next_look: Instant,
    /// The thread's time at the first look.
    first_look: Option<Duration>,
}

/// A ticket whose work takes too long, and the lane for the next occupant.
pub(crate) struct Overdue<Ticket> {
    pub(crate) ticket: Ticket,
    pub(crate) watch: Watch<Ticket>,
    /// Whether more threads are left behind by now than may be.
    pub(crate) is_one_too_many: bool,
}

impl<Ticket> Lanes<Ticket> {
    pub(crate) fn new(limits: WatchLimits, reports: Vec<Report>) -> Arc<Self> {
        let lane = |report| Lane {
            generation: 0,
            clock: None,
            work: None,
            report: Some(report),
        };
        Arc::new(Self {
            limits,
            state: Mutex::new(State {
                lanes: reports.into_iter().map(lane).collect(),
                watchdog_is_idle: false,
                is_over: false,
                left_behind: 0,
            }),
            changed: Condvar::new(),
        })
    }

    /// The right to a lane that has had no occupant yet.
    pub(crate) fn first_watch(self: &Arc<Self>, lane: usize) -> Watch<Ticket> {
        self.watch(lane, 0)
    }

    fn watch(self: &Arc<Self>, lane: usize, generation: u64) -> Watch<Ticket> {
        Watch {
            lanes: self.clone(),
            lane,
            generation,
        }
    }

    /// The watchdog: sleeps until the next look is due, and hands over what is overdue. Returns when the watch is over.
    pub(crate) fn keep_watch(self: &Arc<Self>, mut overdue: impl FnMut(Overdue<Ticket>)) {
        let mut state = self.lock();
        while !state.is_over {
            let now = Instant::now();
            if let Some(found) = self.look(&mut state, now) {
                drop(state);
                overdue(found);
                state = self.lock();
                continue;
            }
            let works = state.lanes.iter().filter_map(|lane| lane.work.as_ref());
            state = match works.map(|work| work.next_look).min() {
                Some(next) => {
                    let wait = next.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(state, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    state.watchdog_is_idle = true;
                    self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Ends the watch.
    pub(crate) fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Looks at all work that is due for it; the first that is overdue loses its ticket and its lane.
    fn look(self: &Arc<Self>, state: &mut State<Ticket>, now: Instant) -> Option<Overdue<Ticket>> {
        let limit = self.limits.work;
        for (number, lane) in state.lanes.iter_mut().enumerate() {
            let Some(work) = lane.work.as_mut().filter(|work| work.next_look <= now) else {
                continue;
            };
            let left = match (lane.clock.as_ref().and_then(ThreadClock::read), work.first_look) {
                // It cannot be told: nobody is left behind for that.
                (None, _) => limit,
                (Some(time), None) => {
                    work.first_look = Some(time);
                    limit
                }
                (Some(time), Some(first)) => limit.saturating_sub(time.saturating_sub(first)),
            };
            work.next_look = now + left;
            if left.is_zero() {
                let ticket = lane.work.take()?.ticket;
                lane.generation += 1;
                let watch = self.watch(number, lane.generation);
                state.left_behind += 1;
                return Some(Overdue {
                    ticket,
                    watch,
                    is_one_too_many: state.left_behind > self.limits.left_behind,
                });
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, State<Ticket>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Ticket> Watch<Ticket> {
    /// Does `work` while `ticket` lies where the watchdog can take it. Both come back; one thread at a time does one.
    ///
    /// # Errors
    /// If the work took too long: its record has ended, and what it made is dropped.
    pub fn over<T>(&self, ticket: Ticket, work: impl FnOnce() -> T) -> Result<(Ticket, T), LeftBehind> {
        let next_look = Instant::now() + self.lanes.limits.work / FIRST_LOOK;
        let begun = self.with_lane(|lane| {
            lane.work = Some(Work {
                ticket,
                next_look,
                first_look: None,
            });
        });
        begun.ok_or(LeftBehind)?;
        let made = work();
        let finished = self.with_lane(|lane| lane.work.take()).flatten();
        finished.map(|work| (work.ticket, made)).ok_or(LeftBehind)
    }

    /// Makes the thread that asks the lane's occupant.
    pub(crate) fn occupy(&self) {
        let clock = ThreadClock::of_this_thread(self.lanes.limits.measure);
        self.with_lane(|lane| lane.clock = Some(clock));
    }

    /// How many threads have been left behind.
    pub(crate) fn left_behind(&self) -> usize {
        self.lanes.lock().left_behind
    }

    /// Gives the lane up, and what its end is told by; none if this thread was left behind.
    pub(crate) fn leave(self) -> Option<Report> {
        self.with_lane(|lane| lane.report.take()).flatten()
    }

    /// Does something with the lane, if it still is this thread's.
    fn with_lane<T>(&self, act: impl FnOnce(&mut Lane<Ticket>) -> T) -> Option<T> {
        let mut state = self.lanes.lock();
        let State {
            lanes,
            watchdog_is_idle,
            ..
        } = &mut *state;
        let lane = lanes.get_mut(self.lane)?;
        if lane.generation != self.generation {
            return None;
        }
        let result = act(lane);
        if lane.work.is_some() && std::mem::take(watchdog_is_idle) {
            self.lanes.changed.notify_one();
        }
        Some(result)
    }
}

impl<Ticket> Drop for Watch<Ticket> {
    /// After a panic: what lies in the lane goes with the thread.
    fn drop(&mut self) {
        drop(self.with_lane(|lane| (lane.work.take(), lane.report.take())));
    }
}
