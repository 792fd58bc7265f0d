//! Standard error and standard output, as every command writes to them.
//!
//! Messages for people go to standard error, and one that cannot be written stops nothing: a log on a full disk is no
//! reason to lose a run. Results go to standard output: there a full disk is a failure, and a reader who has gone ends
//! the command quietly. (The standard library's macros panic in both cases; the lints of this crate deny them.)

use std::fmt::Display;
use std::io::{self, ErrorKind, Stderr, Stdout, Write};

use img2tokens_schemas::redact;
use tracing_subscriber::fmt::MakeWriter;

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written: {source}")]
pub struct OutputError {
    /// Why not.
    source: io::Error,
}

impl OutputError {
    /// Whether an error is that of a reader who has gone: `img2tokens inspect OUT | head`.
    #[must_use]
    pub fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = wrapped.and_then(|wrapped| wrapped.downcast_ref::<Self>());
        let found = found.or_else(|| error.downcast_ref::<Self>());
        found.is_some_and(|error| error.source.kind() == ErrorKind::BrokenPipe)
    }
}

/// Writes a line to standard error, whole if it can be written at all.
pub fn say(line: impl Display) {
    let _ = Messages.write_all(format!("{line}\n").as_bytes());
}

/// Writes a text to standard output, to its last byte.
///
/// # Errors
/// If it cannot be written.
pub fn print(text: impl Display) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    let written = write!(output, "{text}").and_then(|()| output.flush());
    written.map_err(|source| OutputError { source })
}

/// The same with the end of a line.
///
/// # Errors
/// If it cannot be written.
pub fn print_line(line: impl Display) -> Result<(), OutputError> {
    print(format_args!("{line}\n"))
}

/// Standard output, for what is written piece by piece: its errors are known for what they are. To be flushed at the end.
#[must_use]
pub fn output() -> Output {
    Output(io::stdout())
}

/// See [`output`].
#[derive(Debug)]
pub struct Output(Stdout);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(of_output)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(of_output)
    }
}

fn of_output(source: io::Error) -> io::Error {
    io::Error::new(source.kind(), OutputError { source })
}

/// Standard error, for what writes messages by itself, each by one call: every write succeeds, and the secrets of URLs are
/// struck out.
#[derive(Debug, Clone, Copy)]
pub struct Messages;

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let _ = Stderr::write_all(&mut io::stderr(), redact(&text).as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Messages {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_pipe_of_our_own_output_is_one() {
        let broken = || io::Error::from(ErrorKind::BrokenPipe);
        assert!(OutputError::is_closed_pipe(&of_output(broken())));
        assert!(OutputError::is_closed_pipe(&OutputError { source: broken() }));
        assert!(!OutputError::is_closed_pipe(&broken()), "that of a store, say");
        let full = io::Error::from(ErrorKind::StorageFull);
        assert!(!OutputError::is_closed_pipe(&of_output(full)));
    }
}
