//! The directory of a model's graphs.

use std::io::Write;
use std::path::Path;

use img2tokens_vision::checkpoint::{write_config, write_directory, write_file};
use img2tokens_vision::{Checkpoint, SaveError};
use prost::Message;

use super::graph::Graph;
use super::weights::WeightsFile;
use super::{encoder, tokenizer};
use crate::signature::{ENCODER, TOKENIZER, weights_of};

/// Writes `encoder.onnx`, `tokenizer.onnx`, a file of float32 weights for each, and `config.json` into a new directory.
///
/// No more than one tensor is held in memory at a time. The directory has a temporary name beside its own until all of
/// it is on the disk, so it is whole or not there.
///
/// # Errors
/// If something of that name exists, or the file system refuses: see [`SaveError`].
pub fn export(checkpoint: &Checkpoint, directory: &Path) -> Result<(), SaveError> {
    write_directory(directory, |temporary| {
        write_config(checkpoint.config(), temporary)?;
        write_graph(checkpoint, temporary, ENCODER, encoder::encoder)?;
        write_graph(checkpoint, temporary, TOKENIZER, tokenizer::tokenizer)
    })
}

fn write_graph(
    checkpoint: &Checkpoint,
    directory: &Path,
    name: &str,
    build: fn(&mut Graph<'_>) -> Result<(), SaveError>,
) -> Result<(), SaveError> {
    let weights = WeightsFile::create(directory, weights_of(name))?;
    let mut graph = Graph::new(name, checkpoint, weights);
    build(&mut graph)?;
    let bytes = graph.finish()?.encode_to_vec();
    write_file(&directory.join(name), |file| file.write_all(&bytes))
}
