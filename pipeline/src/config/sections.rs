//! The sections of the config and their defaults. Every key has a default but `input.paths` and `output.path`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use img2tokens_fetch::{FetchConfig, RobotsPolicy};
use img2tokens_image::{ImageConfig, Resize};
use img2tokens_sequence::{CaptionChoice, OrderPolicy, PackMethod, TextMix};
use img2tokens_source::{Filter, InputFormat, Quoting};
use img2tokens_text::Cleanup;
use img2tokens_vision::{Dtype, Merger};
use serde::{Deserialize, Serialize};

use super::batch_size::BatchSize;
use super::device::DeviceChoice;
use super::failed_images::FailedImages;
use super::section::section;
use super::verify_hash::VerifyHash;

/// The whole config.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the pairs come from.
    pub input: Input,
    /// How pictures are downloaded.
    pub fetch: Fetch,
    /// How pictures become pixels.
    pub image: Image,
    /// How pixels become codes.
    pub vision: Vision,
    /// How captions become ids.
    pub text: Text,
    /// How both become a sequence.
    pub sequence: Sequence,
    /// Texts that are mixed in among the pairs.
    pub text_corpus: TextCorpus,
    /// What is written, and where.
    pub output: Output,
}

section! {
    /// `[input]`
    Input {
        /// Files, globs or folders: local, s3://, gs://, az://, http(s)://; or `builtin:samples`.
        paths: Vec<String> = Vec::new(),
        /// parquet, csv, tsv, jsonl or webdataset; by default told from the file's name.
        format: Option<InputFormat> = None,
        /// The column of URLs; by default the first known name (URL, url, ..).
        url_column: Option<String> = None,
        /// The column of captions; by default the first known name (TEXT, caption, text, ..).
        text_column: Option<String> = None,
        /// Columns of captions, where there are several (the page's own, synthetic ones); instead of text_column.
        caption_columns: Vec<String> = Vec::new(),
        /// The column of unique row names; by default the first known name, else file and row number.
        key_column: Option<String> = None,
        /// The column of the pictures' MD5 or SHA-256 digests; by default md5 or sha256, but in tars.
        digest_column: Option<String> = None,
        /// The column of documents' images: lists of URLs beside the texts (OBELICS), or of what is told of each (MMC4). With
        /// this or texts_column, or where no pairs are found and known names are, rows are documents.
        images_column: Option<String> = None,
        /// The column of documents' texts: lists of text.
        texts_column: Option<String> = None,
        /// The most images of a document; one of more fails.
        max_images: usize = 32,
        /// What quotes mean in CSV and TSV files: standard (RFC 4180) or none (characters like others).
        quoting: Quoting = Quoting::Standard,
        /// Input columns that go through to the output as they are.
        keep_columns: Vec<String> = Vec::new(),
        /// Rows in one unit, and so at most in one shard.
        unit_rows: u64 = 10_000,
        /// Rows outside these ranges are left out.
        filters: Vec<Filter> = Vec::new(),
    }
}

section! {
    /// `[fetch]`
    Fetch {
        /// Downloads in flight at once.
        concurrency: usize = 256,
        /// Of those, at most this many at one host.
        per_host: usize = 8,
        /// At most this many at one server (address and port), whatever its names; 0: an eighth of concurrency, at least
        /// twice per_host.
        per_address: usize = 0,
        /// Seconds a row may wait for its host's turn; then it fails as host_unavailable.
        host_wait_s: f64 = 300.0,
        /// Seconds one attempt may take as a whole.
        timeout_s: f64 = 30.0,
        /// Further attempts after a transient failure.
        retries: u32 = 2,
        /// The longest Retry-After that is waited for, in seconds; the URLs of a host that asks for more fail.
        max_retry_after_s: f64 = 30.0,
        /// Transient failures in a row after which a host is not asked for a minute; 0: never.
        breaker_failures: u32 = 20,
        /// The largest body accepted, in bytes.
        max_bytes: u64 = 20 * 1024 * 1024,
        /// The most bytes of bodies held at one time, at least max_bytes.
        max_bytes_in_flight: u64 = 1 << 30,
        /// The most redirects followed.
        max_redirects: u32 = 5,
        /// What servers see; say who you are and how to reach you.
        user_agent: String = concat!(
            "img2tokens/", env!("CARGO_PKG_VERSION"), " (corpus tokenization; set fetch.user_agent to a contact of yours)"
        ).to_owned(),
        /// Headers sent with every request, to whatever host.
        headers: BTreeMap<String, String> = BTreeMap::new(),
        /// Leave out pictures whose servers opt out of machine learning.
        respect_opt_out: bool = true,
        /// robots.txt: ignore it, heed it and allow all where it cannot be read (fail_open), or nothing (fail_closed).
        robots: RobotsPolicy = RobotsPolicy::Ignore,
        /// A file of URLs, domains and digests (MD5, SHA-256) that are left out, one a line.
        deny_list: Option<PathBuf> = None,
        /// Allow loopback and private addresses. Off: a public list of URLs must not reach into your network.
        allow_private_addresses: bool = false,
        /// The ports that may be asked; empty: any.
        ports: Vec<u16> = FetchConfig::default().ports,
        /// DNS servers (address:port); empty: the system's.
        dns_servers: Vec<SocketAddr> = Vec::new(),
        /// An HTTP proxy for all downloads; the environment's is not used. It resolves the names, and must itself refuse
        /// those at private addresses.
        proxy: Option<String> = None,
        /// A PEM file of certificate authorities to trust beside the usual ones.
        ca_file: Option<PathBuf> = None,
        /// Whether pictures have the digests that the dataset states: off, record (a column says so) or fail.
        verify_hash: VerifyHash = VerifyHash::Off,
    }
}

section! {
    /// `[image]`
    Image {
        /// The side S in pixels; by default the model's.
        size: Option<u32> = None,
        /// The most pixels (width x height) a picture may have.
        max_pixels: u64 = 89_478_485,
        /// bicubic, as the published code; bicubic_scaled_dct is faster and gives other ids.
        resize: Resize = Resize::Bicubic,
        /// The shortest side accepted, in pixels.
        min_side: u32 = 1,
        /// The most work of decoding a picture, in seconds of a core, told by its headers.
        decode_timeout_s: f64 = ImageConfig::default().decode_timeout_s,
        /// The most bytes that decoding takes at once, over all threads; at least 1 GiB, as one picture may.
        max_memory: u64 = 2 << 30,
    }
}

section! {
    /// `[vision]`
    Vision {
        /// A model directory or `builtin:nano`.
        model: String = "builtin:nano".to_owned(),
        /// candle or onnx.
        backend: BackendChoice = BackendChoice::Candle,
        /// auto, cpu, cuda:N or cuda:all. auto is cuda:0, or the CPU where that cannot be used.
        device: DeviceChoice = DeviceChoice::Auto,
        /// f32, bf16 or f16.
        dtype: Dtype = Dtype::F32,
        /// Pictures in one batch, or auto: 32 on a CPU, on a GPU 256 or as many as its memory holds. Without effect on ids.
        batch_size: BatchSize = BatchSize::Auto,
        /// argmax or gumbel.
        selection: SelectionChoice = SelectionChoice::Argmax,
        /// The seed of the gumbel noise.
        seed: u64 = 0,
        /// Keep at least so many patches: those most likely kept. By default what the selection keeps.
        min_tokens: Option<usize> = None,
        /// Keep at most so many patches: those most likely kept. With min_tokens the same, their number is fixed.
        max_tokens: Option<usize> = None,
        /// full or packed.
        merger: Merger = Merger::Full,
        /// Threads of the CPU backend; by default all cores. Without effect on ids.
        threads: Option<usize> = None,
        /// The library of the onnx backend; by default `ORT_DYLIB_PATH`, one beside the program, in the active Python
        /// environment, or the system's.
        onnxruntime: Option<PathBuf> = None,
        /// What computes for the onnx backend: cpu, cuda or tensorrt; by default as `device` says.
        onnx_provider: Option<ProviderChoice> = None,
    }
}

/// `vision.backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// candle, on the CPU.
    Candle,
    /// ONNX Runtime, over graphs that `model export-onnx` wrote.
    Onnx,
}

/// `vision.onnx_provider`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProviderChoice {
    /// The CPU.
    Cpu,
    /// CUDA.
    Cuda,
    /// TensorRT, and CUDA for what it does not take.
    Tensorrt,
}

/// `vision.selection`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SelectionChoice {
    /// Keep a patch if that is the likelier choice.
    Argmax,
    /// Draw, with noise from (seed, key, patch).
    Gumbel,
}

section! {
    /// `[text]`
    Text {
        /// `builtin:bytes`, a tokenizer.json or a SentencePiece tokenizer.model.
        tokenizer: String = "builtin:bytes".to_owned(),
        /// The most ids of a caption; the rest is cut off.
        max_tokens: usize = 1024,
        /// Which of input.caption_columns is taken: "first" (that is there), or their weights, drawn by the row's key.
        captions: CaptionChoice = CaptionChoice::First,
        /// Write the column caption_truncated: whether the caption was cut off.
        mark_truncated: bool = false,
        /// What is done to captions first: { html_entities, whitespace, nfc }, all off.
        cleanup: Cleanup = Cleanup::default(),
    }
}

section! {
    /// `[sequence]`
    Sequence {
        /// alternate, both, image_text, text_image, or the probability of image_text.
        order: OrderPolicy = OrderPolicy::Alternate,
        /// Begin sequences with the text tokenizer's BOS.
        bos: bool = false,
        /// End sequences with its EOS.
        eos: bool = true,
        /// The probability that a text_image sequence goes without its text, for guidance without a classifier.
        text_dropout: f64 = 0.0,
        /// What becomes of a document of which an image fails: drop (it goes on without that image) or fail.
        failed_images: FailedImages = FailedImages::Drop,
        /// Pack sequences to contexts of at most so many ids, in packed/; by default they are not packed.
        pack: Option<u32> = None,
        /// best_fit, by which no picture is split, or concat, by which no room is left.
        packing: PackMethod = PackMethod::BestFit,
    }
}

section! {
    /// `[text_corpus]`
    TextCorpus {
        /// Files, globs or folders of texts: Parquet, CSV, TSV or JSONL, as in input.paths.
        paths: Vec<String> = Vec::new(),
        /// parquet, csv, tsv or jsonl; by default told from the file's name.
        format: Option<InputFormat> = None,
        /// The column of texts; by default the first known name (text, caption, ..).
        column: Option<String> = None,
        /// Texts as a part of all sequences, from 0 to 0.99.
        share: TextMix = TextMix::default(),
        /// The most ids of a text; the rest is cut off.
        max_tokens: usize = 2_047,
    }
}

section! {
    /// `[output]`
    Output {
        /// Where shards go: a folder, s3://, gs:// or az://.
        path: String = String::new(),
        /// zstd, snappy or none.
        compression: Compression = Compression::Zstd,
        /// Rows in a Parquet row group.
        row_group_rows: usize = 8_192,
        /// none, merged_f16 (what codes are quantised from), or language_model_f16 (by the merger retrained with it).
        features: Features = Features::None,
        /// Write how near the codes lead back to the encoder's features, by the model's decoder: a cosine a pair.
        reconstruction: bool = false,
        /// Pictures kept beside the shards, in a WebDataset .tar.zst a unit: none, original or resized.
        images: KeptImages = KeptImages::None,
    }
}

/// `output.compression`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// Snappy.
    Snappy,
    /// Uncompressed.
    None,
}

/// `output.features`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// Ids only.
    None,
    /// The tokenizer's merged features `[T, D]`, in half precision.
    MergedF16,
    /// Those of the merger that was retrained with the language model.
    LanguageModelF16,
}

/// `output.images`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptImages {
    /// No pictures.
    None,
    /// The files as they came.
    Original,
    /// The pixels that the model saw, as PNG: a run over them gives the same ids.
    Resized,
}

impl Config {
    /// Every key of the config: section to its keys.
    #[must_use]
    pub fn keys() -> BTreeMap<&'static str, &'static [&'static str]> {
        BTreeMap::from([
            ("input", Input::KEYS),
            ("fetch", Fetch::KEYS),
            ("image", Image::KEYS),
            ("vision", Vision::KEYS),
            ("text", Text::KEYS),
            ("sequence", Sequence::KEYS),
            ("text_corpus", TextCorpus::KEYS),
            ("output", Output::KEYS),
        ])
    }
}
