//! Writers of small checkpoints, in both forms.

#![allow(dead_code, reason = "each test crate uses a part")]

use std::io::{Cursor, Write};
use std::path::Path;

use half::{bf16, f16};
use img2tokens_vision::{ModelConfig, TensorDtype};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The smallest model that there is.
pub fn tiny() -> ModelConfig {
    ModelConfig {
        image_size: 4,
        patch_size: 2,
        width: 4,
        heads: 2,
        mlp_ratio: 2.0,
        encoder_depth: 1,
        merger_depth: 1,
        codebook_size: 6,
        code_dim: 2,
    }
}

/// A tensor to be written. Its values are exact in every float type.
#[derive(Clone)]
pub struct Weight {
    pub key: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Every tensor of a model, all values different within a tensor.
pub fn weights(config: &ModelConfig) -> Vec<Weight> {
    let weight = |(key, shape): (String, Vec<usize>)| {
        let values = (0..shape.iter().product())
            .map(|at: usize| (at as f32 - 7.0) / 4.0)
            .collect();
        Weight { key, shape, values }
    };
    config.tensors().into_iter().map(weight).collect()
}

pub fn bytes(values: &[f32], dtype: TensorDtype) -> Vec<u8> {
    let one = |value: &f32| match dtype {
        TensorDtype::F64 => f64::from(*value).to_le_bytes().to_vec(),
        TensorDtype::F32 => value.to_le_bytes().to_vec(),
        TensorDtype::F16 => f16::from_f32(*value).to_le_bytes().to_vec(),
        TensorDtype::Bf16 => bf16::from_f32(*value).to_le_bytes().to_vec(),
    };
    values.iter().flat_map(one).collect()
}

/// A safetensors file, written by hand from the format's description.
pub fn safetensors(weights: &[Weight], dtype: TensorDtype) -> Vec<u8> {
    let (mut header, mut data) = (Vec::new(), Vec::new());
    for weight in weights {
        let start = data.len();
        data.extend(bytes(&weight.values, dtype));
        let (key, shape, name, end) = (&weight.key, &weight.shape, dtype.name(), data.len());
        header.push(format!(
            r#""{key}":{{"dtype":"{name}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
    }
    let header = format!("{{{}}}", header.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// How a PyTorch file departs from the plain form.
#[derive(Clone, Copy, Default)]
pub struct Quirks {
    /// Tensors are `torch.nn.Parameter`s.
    pub parameters: bool,
    /// Every storage starts with a number that belongs to no tensor.
    pub offset: usize,
    /// Matrices are stored by columns.
    pub transposed: bool,
    pub compressed: bool,
    pub big_endian: bool,
}

/// A PyTorch file, as `torch.save` writes a dictionary of tensors (protocol 2).
pub fn torch(weights: &[Weight], dtype: TensorDtype, quirks: Quirks) -> Vec<u8> {
    let storage_class = match dtype {
        TensorDtype::F64 => "DoubleStorage",
        TensorDtype::F32 => "FloatStorage",
        TensorDtype::F16 => "HalfStorage",
        TensorDtype::Bf16 => "BFloat16Storage",
    };
    let mut pickle = b"\x80\x02ccollections\nOrderedDict\n)Rq\x00(".to_vec();
    for (number, weight) in weights.iter().enumerate() {
        text(&mut pickle, &weight.key);
        if quirks.parameters {
            pickle.extend(b"ctorch._utils\n_rebuild_parameter\n(");
        }
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(format!("ctorch\n{storage_class}\n").as_bytes());
        text(&mut pickle, &number.to_string());
        text(&mut pickle, "cpu");
        integer(&mut pickle, weight.values.len() + quirks.offset);
        pickle.extend(b"tQ");
        integer(&mut pickle, quirks.offset);
        tuple(&mut pickle, &weight.shape);
        tuple(&mut pickle, &strides(&weight.shape, quirks.transposed));
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        if quirks.parameters {
            pickle.extend(b"\x88ccollections\nOrderedDict\n)RtR");
        }
    }
    pickle.extend(b"u}(X\x09\x00\x00\x00_metadataN");
    pickle.extend(b"ub.");
    archive(&pickle, weights, dtype, quirks)
}

fn archive(pickle: &[u8], weights: &[Weight], dtype: TensorDtype, quirks: Quirks) -> Vec<u8> {
    let method = if quirks.compressed {
        CompressionMethod::Deflated
    } else {
        CompressionMethod::Stored
    };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut member = |name: String, bytes: &[u8], method| {
        zip.start_file(name, SimpleFileOptions::default().compression_method(method))
            .unwrap();
        zip.write_all(bytes).unwrap();
    };
    member("model/data.pkl".to_owned(), pickle, CompressionMethod::Stored);
    let order: &[u8] = if quirks.big_endian { b"big" } else { b"little" };
    member("model/byteorder".to_owned(), order, CompressionMethod::Stored);
    for (number, weight) in weights.iter().enumerate() {
        let padded = [vec![99.0; quirks.offset], weight.values.clone()].concat();
        member(format!("model/data/{number}"), &bytes(&padded, dtype), method);
    }
    zip.finish().unwrap().into_inner()
}

fn strides(shape: &[usize], transposed: bool) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for at in (1..shape.len()).rev() {
        strides[at - 1] = strides[at] * shape[at];
    }
    if transposed {
        strides.reverse();
    }
    strides
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn integer(pickle: &mut Vec<u8>, value: usize) {
    pickle.push(b'J');
    pickle.extend((value as i32).to_le_bytes());
}

fn tuple(pickle: &mut Vec<u8>, values: &[usize]) {
    pickle.push(b'(');
    values.iter().for_each(|value| integer(pickle, *value));
    pickle.push(b't');
}

/// Writes a directory of `config.json` and `model.safetensors`.
pub fn write_safetensors(directory: &Path, config: &ModelConfig, file: &[u8]) {
    std::fs::write(directory.join("config.json"), serde_json::to_vec(config).unwrap()).unwrap();
    std::fs::write(directory.join("model.safetensors"), file).unwrap();
}

/// Splits weights as LaVIT does: the encoder's without its prefix, and the others.
pub fn split(weights: Vec<Weight>) -> [Vec<Weight>; 2] {
    let (mut encoder, others): (Vec<_>, Vec<_>) = weights
        .into_iter()
        .partition(|weight| weight.key.starts_with("encoder."));
    encoder
        .iter_mut()
        .for_each(|weight| weight.key = weight.key["encoder.".len()..].to_owned());
    [encoder, others]
}

/// Writes a LaVIT directory.
pub fn write_lavit(directory: &Path, [encoder, tokenizer]: [&[u8]; 2]) {
    let folder = directory.join("visual_tokenizer");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("eva_vitg_psz14.bin"), encoder).unwrap();
    std::fs::write(folder.join("tokenizer_encoder.bin"), tokenizer).unwrap();
}
