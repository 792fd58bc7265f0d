//! What decoding a file may cost, whatever stands in it: the bars of the project's issue on images.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What takes longer hangs: real files take milliseconds.
const MOST_TIME: Duration = Duration::from_secs(5);
const MOST_BYTES: u64 = 1 << 30;

/// Memory is the process's: one file at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What `work` makes of a file, on a thread of its own.
///
/// # Panics
/// If it takes more time or memory than allowed, or dies.
pub fn within_bounds<T: Send + 'static>(file: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    within(MOST_BYTES, file, work)
}

fn within<T: Send + 'static>(bytes: u64, file: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = reset_peak();
    let (made, wait) = channel();
    let worker = std::thread::spawn(move || drop(made.send(work())));
    let outcome = match wait.recv_timeout(MOST_TIME) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => panic!("{file} takes more than {MOST_TIME:?}"),
        Err(RecvTimeoutError::Disconnected) => panic!("{file} makes the stage panic"),
    };
    worker.join().expect("it has sent what it made");
    let grown = status_bytes("VmHWM:").saturating_sub(before);
    assert!(grown <= bytes, "{file} takes {grown} bytes");
    outcome
}

/// Forgets the peak of resident memory; returns what is resident now.
fn reset_peak() -> u64 {
    // proc_pid_clear_refs(5): 5 sets the peak to the present.
    std::fs::write("/proc/self/clear_refs", "5").expect("the kernel lets a process reset its own peak");
    status_bytes("VmRSS:")
}

fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib * 1024
}

#[test]
fn what_takes_too_much_memory_or_dies_is_found() {
    let fails = |work: fn() -> u64| {
        let outcome = std::panic::catch_unwind(|| within(32 << 20, "a file", work));
        outcome.is_err()
    };
    assert!(!fails(|| 1));
    assert!(fails(|| panic!("dead")));
    assert!(fails(|| {
        // Touched, or it would not be resident.
        let large = vec![1_u8; 64 << 20];
        large.iter().map(|byte| u64::from(*byte)).sum()
    }));
}
