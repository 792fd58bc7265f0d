//! `img2tokens model tokenizer-with-visual-tokens`: the ids of pictures in a `tokenizer.json`.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use img2tokens_schemas::shown;
use img2tokens_text::ExtendedTokenizer;

use crate::cli::ExtendTokenizerArgs;
use crate::console::print_line;
use crate::exit::{Exit, Failed};

/// Prints one line: which ids are what, and how many rows the embeddings of a model need.
pub(super) fn extend_tokenizer(args: &ExtendTokenizerArgs) -> Result<Exit, Failed> {
    let extended = ExtendedTokenizer::read(&args.tokenizer, args.codebook_size).map_err(Failed::usage)?;
    write(&args.dest, extended.json())?;
    let ids = extended.vocabulary();
    print_line(format_args!(
        "{}: text 0 to {}, [IMG] {}, [/IMG] {}, visual codes {} to {}: a model needs {} rows of embeddings",
        shown(args.dest.display()),
        ids.text_size - 1,
        ids.image_start(),
        ids.image_end(),
        ids.first_code(),
        ids.size() - 1,
        ids.size(),
    ))
    .map_err(Failed::run)?;
    Ok(Exit::Done)
}

/// Makes a file of this text: whole or not at all, and never over another.
fn write(file: &Path, text: &str) -> Result<(), Failed> {
    let mut made = match File::create_new(file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Failed::usage(anyhow!(
                "{} exists: name a new file",
                shown(file.display())
            )));
        }
        made => made
            .with_context(|| format!("cannot make {}", shown(file.display())))
            .map_err(Failed::run)?,
    };
    let written = made.write_all(text.as_bytes()).and_then(|()| made.sync_all());
    written.map_err(|error| {
        // What is written of it is of no use; that it stays is the lesser of two failures.
        let _ = std::fs::remove_file(file);
        Failed::run(anyhow!(error).context(format!("cannot write {}", shown(file.display()))))
    })
}
