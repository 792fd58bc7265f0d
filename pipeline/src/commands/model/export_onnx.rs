//! `img2tokens model export-onnx`: a model's weights as ONNX graphs.

use img2tokens_schemas::shown;
use img2tokens_vision_onnx::{ExportedModel, export};

use super::convert::not_saved;
use crate::cli::ModelConvertArgs;
use crate::console::print_line;
use crate::exit::{Exit, Failed};
use crate::model;

/// Prints one line with the digest of what was written, as it is read back.
pub(super) fn export_onnx(args: &ModelConvertArgs) -> Result<Exit, Failed> {
    let source = model::open_named(&args.source, args.model_config.as_deref()).map_err(Failed::usage)?;
    export(&source, &args.dest).map_err(not_saved)?;
    let written = ExportedModel::open(&args.dest).map_err(Failed::run)?;
    let digest = written.digest().map_err(Failed::run)?;
    print_line(format_args!("{}: digest {digest}", shown(args.dest.display()))).map_err(Failed::run)?;
    Ok(Exit::Done)
}
