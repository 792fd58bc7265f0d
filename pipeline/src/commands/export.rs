//! `img2tokens export`: an output in the format of another trainer.

use img2tokens_sequence::PackConfig;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ExportArgs;
use crate::exit::{Exit, Failed};
use crate::export::{self, ExportError};
use crate::storage;

/// Writes the committed units of an output to a new folder.
pub(super) async fn export(args: &ExportArgs) -> Result<Exit, Failed> {
    let output = storage::destination(&args.output).map_err(Failed::usage)?;
    let bar = bar();
    let packing = PackConfig {
        method: args.packing,
        length: args.context_length as usize,
        ..PackConfig::default()
    };
    let exported = export::export(&output, args.format, packing, &args.destination, &bar).await;
    bar.finish_and_clear();
    let exported = exported.map_err(failed)?;
    println!(
        "{} sequences of {} ids from {} units in {}",
        exported.sequences,
        exported.tokens,
        exported.units,
        args.destination.display(),
    );
    if let Some(packed) = exported.packed {
        println!(
            "{} contexts of {} ids, {:.2} % full",
            packed.packs,
            args.context_length,
            100.0 * packed.fill_rate(),
        );
    }
    Ok(Exit::Done)
}

/// Drawn on a terminal only.
fn bar() -> ProgressBar {
    let template = "{prefix:>9} {wide_bar} {human_pos}/{human_len} units  {elapsed} eta {eta} {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_prefix("export").with_style(style)
}

fn failed(error: ExportError) -> Failed {
    match error {
        ExportError::Occupied { .. } | ExportError::NothingCommitted { .. } => Failed::usage(error),
        // Bare, so that one that may pass is known as such.
        ExportError::Shard(error) => Failed::run(error),
        error => Failed::run(error),
    }
}
