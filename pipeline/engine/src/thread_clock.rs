//! How long a thread has been at work, as another thread can tell.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The kernel counts time in hundredths of a second wherever it shows it to programs (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What of a thread's time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The time for which it had a core: a machine that stands still, or is overloaded, adds nothing. Where the system
    /// does not tell that (no Linux, no `/proc`), all time.
    CpuTime,
    /// All time.
    WallTime,
}

/// The clock of one thread.
#[derive(Debug, Clone)]
pub(crate) enum ThreadClock {
    /// The file in which Linux tells the thread's CPU time.
    Cpu(PathBuf),
    Wall(Instant),
}

impl ThreadClock {
    /// That of the thread that asks.
    pub(crate) fn of_this_thread(measure: Measure) -> Self {
        let wall = Self::Wall(Instant::now());
        if measure == Measure::WallTime {
            return wall;
        }
        // It leads to PROCESS/task/THREAD.
        let cpu = std::fs::read_link("/proc/thread-self")
            .map(|link| Self::Cpu(PathBuf::from("/proc").join(link).join("stat")));
        cpu.ok().filter(|cpu| cpu.read().is_some()).unwrap_or(wall)
    }

    /// The time so far; none if it cannot be told, as the thread has ended.
    pub(crate) fn read(&self) -> Option<Duration> {
        match self {
            Self::Wall(start) => Some(start.elapsed()),
            Self::Cpu(file) => cpu_time(&std::fs::read_to_string(file).ok()?),
        }
    }
}

/// User and system time: the 14th and 15th field. The second is the thread's name in parentheses, and may hold anything.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * ticks()?.checked_add(ticks()?)?)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn user_and_system_time_are_read_whatever_the_threads_name() {
        let stat = "7 (a) b (c)) R 1 7 7 0 -1 64 1 0 0 0 123 77 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu_time("7 (a) R 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_waits_uses_no_cpu_time_while_another_works() {
        let (send_clock, clocks) = channel();
        let (end, ended) = channel::<()>();
        let waiting = std::thread::spawn(move || {
            send_clock
                .send(ThreadClock::of_this_thread(Measure::CpuTime))
                .unwrap();
            ended.recv().unwrap();
        });
        let of_waiting = clocks.recv().unwrap();
        let of_this = ThreadClock::of_this_thread(Measure::CpuTime);
        assert!(matches!(
            (&of_waiting, &of_this),
            (ThreadClock::Cpu(_), ThreadClock::Cpu(_))
        ));
        let before = of_waiting.read().unwrap();
        let start = of_this.read().unwrap();
        while of_this.read().unwrap() < start + Duration::from_millis(100) {}
        assert!(of_waiting.read().unwrap() < before + Duration::from_millis(50));
        end.send(()).unwrap();
        waiting.join().unwrap();
        assert_eq!(of_waiting.read(), None, "the thread has ended");
    }
}
