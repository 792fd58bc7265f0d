//! Messages go to standard error; results to standard output.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;
use crate::console::Messages;

/// Warnings; but the hub's client also logs what it returns as an error, and a store's that it waits for the store.
const LEVELS: &str = "warn,object_store::client::retry=info";

/// Starts logging at the level `RUST_LOG` asks for, by default warnings.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LEVELS));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Messages)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // One line a panic: a decoder's is caught and becomes its picture's failure, and needs no backtrace.
    std::panic::set_hook(Box::new(|panic| {
        tracing::warn!("{}", panic.to_string().replace('\n', " "));
    }));
    match format {
        LogFormat::Text => builder.fmt_fields(crate::people::log_fields()).init(),
        LogFormat::Json => builder.json().init(),
    }
}
