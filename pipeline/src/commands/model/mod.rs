//! `img2tokens model`: what a model is, in another form, and whether two of them agree.

mod agreement;
mod convert;
mod export_onnx;
mod info;
mod verify;

use crate::cli::ModelCommand;
use crate::exit::{Exit, Failed};

pub(super) fn model(command: &ModelCommand) -> Result<Exit, Failed> {
    match command {
        ModelCommand::Info(args) => info::info(args),
        ModelCommand::Convert(args) => convert::convert(args),
        ModelCommand::ExportOnnx(args) => export_onnx::export_onnx(args),
        ModelCommand::Verify(args) => verify::verify(args),
    }
}
