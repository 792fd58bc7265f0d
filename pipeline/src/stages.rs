//! The stages, built from the config once and shared by everything that runs.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use img2tokens_fetch::{FetchConfig, Fetcher};
use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::Vocabulary;
use img2tokens_sequence::{PackConfig, PackMethod, SequenceConfig, SequenceStage};
use img2tokens_source::{Source, SourceConfig};
use img2tokens_text::{TextConfig, TextStage};
use img2tokens_vision::ModelConfig;

use crate::config::{Config, FailedImages, Fetch, Image, Input, KeptImages, Text, TextCorpus, VerifyHash};
use crate::packing::pack_config;
use crate::run::Captions;

/// Everything that works on pairs, but for the model, which one thread owns.
pub struct Stages {
    /// Reads rows.
    pub source: Arc<Source>,
    /// Downloads.
    pub fetch: Fetcher,
    /// Decodes and resizes.
    pub image: ImageStage,
    /// Encodes captions.
    pub text: TextStage,
    /// Chooses captions.
    pub captions: Captions,
    /// Assembles sequences.
    pub sequence: SequenceStage,
    /// How sequences are packed, if they are.
    pub packing: Option<PackConfig>,
    /// What the digests that datasets state are good for.
    pub verify_hash: VerifyHash,
    /// Which pictures are kept.
    pub keep_images: KeptImages,
    /// What becomes of documents of which an image fails.
    pub failed_images: FailedImages,
}

/// A stage that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// No HTTP client.
    #[error("the downloader cannot be set up")]
    Fetch(#[from] img2tokens_fetch::FetchSetupError),
    /// No text tokenizer.
    #[error("text.tokenizer = {tokenizer:?} cannot be used")]
    Text {
        /// As configured.
        tokenizer: String,
        /// Why.
        source: img2tokens_text::TextSetupError,
    },
    /// The text tokenizer lacks what sequences need.
    #[error(transparent)]
    Sequence(#[from] img2tokens_sequence::SequenceError),
    /// The picture size differs from the model's.
    #[error("image.size = {size}, but the model takes {model} pixels; leave image.size out")]
    Size {
        /// As configured.
        size: u32,
        /// The model's.
        model: u32,
    },
    /// Contexts shorter than a picture.
    #[error(
        "sequence.pack = {length}, but a picture may have {picture} ids and is not split by best_fit; take a longer context, \
         or sequence.packing = \"concat\""
    )]
    Pack {
        /// As configured.
        length: usize,
        /// The most ids of a picture, `[IMG]` and `[/IMG]` included.
        picture: usize,
    },
}

impl Stages {
    /// Builds all stages for a model.
    ///
    /// # Errors
    /// If one of them cannot be built as configured.
    pub fn new(config: &Config, model: &ModelConfig) -> Result<Self, StageError> {
        let text = open_text(&config.text, config.text.max_tokens)?;
        let vocabulary = vocabulary(&text, model);
        let sequence = SequenceConfig {
            order: config.sequence.order,
            bos: config.sequence.bos,
            eos: config.sequence.eos,
            text_dropout: config.sequence.text_dropout,
            ..SequenceConfig::default()
        };
        sequence.validate(&vocabulary)?;
        let packing = pack_config(&config.sequence);
        check_packing(packing, config, model)?;
        Ok(Self {
            source: Arc::new(Source::new(source_config(&config.input))),
            fetch: Fetcher::new(fetch_config(&config.fetch))?,
            image: ImageStage::new(image_config(&config.image, model)?),
            captions: Captions::new(&config.input, &config.text, sequence.seed),
            sequence: SequenceStage::new(sequence, vocabulary),
            packing,
            text,
            verify_hash: config.fetch.verify_hash,
            keep_images: config.output.images,
            failed_images: config.sequence.failed_images,
        })
    }
}

/// No picture may be longer than a context, if none is to be split.
fn check_packing(
    packing: Option<PackConfig>,
    config: &Config,
    model: &ModelConfig,
) -> Result<(), StageError> {
    let patches = (model.image_size / model.patch_size).pow(2);
    // A picture's codes stand between [IMG] and [/IMG].
    let picture = config.vision.max_tokens.map_or(patches, |most| most.min(patches)) + 2;
    match packing {
        Some(PackConfig {
            method: PackMethod::BestFit,
            length,
            ..
        }) if length < picture => Err(StageError::Pack { length, picture }),
        _ => Ok(()),
    }
}

/// The layout of ids over a text tokenizer and a model's codebook.
#[must_use]
pub fn vocabulary(text: &TextStage, model: &ModelConfig) -> Vocabulary {
    Vocabulary {
        text_size: text.vocabulary_size(),
        codebook_size: model.codebook_size as u32,
        bos: text.bos(),
        eos: text.eos(),
    }
}

/// The source's settings.
#[must_use]
pub fn source_config(input: &Input) -> SourceConfig {
    SourceConfig {
        format: input.format,
        url_column: input.url_column.clone(),
        text_column: input.text_column.clone(),
        caption_columns: input.caption_columns.clone(),
        key_column: input.key_column.clone(),
        digest_column: input.digest_column.clone(),
        images_column: input.images_column.clone(),
        texts_column: input.texts_column.clone(),
        max_images: input.max_images,
        quoting: input.quoting,
        keep_columns: input.keep_columns.clone(),
        filters: input.filters.clone(),
        unit_rows: NonZeroU64::new(input.unit_rows).unwrap_or(NonZeroU64::MIN),
        ..SourceConfig::default()
    }
}

/// The settings by which texts of a corpus are read.
#[must_use]
pub fn corpus_config(corpus: &TextCorpus, input: &Input) -> SourceConfig {
    SourceConfig {
        format: corpus.format,
        texts_alone: true,
        text_column: corpus.column.clone(),
        unit_rows: NonZeroU64::new(input.unit_rows).unwrap_or(NonZeroU64::MIN),
        ..SourceConfig::default()
    }
}

/// The text stage, for captions or texts of at most so many ids.
///
/// # Errors
/// If the tokenizer cannot be used.
pub fn open_text(text: &Text, max_tokens: usize) -> Result<TextStage, StageError> {
    let config = TextConfig {
        tokenizer: text.tokenizer.clone(),
        max_tokens,
        cleanup: text.cleanup,
    };
    TextStage::open(&config).map_err(|source| StageError::Text {
        tokenizer: text.tokenizer.clone(),
        source,
    })
}

/// The downloader's settings. Whoever lets an attempt take longer than the default means slow servers: the waits within
/// it grow in proportion.
#[must_use]
pub fn fetch_config(fetch: &Fetch) -> FetchConfig {
    let default = FetchConfig::default();
    let timeout = Duration::from_secs_f64(fetch.timeout_s);
    let longer = timeout.div_duration_f64(default.timeout).max(1.0);
    FetchConfig {
        concurrency: fetch.concurrency,
        per_host: fetch.per_host,
        per_address: fetch.per_address,
        host_wait: Duration::from_secs_f64(fetch.host_wait_s),
        connect_timeout: default.connect_timeout.mul_f64(longer),
        first_byte_timeout: default.first_byte_timeout.mul_f64(longer),
        stall_timeout: default.stall_timeout.mul_f64(longer),
        timeout,
        retries: fetch.retries,
        max_retry_after: Duration::from_secs_f64(fetch.max_retry_after_s),
        breaker_failures: fetch.breaker_failures,
        max_bytes: fetch.max_bytes,
        max_bytes_in_flight: fetch.max_bytes_in_flight,
        max_redirects: fetch.max_redirects,
        user_agent: fetch.user_agent.clone(),
        respect_opt_out: fetch.respect_opt_out,
        allow_private_addresses: fetch.allow_private_addresses,
        ports: fetch.ports.clone(),
        robots: fetch.robots,
        deny_list: fetch.deny_list.clone(),
        dns_servers: fetch.dns_servers.clone(),
        proxy: fetch.proxy.clone(),
        ca_file: fetch.ca_file.clone(),
        headers: fetch.headers.clone().into_iter().collect(),
        ..default
    }
}

/// The image stage's settings, given the size the model takes.
///
/// # Errors
/// If `image.size` differs from the model's.
pub fn image_config(image: &Image, model: &ModelConfig) -> Result<ImageConfig, StageError> {
    let size = model.image_size as u32;
    match image.size {
        Some(wanted) if wanted != size => Err(StageError::Size {
            size: wanted,
            model: size,
        }),
        _ => Ok(ImageConfig {
            size,
            max_pixels: image.max_pixels,
            min_side: image.min_side,
            decode_timeout_s: image.decode_timeout_s,
            resize: image.resize,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_attempt_has_longer_waits_and_a_shorter_one_the_usual() {
        let of = |timeout_s| {
            let config = fetch_config(&Fetch {
                timeout_s,
                ..Fetch::default()
            });
            [
                config.connect_timeout,
                config.first_byte_timeout,
                config.stall_timeout,
            ]
            .map(|wait| wait.as_secs())
        };
        assert_eq!(
            [of(1.0), of(30.0), of(120.0)],
            [[5, 10, 10], [5, 10, 10], [20, 40, 40]]
        );
    }

    #[test]
    fn without_a_word_only_the_ports_of_the_web_are_asked() {
        assert_eq!(fetch_config(&Fetch::default()).ports, [80, 443, 8080, 8443]);
    }
}
