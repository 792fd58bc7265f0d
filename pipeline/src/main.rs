//! The program `img2tokens`.

use std::process::ExitCode;

use clap::Parser;
use img2tokens::cli::Cli;
use img2tokens::{commands, exit, logging};

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("img2tokens: no threads to run on: {error}");
            return exit::Exit::Failed.into();
        }
    };
    match runtime.block_on(commands::execute(cli)) {
        Ok(exit) => exit.into(),
        Err(failed) if failed.is_closed_pipe() => exit::Exit::Done.into(),
        Err(failed) => {
            eprintln!("img2tokens: {}", failed.line());
            failed.exit.into()
        }
    }
}
