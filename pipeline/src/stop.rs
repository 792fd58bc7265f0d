//! Ctrl-C and SIGTERM: the first lets the units in flight end, for a time; the second ends the program at once.

use std::time::Duration;

use img2tokens_engine::CancellationToken;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::console::say;
use crate::exit::Exit;

/// What a run that is given up may take to end: a batch in work on the device is waited for no longer.
const UNWINDING: Duration = Duration::from_secs(3);

/// How a run is stopped, in two steps.
#[derive(Debug, Clone, Default)]
pub struct StopTokens {
    /// No further unit is begun; those in flight end as ever.
    pub drain: CancellationToken,
    /// Units in flight are given up.
    pub cancel: CancellationToken,
}

/// The watch for signals; ends when dropped.
pub struct Stop {
    tokens: StopTokens,
    watch: JoinHandle<()>,
}

impl Stop {
    /// Watches. At the first signal no further unit is begun; `grace` later those in flight are given up, and soon
    /// after that the program ends whatever still works. At a second signal it ends at once. Nothing that is committed
    /// is lost in any case, and what is not comes again in the next run.
    ///
    /// # Errors
    /// If the system does not let the program listen for them.
    pub fn on_signals(grace: Duration) -> std::io::Result<Self> {
        let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let tokens = StopTokens::default();
        let watch = tokio::spawn(watch(signals, tokens.clone(), grace));
        Ok(Self { tokens, watch })
    }

    /// What the run has to heed.
    #[must_use]
    pub fn tokens(&self) -> StopTokens {
        self.tokens.clone()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn watch(mut signals: (Signal, Signal), tokens: StopTokens, grace: Duration) {
    next(&mut signals).await;
    if !grace.is_zero() {
        say(format_args!(
            "img2tokens: stopping; units in flight have {} s to end, or until the next signal",
            grace.as_secs()
        ));
        tokens.drain.cancel();
        if timeout(grace, next(&mut signals)).await.is_ok() {
            end();
        }
    }
    say("img2tokens: stopping; units in flight are given up and come again in the next run");
    tokens.drain.cancel();
    tokens.cancel.cancel();
    let _ = timeout(UNWINDING, next(&mut signals)).await;
    end();
}

async fn next((interrupt, terminate): &mut (Signal, Signal)) {
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}

fn end() -> ! {
    say("img2tokens: stopped; run the same command again to go on");
    std::process::exit(i32::from(Exit::Retry.code()));
}
