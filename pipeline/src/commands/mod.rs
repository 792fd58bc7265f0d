//! One file a command: from parsed arguments to an exit code.

mod bench;
mod configured;
mod export;
mod files;
mod inspect;
mod model;
mod plan;
mod prepare;
mod run;
mod text;
mod tokenize;
mod unit;
mod verify;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

/// Runs a command to its end.
///
/// # Errors
/// What is wrong, and the exit code that says of which kind it is.
pub async fn execute(cli: Cli) -> Result<Exit, crate::exit::Failed> {
    match cli.command {
        Command::Run(args) => run::run(args).await,
        Command::Plan(args) => plan::plan(args).await,
        Command::Unit(args) => unit::unit(args).await,
        Command::Tokenize(args) => tokenize::tokenize(&args),
        Command::Prepare(args) => prepare::prepare(&args),
        Command::Text(args) => text::text(&args),
        Command::Verify(args) => verify::verify(&args).await,
        Command::Inspect(args) => inspect::inspect(&args).await,
        Command::Export(args) => export::export(&args).await,
        Command::Model(command) => model::model(&command).await,
        Command::Bench(command) => bench::bench(&command).await,
    }
}
