//! The command line, as clap reads it (docs/spec/program.md, "Commands").

mod bench_fetch;
mod model;
mod outputs;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use img2tokens_sequence::PackMethod;
use img2tokens_vision::{Dtype, Merger};

use crate::config::{BackendChoice, BatchSize, DeviceChoice, ProviderChoice, SelectionChoice, Vision};
use crate::export::Format;

pub use bench_fetch::BenchFetchArgs;
pub use model::{
    ExtendTokenizerArgs, ModelCommand, ModelConvertArgs, ModelFetchArgs, ModelInfoArgs, ModelVerifyArgs,
    SharedArgs,
};
pub use outputs::{AgainArgs, TakedownArgs, VerifyArgs};
pub use run::{ConfigArgs, PlanArgs, RunArgs, ShardOf, StopArgs, UnitArgs};

/// Web-scale image-text pairs to token sequences that a multimodal language model trains on.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
pub struct Cli {
    /// How messages are written to standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// `--log-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tokenize all pairs of a config's inputs; units that are committed already are skipped
    Run(RunArgs),
    /// Make the plan, or show the one that stands, without running it
    Plan(PlanArgs),
    /// Run one unit of the plan, for an engine that schedules units
    Unit(UnitArgs),
    /// Print the visual codes of local images, one JSON line each
    Tokenize(TokenizeArgs),
    /// Print what the image stage makes of files, one JSON line each
    Prepare(PrepareArgs),
    /// Print the text ids of each line of standard input
    Text(TextArgs),
    /// Check every file of an output and list what is wrong
    Verify(VerifyArgs),
    /// Take pairs out of an output for good, and out of all that is made of it later
    Takedown(TakedownArgs),
    /// Print sequences of an output: text, codes, kept patches
    Inspect(InspectArgs),
    /// Fetch models, look at them, convert and compare them
    #[command(subcommand)]
    Model(ModelCommand),
    /// Write an output in the format of another trainer
    Export(ExportArgs),
    /// Measure a stage and print JSON
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// A model and how it is run.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// A model directory or builtin:nano
    #[arg(long, default_value = "builtin:nano")]
    pub model: String,
    /// The model's config.json, for a directory that has none or another
    #[arg(long, value_name = "FILE")]
    pub model_config: Option<PathBuf>,
    /// The library that computes
    #[arg(long, value_enum, default_value_t = BackendChoice::Candle)]
    pub backend: BackendChoice,
    /// auto, cpu, cuda:N or cuda:all
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// The precision of weights and products: f32, bf16 or f16
    #[arg(long, default_value = Dtype::F32.name())]
    pub dtype: Dtype,
    /// How patches are selected
    #[arg(long, value_enum, default_value_t = SelectionChoice::Argmax)]
    pub selection: SelectionChoice,
    /// The seed of --selection gumbel
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Keep at least so many patches: those most likely kept
    #[arg(long, value_name = "N")]
    pub min_tokens: Option<u32>,
    /// Keep at most so many patches: those most likely kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,
    /// How the merger computes: full or packed
    #[arg(long, default_value = Merger::Full.name())]
    pub merger: Merger,
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

/// What only the backend onnx looks at.
#[derive(Debug, Clone, Args)]
pub struct OnnxArgs {
    /// The library of --backend onnx; by default ORT_DYLIB_PATH, beside the program, of the Python environment, the system's
    #[arg(long, value_name = "PATH")]
    pub onnxruntime: Option<PathBuf>,
    /// What computes for --backend onnx; by default as --device says
    #[arg(long, value_enum)]
    pub onnx_provider: Option<ProviderChoice>,
}

impl ModelArgs {
    /// The same as a config's section.
    #[must_use]
    pub fn vision(&self) -> Vision {
        Vision {
            model: self.model.clone(),
            backend: self.backend,
            device: self.device,
            dtype: self.dtype,
            batch_size: self.batch_size,
            selection: self.selection,
            seed: self.seed,
            merger: self.merger,
            min_tokens: self.min_tokens.map(|count| count as usize),
            max_tokens: self.max_tokens.map(|count| count as usize),
            threads: self.threads.map(|threads| threads as usize),
            onnxruntime: self.onnx.onnxruntime.clone(),
            onnx_provider: self.onnx.onnx_provider,
        }
    }
}

/// `tokenize`
#[derive(Debug, Args)]
pub struct TokenizeArgs {
    /// The model
    #[command(flatten)]
    pub model: ModelArgs,
    /// Print how near the codes lead back to the encoder's features, by the model's decoder
    #[arg(long)]
    pub reconstruction: bool,
    /// Image files
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
}

/// `prepare`
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// The side of the resized image in pixels
    #[arg(long, default_value_t = 224, value_parser = clap::value_parser!(u32).range(1..=8_192))]
    pub size: u32,
    /// Write the resized pixels as DIR/NAME.png
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Image files
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
}

/// `text`
#[derive(Debug, Args)]
pub struct TextArgs {
    /// builtin:bytes, a tokenizer.json or a SentencePiece tokenizer.model
    #[arg(long, default_value = "builtin:bytes")]
    pub tokenizer: String,
}

/// An output
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// The output's path
    pub output: String,
}

/// `inspect`
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The output's path
    pub output: String,
    /// Show the sequences of this key only
    #[arg(long)]
    pub key: Option<String>,
    /// Show at most this many sequences
    #[arg(long, default_value_t = 10)]
    pub limit: usize,
}

/// `export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The format
    #[arg(value_enum)]
    pub format: Format,
    /// The output's path
    #[arg(value_name = "OUT")]
    pub output: String,
    /// The folder to write, which must be new or empty
    #[arg(value_name = "DEST")]
    pub destination: PathBuf,
    /// Units read at a time, without effect on what is written; by default one a core
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: Option<u32>,
    /// Of the format mds: the most bytes of a shard
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 26, value_parser = clap::value_parser!(u32).range(1..))]
    pub shard_size: u32,
    /// Of the format packed: the most ids of a context
    #[arg(long, default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(1..))]
    pub context_length: u32,
    /// Of the format packed: best_fit, or concat, which leaves no room and may split a picture
    #[arg(long, default_value = PackMethod::BestFit.name())]
    pub packing: PackMethod,
}

/// `bench`
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Tokenize images, or random pixels
    Vision(BenchVisionArgs),
    /// Decode and resize pictures
    Image(BenchImageArgs),
    /// Download pictures, and as an option do all that img2dataset does
    Fetch(BenchFetchArgs),
}

/// `bench vision`
#[derive(Debug, Args)]
pub struct BenchVisionArgs {
    /// The model
    #[command(flatten)]
    pub model: ModelArgs,
    /// Batches measured, after one that is not
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub batches: u32,
    /// Image files, again and again; by default random pixels
    pub images: Vec<PathBuf>,
}

/// `bench image`
#[derive(Debug, Args)]
pub struct BenchImageArgs {
    /// The side of the resized image in pixels
    #[arg(long, default_value_t = 224, value_parser = clap::value_parser!(u32).range(1..=8_192))]
    pub size: u32,
    /// Passes over the images, after one that is not measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub passes: u32,
    /// Image files; by default the embedded sample set
    pub images: Vec<PathBuf>,
}
