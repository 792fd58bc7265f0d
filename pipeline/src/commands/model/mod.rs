//! `img2tokens model`: a model from the hub, what a model is, in another form, whether two of them agree, and the
//! tokenizer for what is trained on their ids.

mod agreement;
mod convert;
mod downloads;
mod export_onnx;
mod extend_tokenizer;
mod fetch;
mod info;
mod verify;

use crate::cli::ModelCommand;
use crate::exit::{Exit, Failed};

pub(super) async fn model(command: &ModelCommand) -> Result<Exit, Failed> {
    match command {
        ModelCommand::Fetch(args) => fetch::fetch(args).await,
        ModelCommand::Info(args) => info::info(args),
        ModelCommand::Convert(args) => convert::convert(args),
        ModelCommand::ExportOnnx(args) => export_onnx::export_onnx(args),
        ModelCommand::Verify(args) => verify::verify(args),
        ModelCommand::TokenizerWithVisualTokens(args) => extend_tokenizer::extend_tokenizer(args),
    }
}
