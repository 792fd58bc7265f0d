//! The program `img2tokens`.

#![deny(clippy::print_stderr, clippy::print_stdout)]

use std::process::ExitCode;

use clap::Parser;
use img2tokens::cli::Cli;
use img2tokens::{commands, console, exit, logging, people};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => execute(cli),
        Err(refused) => end(people::command_line(refused)),
    }
}

fn execute(cli: Cli) -> ExitCode {
    logging::start(cli.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::MFILE) => {
            console::say(
                "img2tokens: this process may open too few files to begin: raise the limit (`ulimit -n`)",
            );
            return exit::Exit::Usage.into();
        }
        Err(error) => {
            console::say(format_args!("img2tokens: no threads to run on: {error}"));
            return exit::Exit::Failed.into();
        }
    };
    end(runtime.block_on(commands::execute(cli)))
}

fn end(ended: Result<exit::Exit, exit::Failed>) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(failed) if failed.is_closed_pipe() => exit::Exit::Done.into(),
        Err(failed) => {
            console::say(format_args!("img2tokens: {}", failed.line()));
            failed.exit.into()
        }
    }
}
