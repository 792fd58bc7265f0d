//! `img2tokens text`: the text ids of each line of standard input.

use std::io::{BufRead, Write};

use anyhow::Context;
use img2tokens_text::{TextConfig, TextStage};
use serde_json::json;

use crate::cli::TextArgs;
use crate::console::output;
use crate::exit::{Exit, Failed};
use crate::local_copy;

/// Prints `{"ids": [..]}` for each line; a line is all ids of its text, however many, without specials.
pub(super) async fn text(args: &TextArgs) -> Result<Exit, Failed> {
    let tokenizer = local_copy::tokenizer(&args.tokenizer)
        .await
        .map_err(Failed::usage)?;
    let config = TextConfig {
        tokenizer,
        max_tokens: usize::MAX,
        ..TextConfig::default()
    };
    let stage = TextStage::open(&config)
        .with_context(|| format!("--tokenizer {} cannot be used", args.tokenizer))
        .map_err(Failed::usage)?;
    print_ids(&stage, std::io::stdin().lock(), output()).map_err(Failed::run)?;
    Ok(Exit::Done)
}

fn print_ids(stage: &TextStage, lines: impl BufRead, mut output: impl Write) -> anyhow::Result<()> {
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("line {number} of standard input is no UTF-8 text"))?;
        let ids = stage
            .tokenize(&line)
            .with_context(|| format!("line {number} of standard input"))?;
        writeln!(output, "{}", json!({ "ids": ids }))?;
    }
    output.flush()?;
    Ok(())
}
