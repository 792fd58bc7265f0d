//! `img2tokens bench`: measures a stage alone, prints one JSON object.

mod fetch;
mod flow;
mod image;
mod usage;
mod vision;

use crate::cli::BenchCommand;
use crate::exit::{Exit, Failed};

pub(super) async fn bench(command: &BenchCommand) -> Result<Exit, Failed> {
    match command {
        BenchCommand::Vision(args) => vision::vision(args),
        BenchCommand::Image(args) => image::image(args),
        BenchCommand::Fetch(args) => fetch::fetch(args).await,
    }
}
