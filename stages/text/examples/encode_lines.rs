//! Text ids of each line of standard input, a JSON line each: `encode_lines TOKENIZER [--json] < LINES`.
//! With `--json` a line is a JSON string, so that a text may contain line breaks.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use img2tokens_text::{TextConfig, TextStage};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let tokenizer = arguments.next().ok_or("usage: encode_lines TOKENIZER [--json]")?;
    let json = arguments.next().as_deref() == Some("--json");
    let stage = TextStage::open(&TextConfig {
        tokenizer,
        ..TextConfig::default()
    })?;
    let mut output = stdout().lock();
    for line in stdin().lock().lines() {
        let line = line?;
        let text = if json { serde_json::from_str(&line)? } else { line };
        let ids = stage.tokenize(&text)?;
        writeln!(output, "{}", serde_json::json!({ "ids": ids }))?;
    }
    Ok(())
}
