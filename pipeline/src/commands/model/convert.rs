//! `img2tokens model convert`: a model, as published or not, as `config.json` and `model.safetensors`.

use img2tokens_schemas::shown;
use img2tokens_vision::SaveError;

use crate::cli::ModelConvertArgs;
use crate::console::print_line;
use crate::exit::{Exit, Failed};
use crate::model;

/// Prints one line with the digest of what was written, as it is read back: the source has the same.
pub(super) fn convert(args: &ModelConvertArgs) -> Result<Exit, Failed> {
    let source = model::open_named(&args.source, args.model_config.as_deref()).map_err(Failed::usage)?;
    source.save(&args.dest).map_err(not_saved)?;
    let dest = args.dest.to_string_lossy();
    let written = model::open_named(&dest, None).map_err(Failed::run)?;
    let digest = written.digest().map_err(Failed::run)?;
    print_line(format_args!("{}: digest {digest}", shown(dest))).map_err(Failed::run)?;
    Ok(Exit::Done)
}

/// A directory that was not written: a wrong name is a wrong command line.
pub(super) fn not_saved(error: SaveError) -> Failed {
    match error {
        SaveError::Exists { .. } | SaveError::NoName { .. } => Failed::usage(error),
        SaveError::Write { .. } | SaveError::Checkpoint(_) => Failed::run(error),
    }
}
