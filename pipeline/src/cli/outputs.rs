//! The commands that work on an output.

use std::path::PathBuf;

use clap::Args;

use super::{OnnxArgs, OutputArgs};
use crate::config::DeviceChoice;

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The output
    #[command(flatten)]
    pub output: OutputArgs,
    /// Tokenize N pairs again, whose pictures can still be had, and compare codes and kept patches
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub deep: Option<u32>,
    /// Of --deep
    #[command(flatten)]
    pub again: AgainArgs,
}

/// How `verify --deep` tokenizes; everything that changes ids stands in the plan.
#[derive(Debug, Args)]
pub struct AgainArgs {
    /// The model of the plan: a directory or builtin:nano
    #[arg(long, requires = "deep", default_value = "builtin:nano")]
    pub model: String,
    /// auto, cpu, cuda:N or cuda:all
    #[arg(long, requires = "deep", default_value = "auto")]
    pub device: DeviceChoice,
    /// Threads of the CPU backend; by default all cores
    #[arg(long, requires = "deep", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub threads: Option<u32>,
    /// Which pairs are drawn
    #[arg(long, requires = "deep", default_value_t = 0)]
    pub seed: u64,
    /// Of the backend onnx
    #[command(flatten)]
    pub onnx: OnnxArgs,
}

/// `takedown`
#[derive(Debug, Args)]
pub struct TakedownArgs {
    /// The output
    #[command(flatten)]
    pub output: OutputArgs,
    /// What must go, one entry a line: key:, url:, domain: or sha256: and what it names
    #[arg(long, value_name = "FILE")]
    pub list: PathBuf,
}
