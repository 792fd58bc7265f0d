//! The program in a process of its own, under limits, and what it took.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use wait4::Wait4;

use crate::program::program;

/// Address space, in bytes, at which an allocation fails before the machine suffers: far above all that is asserted.
const ADDRESS_SPACE: u64 = 14 << 30;
/// Seconds of all cores after which the kernel ends the process.
const CPU_SECONDS: u64 = 200;
/// Seconds after which a process that neither ends nor works is ended: it hangs.
const HANGS_AFTER_S: u64 = 60;

/// The exit codes of a process that hung: it ended when it was asked to, or had to be killed.
const HUNG: [i32; 2] = [124, 137];

/// How a process ended, and what it took.
pub struct Ended {
    /// The exit code; of one that a signal ended, 128 and its number, as shells have it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
    /// Peak resident memory in bytes.
    pub peak_bytes: u64,
    /// Seconds of processor time, of all its threads.
    pub cpu_s: f64,
}

impl Ended {
    /// Asserts the exit code.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        self.expect_code_among(&[code])
    }

    /// Asserts that the exit code is one of these.
    #[track_caller]
    pub fn expect_code_among(&self, codes: &[i32]) -> &Self {
        assert!(!HUNG.contains(&self.code), "it hangs: {}", self.stderr);
        assert!(
            codes.contains(&self.code),
            "{} is none of {codes:?}: {}",
            self.code,
            self.stderr
        );
        self
    }

    /// Asserts that memory stayed within so many bytes.
    #[track_caller]
    pub fn expect_peak_below(&self, bytes: u64) -> &Self {
        let (peak, most) = (self.peak_bytes >> 20, bytes >> 20);
        assert!(
            self.peak_bytes <= bytes,
            "a peak of {peak} MiB, at most {most} are allowed"
        );
        self
    }

    /// Asserts that processor time stayed within so many seconds.
    #[track_caller]
    pub fn expect_cpu_below(&self, seconds: f64) -> &Self {
        let spent = self.cpu_s;
        assert!(
            spent <= seconds,
            "{spent} s of processor time, at most {seconds} are allowed"
        );
        self
    }

    /// Asserts that one line says what is wrong, with these words in it.
    #[track_caller]
    pub fn expect_words(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {:?}", self.stderr);
        }
        self
    }
}

/// Runs the program with these arguments within the usual limits.
pub fn run(arguments: &[&str]) -> Ended {
    run_within(&[], "", arguments)
}

/// The same within further limits (as `prlimit` takes them) and with a shell's redirections.
pub fn run_within(limits: &[&str], redirections: &str, arguments: &[&str]) -> Ended {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &HANGS_AFTER_S.to_string(), "prlimit"])
        .arg(format!("--as={ADDRESS_SPACE}"))
        .arg(format!("--cpu={CPU_SECONDS}"))
        .arg("--core=0")
        .args(limits)
        .args(["sh", "-c", &format!("exec \"$0\" \"$@\" {redirections}")])
        .arg(program().get_program())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(err.try_clone().unwrap());
    // The resources of a process are those of all that it waited for.
    let used = command.spawn().unwrap().wait4().unwrap();
    let signal = used.status.signal().map(|signal| 128 + signal);
    Ended {
        code: used.status.code().or(signal).unwrap(),
        stdout: text_of(&mut out),
        stderr: text_of(&mut err),
        peak_bytes: used.rusage.maxrss,
        cpu_s: (used.rusage.utime + used.rusage.stime).as_secs_f64(),
    }
}

/// All that was written to a file, by whomever.
fn text_of(file: &mut File) -> String {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
