//! Ctrl-C and SIGTERM: the first stops the run cleanly, the second at once.

use img2tokens_engine::CancellationToken;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::exit::Exit;

/// Watches for signals until the returned task is aborted.
///
/// # Errors
/// If the system does not let the program listen for them.
pub fn on_signals(cancel: CancellationToken) -> std::io::Result<JoinHandle<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        eprintln!("img2tokens: stopping; units in flight are given up and come again in the next run");
        cancel.cancel();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(i32::from(Exit::Retry.code()));
    }))
}
