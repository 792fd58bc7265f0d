//! What a person watches: a bar a stage on a terminal, a line now and then without one.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use tokio::task::JoinHandle;

use crate::console::say;
use crate::run::{Meters, PlannedUnit};

/// How often bars are drawn.
pub(crate) const REDRAW: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
pub(crate) const LINE: Duration = Duration::from_secs(30);

/// Progress that is being shown.
pub struct Progress {
    shown: JoinHandle<()>,
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Shows the progress of `units` as their meters tell it.
    #[must_use]
    pub fn start(meters: &Meters, units: &[PlannedUnit]) -> Self {
        // Unknown where a tar's rows are not counted: the bars then only count.
        let rows: Option<u64> = units.iter().map(|unit| unit.extent.rows).sum();
        let meters = meters.clone();
        if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let bars = Bars::new(&all, rows, units.len() as u64);
            Self {
                shown: tokio::spawn(draw(bars, meters)),
                bars: Some(all),
            }
        } else {
            Self {
                shown: tokio::spawn(print_lines(meters, rows)),
                bars: None,
            }
        }
    }

    /// Takes the bars away.
    pub async fn finish(self) {
        self.shown.abort();
        let _ = self.shown.await;
        if let Some(bars) = self.bars {
            let _ = bars.clear();
        }
    }
}

struct Bars {
    stages: [ProgressBar; 5],
    units: ProgressBar,
}

impl Bars {
    fn new(all: &MultiProgress, rows: Option<u64>, units: u64) -> Self {
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
                    // A bar that cannot be drawn is no reason to stop a run.
                    let _ = write!(text, "{:.1}/s", state.per_sec());
                })
        };
        let rows_style = style("{prefix:>9} {wide_bar} {human_pos}/{human_len} pairs {rate:>10} {msg}");
        let units_style = style("{prefix:>9} {wide_bar} {human_pos}/{human_len} units  {elapsed} eta {eta}");
        let bar = |name: &'static str| {
            all.add(rows.map_or_else(ProgressBar::no_length, ProgressBar::new))
                .with_prefix(name)
                .with_style(rows_style.clone())
        };
        Self {
            stages: ["read", "fetch", "image", "vision", "write"].map(bar),
            units: all
                .add(ProgressBar::new(units))
                .with_prefix("units")
                .with_style(units_style),
        }
    }
}

async fn draw(bars: Bars, meters: Meters) {
    let mut ticks = tokio::time::interval(REDRAW);
    loop {
        ticks.tick().await;
        let readings = [
            &meters.read,
            &meters.fetch,
            &meters.image,
            &meters.vision,
            &meters.write,
        ]
        .map(|meter| meter.read());
        for (bar, reading) in bars.stages.iter().zip(readings) {
            bar.set_position(reading.done + reading.failed);
            if reading.failed > 0 {
                bar.set_message(format!("{} failed", reading.failed));
            }
        }
        bars.units.set_position(meters.units.count());
    }
}

async fn print_lines(meters: Meters, rows: Option<u64>) {
    let start = Instant::now();
    let all = rows.map_or_else(String::new, |rows| format!(" of {rows}"));
    let mut ticks = tokio::time::interval(LINE);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (fetch, written) = (meters.fetch.read(), meters.write.read());
        let done = written.done + written.failed;
        let rate = done as f64 / start.elapsed().as_secs_f64();
        say(format_args!(
            "{done}{all} pairs done ({} failed), {} downloaded, {} units committed, {rate:.1} pairs/s",
            written.failed,
            fetch.done,
            meters.units.count(),
        ));
    }
}
