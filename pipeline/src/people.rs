//! The last gates before text reaches a person: standard output of the commands that print for people, the log in text
//! form, and what clap says of a command line. Whatever came from outside and was not wrapped in
//! [`shown`](img2tokens_schemas::shown()) on its way is escaped here; our own line breaks and colours stay.

use std::borrow::Cow;
use std::fmt::Debug;
use std::io::{self, IsTerminal, Write};

use clap::Parser;
use img2tokens_schemas::shown::{message, screen, shown};
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::cli::Cli;
use crate::console::{self, Output};
use crate::exit::{Exit, Failed};

/// Standard output, for text that people read.
#[must_use]
pub fn stdout() -> Screened<Output> {
    Screened(console::output())
}

/// A writer of text for people: hidden characters, and bytes that are no UTF-8, are escaped or replaced; line breaks
/// stay.
#[derive(Debug)]
pub struct Screened<W>(pub W);

impl<W: Write> Write for Screened<W> {
    /// A character whose bytes come in several calls is replaced; what is formatted never does.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(screen(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn write_fmt(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.0.write_all(screen(&text.to_string()).as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The fields of a line of the log, each on one line and of bounded length: `message name=value ..`.
pub(crate) fn log_fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        let value = message(&format!("{value:?}"));
        match field.name() {
            "message" => writer.write_str(&value),
            name => write!(writer, "{name}={value}"),
        }
    })
    .delimited(" ")
}

/// Prints what clap has to say of this process's command line, help or a complaint, and tells how the program ends.
///
/// # Errors
/// If help cannot be printed. A complaint that cannot be is passed over: the exit code says it as well.
pub fn command_line(error: clap::Error) -> Result<Exit, Failed> {
    // Clap repeats arguments as they are, their lines and colours among its own: the same is said of escaped ones.
    let arguments = std::env::args_os().map(|argument| shown(argument.to_string_lossy()).to_string());
    let error = Cli::try_parse_from(arguments).err().unwrap_or(error);
    let styled = error.render();
    let shown = |is_terminal: bool| match screen(&styled.to_string()) {
        Cow::Borrowed(_) if is_terminal => styled.ansi().to_string(),
        screened => screened.into_owned(),
    };
    if error.use_stderr() {
        console::say(shown(io::stderr().is_terminal()).trim_end());
        return Ok(Exit::Usage);
    }
    console::print(shown(io::stdout().is_terminal())).map_err(Failed::run)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use img2tokens_schemas::shown::is_hidden;

    use super::*;

    const HOSTILE: &str = "a\x1b[31mb\u{9b}c\u{202e}d\r\ne\u{2028}";
    const ESCAPED: &str = "a\\u{1b}[31mb\\u{9b}c\\u{202e}d\\u{d}\ne\\u{2028}";

    #[test]
    fn a_screened_writer_escapes_whatever_way_text_comes_to_it() {
        let mut written = Screened(Vec::new());
        write!(written, "{HOSTILE}").unwrap();
        written.write_all(HOSTILE.as_bytes()).unwrap();
        written.write_all(b"\xff").unwrap();
        assert_eq!(
            String::from_utf8(written.0).unwrap(),
            format!("{ESCAPED}{ESCAPED}\u{fffd}")
        );
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_line_escapes_message_and_fields_and_keeps_its_colours() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(true)
            .without_time()
            .with_target(false)
            .fmt_fields(log_fields())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(name = HOSTILE, error = %HOSTILE, long = %"x".repeat(1 << 20), "said {HOSTILE}");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let said = ESCAPED.replace('\n', " ");
        assert!(text.contains(&format!("said {said} name=")), "{text:?}");
        assert!(text.contains(&format!(" error={said} long=xxx")), "{text:?}");
        assert!(text.len() < 10_000 && text.lines().count() == 1, "{}", text.len());
        let colour = "\x1b[33m WARN\x1b[0m ";
        assert!(text.starts_with(colour), "{text:?}");
        assert!(
            !text.trim_start_matches(colour).trim_end().contains(is_hidden),
            "{text:?}"
        );
    }
}
