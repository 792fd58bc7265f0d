//! `img2tokens model info`: what a model is made of.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use img2tokens_schemas::shown::{screen, shown};
use img2tokens_vision::{Checkpoint, CheckpointError, ModelConfig, Tensors};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::cli::ModelInfoArgs;
use crate::console::{print, print_line};
use crate::exit::{Exit, Failed};
use crate::model;

/// Bytes of a file hashed at once.
const BUFFER: usize = 1 << 20;

/// All that is printed; with `--json` as it stands.
#[derive(Serialize)]
struct Info<'a> {
    model: &'a str,
    config: &'a ModelConfig,
    /// BLAKE3 of config and tensors, whatever files they lie in.
    digest: String,
    parameters: usize,
    /// Parameters stored in each type.
    dtypes: BTreeMap<&'static str, usize>,
    files: Vec<FileInfo>,
    tensors: Vec<TensorInfo>,
}

/// A file of weights.
#[derive(Serialize)]
struct FileInfo {
    path: String,
    bytes: u64,
    sha256: String,
}

/// A tensor that the model reads.
#[derive(Serialize)]
struct TensorInfo {
    key: String,
    dtype: &'static str,
    shape: Vec<usize>,
}

pub(super) fn info(args: &ModelInfoArgs) -> Result<Exit, Failed> {
    let checkpoint = model::open_named(&args.model, args.model_config.as_deref()).map_err(Failed::usage)?;
    let info = Info::of(&args.model, &checkpoint).map_err(Failed::run)?;
    if args.json {
        print_line(serde_json::to_string(&info).map_err(Failed::run)?)
    } else {
        print(screen(&info.text().map_err(Failed::run)?))
    }
    .map_err(Failed::run)?;
    Ok(Exit::Done)
}

impl<'a> Info<'a> {
    fn of(model: &'a str, checkpoint: &'a Checkpoint) -> anyhow::Result<Self> {
        let tensors = tensors(checkpoint)?;
        let mut dtypes = BTreeMap::new();
        for tensor in &tensors {
            *dtypes.entry(tensor.dtype).or_insert(0) += tensor.shape.iter().product::<usize>();
        }
        let files: anyhow::Result<Vec<FileInfo>> = checkpoint.files().into_iter().map(file).collect();
        Ok(Self {
            model,
            config: checkpoint.config(),
            digest: checkpoint.digest()?,
            parameters: dtypes.values().sum(),
            dtypes,
            files: files?,
            tensors,
        })
    }

    /// For people: tensors that every block has are one line.
    fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        writeln!(text, "model       {}", shown(self.model))?;
        writeln!(text, "config      {}", serde_json::to_string(self.config)?)?;
        writeln!(text, "digest      {}", self.digest)?;
        writeln!(text, "parameters  {}", self.parameters)?;
        for (dtype, parameters) in &self.dtypes {
            writeln!(text, "dtype       {dtype} {parameters}")?;
        }
        for FileInfo { path, bytes, sha256 } in &self.files {
            writeln!(text, "file        {} {bytes} bytes, sha256 {sha256}", shown(path))?;
        }
        for (Group { key, dtype, shape }, count) in groups(&self.tensors) {
            let times = if count == 1 {
                String::new()
            } else {
                format!(" x {count}")
            };
            writeln!(text, "tensor      {key} {dtype} {shape:?}{times}")?;
        }
        Ok(text)
    }
}

fn tensors(checkpoint: &Checkpoint) -> Result<Vec<TensorInfo>, CheckpointError> {
    let info = |(key, shape): (String, Vec<usize>)| {
        let dtype = checkpoint.tensor(&key, &shape)?.dtype().name();
        Ok(TensorInfo { key, dtype, shape })
    };
    checkpoint.config().tensors().into_iter().map(info).collect()
}

fn file(path: &Path) -> anyhow::Result<FileInfo> {
    let (bytes, sha256) = sha256(path).with_context(|| shown(path.display()).to_string())?;
    Ok(FileInfo {
        path: path.to_string_lossy().into_owned(),
        bytes,
        sha256,
    })
}

/// A file's length in bytes and its SHA-256 in hexadecimal.
fn sha256(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        length += bytes.len() as u64;
    }
    let digest = hasher.finalize();
    Ok((length, digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Tensors that differ in nothing but the number of their block.
#[derive(PartialEq)]
struct Group<'a> {
    /// With `*` for that number.
    key: String,
    dtype: &'a str,
    shape: &'a [usize],
}

/// The groups in the order of their first tensors, and how many tensors each has.
fn groups(tensors: &[TensorInfo]) -> Vec<(Group<'_>, usize)> {
    let mut groups: Vec<(Group<'_>, usize)> = Vec::new();
    for tensor in tensors {
        let group = Group {
            key: without_block(&tensor.key),
            dtype: tensor.dtype,
            shape: &tensor.shape,
        };
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, count)) => *count += 1,
            None => groups.push((group, 1)),
        }
    }
    groups
}

/// `encoder.blocks.7.norm1.bias` -> `encoder.blocks.*.norm1.bias`
fn without_block(key: &str) -> String {
    const BLOCKS: &str = ".blocks.";
    match key.split_once(BLOCKS) {
        Some((model, rest)) => {
            let part = rest.split_once('.').map_or(rest, |(_, part)| part);
            format!("{model}{BLOCKS}*.{part}")
        }
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_of_blocks_are_grouped_and_others_are_not() {
        let tensor = |key: &str, dtype, shape: &[usize]| TensorInfo {
            key: key.to_owned(),
            dtype,
            shape: shape.to_vec(),
        };
        let tensors = [
            tensor("encoder.blocks.0.norm1.bias", "F32", &[4]),
            tensor("out_conv.2.bias", "F32", &[4]),
            tensor("encoder.blocks.10.norm1.bias", "F32", &[4]),
            tensor("encoder.blocks.11.norm1.bias", "F16", &[4]),
            tensor("out_conv.4.bias", "F32", &[4]),
        ];
        let groups: Vec<(String, &str, usize)> = groups(&tensors)
            .into_iter()
            .map(|(group, count)| (group.key, group.dtype, count))
            .collect();
        let expected = [
            ("encoder.blocks.*.norm1.bias".to_owned(), "F32", 2),
            ("out_conv.2.bias".to_owned(), "F32", 1),
            ("encoder.blocks.*.norm1.bias".to_owned(), "F16", 1),
            ("out_conv.4.bias".to_owned(), "F32", 1),
        ];
        assert_eq!(groups, expected);
    }
}
