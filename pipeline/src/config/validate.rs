//! Values that have the right type and still cannot be.

use img2tokens_image::MAX_DECODE_BYTES;
use img2tokens_sequence::{CaptionChoice, OrderPolicy, TextMix};

use super::{Config, ConfigError};

/// Checks what types cannot.
pub(super) fn validate(file: &str, config: &Config) -> Result<(), ConfigError> {
    let missing = |key, example| {
        Err(ConfigError::Missing {
            file: file.to_owned(),
            key,
            example,
        })
    };
    if config.input.paths.is_empty() {
        return missing("input.paths", "paths = [\"laion/*.parquet\"]");
    }
    if config.output.path.is_empty() {
        return missing("output.path", "path = \"tokens\"");
    }
    let wrong = |key: &str, value: String, message: &str| Err(wrong_value(file, key, &value, message));
    let positive = [
        ("input.unit_rows", config.input.unit_rows),
        ("input.max_images", config.input.max_images as u64),
        ("fetch.concurrency", config.fetch.concurrency as u64),
        ("fetch.per_host", config.fetch.per_host as u64),
        ("fetch.max_bytes", config.fetch.max_bytes),
        ("image.max_pixels", config.image.max_pixels),
        ("vision.threads", config.vision.threads.unwrap_or(1) as u64),
        ("vision.max_tokens", config.vision.max_tokens.unwrap_or(1) as u64),
        ("text.max_tokens", config.text.max_tokens as u64),
        ("text_corpus.max_tokens", config.text_corpus.max_tokens as u64),
        ("sequence.pack", config.sequence.pack.unwrap_or(1).into()),
        ("output.row_group_rows", config.output.row_group_rows as u64),
    ];
    if let Some((key, value)) = positive.into_iter().find(|(_, value)| *value == 0) {
        return wrong(key, value.to_string(), "it must be at least 1");
    }
    let seconds = [
        ("fetch.timeout_s", config.fetch.timeout_s),
        ("fetch.host_wait_s", config.fetch.host_wait_s),
        ("fetch.max_retry_after_s", config.fetch.max_retry_after_s),
        ("image.decode_timeout_s", config.image.decode_timeout_s),
    ];
    if let Some((key, value)) = seconds
        .into_iter()
        .find(|(_, value)| !(*value > 0.0 && *value < 86_400.0))
    {
        return wrong(
            key,
            value.to_string(),
            "it must be above 0 and below 86400 seconds",
        );
    }
    if config.image.max_memory < MAX_DECODE_BYTES {
        let message = format!("it must be at least {MAX_DECODE_BYTES}, as much as one picture may take");
        return wrong("image.max_memory", config.image.max_memory.to_string(), &message);
    }
    validate_sequences(file, config)
}

/// Of captions, sequences and the texts among them.
fn validate_sequences(file: &str, config: &Config) -> Result<(), ConfigError> {
    let wrong = |key: &str, value: String, message: &str| Err(wrong_value(file, key, &value, message));
    if let OrderPolicy::Probability(probability) = config.sequence.order
        && !(0.0..=1.0).contains(&probability)
    {
        return wrong(
            "sequence.order",
            probability.to_string(),
            "a probability lies between 0 and 1",
        );
    }
    if !(0.0..=1.0).contains(&config.sequence.text_dropout) {
        let value = config.sequence.text_dropout.to_string();
        return wrong(
            "sequence.text_dropout",
            value,
            "a probability lies between 0 and 1",
        );
    }
    let corpus = &config.text_corpus;
    if corpus.paths.is_empty() != (corpus.share == TextMix::default()) {
        let message = "text_corpus.paths and text_corpus.share go together: set both, or neither";
        return wrong("text_corpus.share", f64::from(corpus.share).to_string(), message);
    }
    let columns = &config.input.caption_columns;
    if let Some(text_column) = config.input.text_column.as_ref().filter(|_| !columns.is_empty()) {
        let message = "it cannot be set beside input.caption_columns; name it among them";
        return wrong("input.text_column", format!("{text_column:?}"), message);
    }
    validate_documents(file, config)?;
    if let CaptionChoice::Mix(weights) = &config.text.captions
        && weights.len() != columns.len()
    {
        let message = format!(
            "input.caption_columns names {} columns, and each needs a weight",
            columns.len()
        );
        return wrong("text.captions", format!("{weights:?}"), &message);
    }
    Ok(())
}

/// The columns of documents stand beside none of a pair's.
fn validate_documents(file: &str, config: &Config) -> Result<(), ConfigError> {
    let input = &config.input;
    if input.images_column.is_none() && input.texts_column.is_none() {
        return Ok(());
    }
    let of_pairs = [
        ("input.url_column", input.url_column.clone()),
        ("input.text_column", input.text_column.clone()),
        ("input.digest_column", input.digest_column.clone()),
        ("input.caption_columns", input.caption_columns.first().cloned()),
    ];
    match of_pairs.into_iter().find_map(|(key, name)| Some((key, name?))) {
        Some((key, name)) => {
            let message = "it is of pairs, and input.images_column and input.texts_column are of documents; leave out one \
                           or the other";
            Err(wrong_value(file, key, &format!("{name:?}"), message))
        }
        None => Ok(()),
    }
}

fn wrong_value(file: &str, key: &str, value: &str, message: &str) -> ConfigError {
    ConfigError::WrongValue {
        file: file.to_owned(),
        key: key.to_owned(),
        value: format!(" = {value}"),
        message: message.to_owned(),
    }
}
