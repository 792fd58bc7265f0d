//! `model ..`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use img2tokens_vision::{Dtype, Merger};
use img2tokens_vision_hub::{Repository, Revision};

use super::{ModelArgs, OnnxArgs};
use crate::config::{BackendChoice, BatchSize, DeviceChoice, SelectionChoice};

/// `model`
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Print a model's shapes, parameters, types, digest and files
    Info(ModelInfoArgs),
    /// Download a model from the Hugging Face hub: only the files needed, checked, into the cache Python shares
    Fetch(ModelFetchArgs),
    /// Write a model as config.json and model.safetensors
    Convert(ModelConvertArgs),
    /// Write a model as ONNX graphs, for --backend onnx and other users of ONNX
    ExportOnnx(ModelConvertArgs),
    /// Compare the ids that two models, or two settings of one, give your images
    Verify(Box<ModelVerifyArgs>),
    /// Add the ids of pictures to a tokenizer.json, for the language model that is trained on the sequences
    TokenizerWithVisualTokens(ExtendTokenizerArgs),
}

/// `model tokenizer-with-visual-tokens`
#[derive(Debug, Args)]
pub struct ExtendTokenizerArgs {
    /// The tokenizer.json that the captions are tokenized with (text.tokenizer)
    #[arg(value_name = "TOKENIZER.json")]
    pub tokenizer: PathBuf,
    /// The file to make; it must not exist
    #[arg(value_name = "OUT.json")]
    pub dest: PathBuf,
    /// The number of visual codes: codebook_size of the visual tokenizer's config.json
    #[arg(long, default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub codebook_size: u32,
}

/// `model info`
#[derive(Debug, Args)]
pub struct ModelInfoArgs {
    /// A model directory or builtin:nano
    pub model: String,
    /// The model's config.json, for a directory that has none or another
    #[arg(long, value_name = "FILE")]
    pub model_config: Option<PathBuf>,
    /// Print one JSON object, with every tensor
    #[arg(long)]
    pub json: bool,
}

/// `model fetch`
#[derive(Debug, Args)]
pub struct ModelFetchArgs {
    /// The repository, for example rain1011/LaVIT-7B-v2
    #[arg(value_name = "REPOSITORY")]
    pub repository: Repository,
    /// A branch, a tag or a commit
    #[arg(long, default_value = "main")]
    pub revision: Revision,
    /// Put the files into this directory too, as links to the cache's or as copies
    #[arg(long, value_name = "DIR")]
    pub dest: Option<PathBuf>,
    /// Fetch the feature decoder as well (visual_tokenizer/tokenizer_decoder.bin)
    #[arg(long)]
    pub decoder: bool,
    /// Fetch the merger tuned with the language model as well (language_model/visual_weight.bin)
    #[arg(long)]
    pub language_model_merger: bool,
    /// Fetch the tokenizer of captions as well (language_model/tokenizer.model)
    #[arg(long)]
    pub text_tokenizer: bool,
}

/// `model convert` and `model export-onnx`
#[derive(Debug, Args)]
pub struct ModelConvertArgs {
    /// A model directory, as published or our own, or builtin:nano
    pub source: String,
    /// The directory to make; it must not exist
    pub dest: PathBuf,
    /// The model's config.json, for a directory that has none or another
    #[arg(long, value_name = "FILE")]
    pub model_config: Option<PathBuf>,
}

/// `model verify`
#[derive(Debug, Args)]
pub struct ModelVerifyArgs {
    /// A model directory or builtin:nano
    pub a: String,
    /// What it is compared with; may be the same
    pub b: String,
    /// Image files
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// A's config.json, for a directory that has none or another
    #[arg(long, value_name = "FILE")]
    pub model_config_a: Option<PathBuf>,
    /// B's config.json, for a directory that has none or another
    #[arg(long, value_name = "FILE")]
    pub model_config_b: Option<PathBuf>,
    /// The library that computes A
    #[arg(long, value_enum, default_value_t = BackendChoice::Candle)]
    pub backend_a: BackendChoice,
    /// The library that computes B
    #[arg(long, value_enum, default_value_t = BackendChoice::Candle)]
    pub backend_b: BackendChoice,
    /// A's precision: f32, bf16 or f16
    #[arg(long, default_value = Dtype::F32.name())]
    pub dtype_a: Dtype,
    /// B's precision: f32, bf16 or f16
    #[arg(long, default_value = Dtype::F32.name())]
    pub dtype_b: Dtype,
    /// How A's merger computes: full or packed
    #[arg(long, default_value = Merger::Full.name())]
    pub merger_a: Merger,
    /// How B's merger computes: full or packed
    #[arg(long, default_value = Merger::Full.name())]
    pub merger_b: Merger,
    /// What both sides share
    #[command(flatten)]
    pub shared: SharedArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What both sides of `model verify` share.
#[derive(Debug, Args)]
pub struct SharedArgs {
    /// auto, cpu, cuda:N or cuda:all
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// How patches are selected
    #[arg(long, value_enum, default_value_t = SelectionChoice::Argmax)]
    pub selection: SelectionChoice,
    /// The seed of --selection gumbel
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Images computed at once, or auto; without effect on ids
    #[arg(long, value_name = "N|auto", default_value_t = BatchSize::Auto)]
    pub batch_size: BatchSize,
    /// Threads of the CPU backend; by default all cores
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub threads: Option<u32>,
    /// Of the backend onnx
    #[command(flatten)]
    pub onnx: OnnxArgs,
}

impl ModelVerifyArgs {
    /// A and B, each as if it were alone.
    #[must_use]
    pub fn sides(&self) -> [ModelArgs; 2] {
        let side = |model: &String, model_config: &Option<PathBuf>, backend, dtype, merger| ModelArgs {
            model: model.clone(),
            model_config: model_config.clone(),
            backend,
            device: self.shared.device,
            dtype,
            selection: self.shared.selection,
            seed: self.shared.seed,
            merger,
            min_tokens: None,
            max_tokens: None,
            batch_size: self.shared.batch_size,
            threads: self.shared.threads,
            onnx: self.shared.onnx.clone(),
        };
        [
            side(
                &self.a,
                &self.model_config_a,
                self.backend_a,
                self.dtype_a,
                self.merger_a,
            ),
            side(
                &self.b,
                &self.model_config_b,
                self.backend_b,
                self.dtype_b,
                self.merger_b,
            ),
        ]
    }
}
