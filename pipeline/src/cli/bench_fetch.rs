//! The arguments of `bench fetch`.

use std::path::PathBuf;

use clap::Args;

/// `bench fetch`
#[derive(Debug, Args)]
pub struct BenchFetchArgs {
    /// Tables of URLs: files, globs or folders, as input.paths; by default the embedded samples, served on loopback
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "urls")]
    pub input: Vec<String>,
    /// A file with a URL a line
    #[arg(long, value_name = "FILE")]
    pub urls: Option<PathBuf>,
    /// Passes over the URLs; by default 1, over the embedded samples 16
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub passes: Option<u32>,
    /// Also decode and resize, as a run does
    #[arg(long)]
    pub prepare: bool,
    /// Also decode, resize and write what img2dataset does: WebDataset archives in DIR
    #[arg(long, value_name = "DIR", conflicts_with = "prepare")]
    pub write: Option<PathBuf>,
    /// The side of the resized image in pixels
    #[arg(long, default_value_t = 224, value_parser = clap::value_parser!(u32).range(1..=8_192))]
    pub size: u32,
    /// Downloads in flight at once
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub concurrency: u32,
    /// Of those, at most this many at one host; by default 8, of the embedded samples' host all
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub per_host: Option<u32>,
    /// Seconds one attempt may take
    #[arg(long, default_value_t = 30.0)]
    pub timeout_s: f64,
    /// Further attempts after a transient failure
    #[arg(long, default_value_t = 2)]
    pub retries: u32,
    /// Allow loopback and private addresses
    #[arg(long)]
    pub allow_private_addresses: bool,
}
