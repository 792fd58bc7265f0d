//! `img2tokens export`: an output in the format of another trainer.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use img2tokens_schemas::shown;
use img2tokens_sequence::PackConfig;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::run::stopped;
use crate::cli::ExportArgs;
use crate::console::{print, say};
use crate::exit::{Exit, Failed};
use crate::export::{Export, ExportError, Exported, FormatOptions, Meter};
use crate::progress::{LINE, REDRAW};
use crate::stop::Stop;
use crate::storage;

/// Writes the committed units of an output to a new folder.
pub(super) async fn export(args: &ExportArgs) -> Result<Exit, Failed> {
    let export = Export {
        output: storage::destination(&args.output).map_err(Failed::usage)?,
        format: args.format,
        options: FormatOptions {
            packing: PackConfig {
                method: args.packing,
                length: args.context_length as usize,
                ..PackConfig::default()
            },
            shard_size: args.shard_size,
        },
        workers: workers(args),
        folder: args.destination.clone(),
    };
    // Nothing needs time to end: what is written is as good as done.
    let stop = Stop::on_signals(Duration::ZERO).map_err(Failed::run)?;
    let meter = Meter::default();
    let progress = Progress::start(&meter);
    let exported = export.run(&meter, &stop.tokens().cancel).await;
    progress.finish().await;
    match exported.map_err(failed)? {
        Some(exported) => {
            print(report(args, &exported)).map_err(Failed::run)?;
            Ok(Exit::Done)
        }
        None => Ok(stopped()),
    }
}

fn workers(args: &ExportArgs) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    args.workers.map_or_else(cores, |workers| workers as usize)
}

fn report(args: &ExportArgs, exported: &Exported) -> String {
    let mut report = format!(
        "{} sequences of {} ids from {} units in {}\n",
        exported.sequences,
        exported.tokens,
        exported.units,
        shown(args.destination.display()),
    );
    if exported.reused > 0 {
        report += &format!(
            "{} of the units were exported by an earlier start\n",
            exported.reused
        );
    }
    if let Some(packed) = exported.packed {
        report += &format!(
            "{} contexts of {} ids, {:.2} % full\n",
            packed.packs,
            args.context_length,
            100.0 * packed.fill_rate(),
        );
    }
    report
}

/// A bar on a terminal, a line now and then without one.
struct Progress {
    shown: JoinHandle<()>,
    bar: ProgressBar,
}

impl Progress {
    fn start(meter: &Meter) -> Self {
        let template = "{prefix:>9} {wide_bar} {human_pos}/{human_len} units  {elapsed} eta {eta} {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // Drawn on a terminal only.
        let bar = ProgressBar::new(0).with_prefix("export").with_style(style);
        let shown = if std::io::stderr().is_terminal() {
            tokio::spawn(draw(bar.clone(), meter.clone()))
        } else {
            tokio::spawn(print_lines(meter.clone()))
        };
        Self { shown, bar }
    }

    async fn finish(self) {
        self.shown.abort();
        let _ = self.shown.await;
        self.bar.finish_and_clear();
    }
}

async fn draw(bar: ProgressBar, meter: Meter) {
    let mut ticks = tokio::time::interval(REDRAW);
    loop {
        ticks.tick().await;
        let reading = meter.read();
        if bar.length() != Some(reading.all_units) {
            bar.set_length(reading.all_units);
            bar.set_position(reading.reused);
            bar.reset_eta();
        }
        bar.set_position(reading.units);
        bar.set_message(format!("{} sequences", reading.sequences));
    }
}

async fn print_lines(meter: Meter) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(LINE);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let reading = meter.read();
        let rate = (reading.units - reading.reused) as f64 / start.elapsed().as_secs_f64();
        say(format_args!(
            "{} of {} units exported, {} sequences of {} ids, {rate:.1} units/s",
            reading.units, reading.all_units, reading.sequences, reading.tokens,
        ));
    }
}

fn failed(error: ExportError) -> Failed {
    match error {
        ExportError::Occupied { .. } | ExportError::NothingCommitted { .. } => Failed::usage(error),
        // Bare, so that one that may pass is known as such.
        ExportError::Shard(error) => Failed::run(error),
        error => Failed::run(error),
    }
}
