//! Downloads, as a person watches them: a bar a file on a terminal, a line a file without one.

use std::io::IsTerminal;

use img2tokens_schemas::shown;
use img2tokens_vision_hub::Event;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::console::say;

/// Downloads that are being shown.
pub(super) struct Downloads {
    is_terminal: bool,
    bar: ProgressBar,
}

impl Downloads {
    pub(super) fn start() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            bar: ProgressBar::hidden(),
        }
    }

    pub(super) fn show(&mut self, event: Event<'_>) {
        match event {
            Event::Cached { file } => say(format_args!("{}: in the cache", shown(file))),
            Event::Started { file, size, kept } if self.is_terminal => {
                self.finish();
                self.bar = ProgressBar::new(size)
                    .with_style(style())
                    .with_prefix(shown(file).to_string());
                self.bar.set_position(kept);
                // The rate is that of this run.
                self.bar.reset_eta();
            }
            Event::Started { file, size, kept } => {
                let (file, rest) = (shown(file), HumanBytes(size.saturating_sub(kept)));
                if kept > 0 {
                    say(format_args!(
                        "{file}: downloading the last {rest} of {}",
                        HumanBytes(size)
                    ));
                } else {
                    say(format_args!("{file}: downloading {rest}"));
                }
            }
            Event::Received { bytes } => self.bar.set_position(bytes),
            Event::Finished { file, size } => {
                self.finish();
                say(format_args!(
                    "{}: {}, size and digest as the hub states",
                    shown(file),
                    HumanBytes(size)
                ));
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
