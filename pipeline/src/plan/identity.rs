//! What a unit's content depends on, and nothing else: two runs with equal identities write equal bytes.

use img2tokens_vision::ModelConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Config;
use crate::model::{self, Model, ModelError};
use crate::stages::{Stages, fetch_config};
use crate::storage::public_name;

/// The settings of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Every config key that changes what is written; speed (concurrency, batch size, threads, device) is left out.
    pub settings: Value,
    /// Who asks for pictures, and which are not asked for.
    pub fetch: FetchIdentity,
    /// The model.
    pub model: ModelIdentity,
    /// The text tokenizer's digest.
    pub tokenizer: String,
    /// The number of input rows taken, if not all.
    pub limit: Option<u64>,
}

/// What of fetching is no setting as it stands in the config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchIdentity {
    /// The name by which opt-outs and robots.txt address us; the rest of the user agent is a contact.
    pub agent: String,
    /// The digest of the deny list: where it lies does not matter, what stands in it does.
    pub deny_list: Option<String>,
}

impl FetchIdentity {
    fn new(config: &Config, deny_list: Option<String>) -> Self {
        Self {
            agent: fetch_config(&config.fetch).agent_name().to_owned(),
            deny_list,
        }
    }
}

/// Which model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The digest of its tensors.
    pub digest: String,
    /// The digest of the model with the language model's merger, where the output has features of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_merger: Option<String>,
    /// The digest of its decoder, where the output says how near codes lead back to features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// Its dimensions.
    pub config: ModelConfig,
}

impl Identity {
    /// The identity of a run. Reads all weights once.
    ///
    /// # Errors
    /// If the model cannot be read.
    pub fn new(
        config: &Config,
        model: &Model,
        stages: &Stages,
        limit: Option<u64>,
    ) -> Result<Self, ModelError> {
        let extras = model::extras(&config.output);
        let model = ModelIdentity {
            digest: model.digest()?,
            feature_merger: model.feature_merger_digest(extras)?,
            decoder: model.decoder_digest(extras)?,
            config: model.config().clone(),
        };
        Ok(Self {
            settings: settings(config),
            fetch: FetchIdentity::new(config, stages.fetch.deny_list_digest()),
            model,
            tokenizer: stages.text.digest(),
            limit,
        })
    }

    /// The hash of all of it.
    #[must_use]
    pub fn hash(&self) -> String {
        let text = json!(self).to_string();
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// The settings that differ in `other`, one line each.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        compare("", &json!(self), &json!(other), &mut changes);
        changes
    }
}

fn settings(config: &Config) -> Value {
    let (mut input, mut text_corpus) = (json!(config.input), json!(config.text_corpus));
    input["paths"] = public(&config.input.paths);
    text_corpus["paths"] = public(&config.text_corpus.paths);
    let (fetch, image, vision, output) = (&config.fetch, &config.image, &config.vision, &config.output);
    json!({
        "input": input,
        "fetch": {
            "max_bytes": fetch.max_bytes,
            "respect_opt_out": fetch.respect_opt_out,
            "allow_private_addresses": fetch.allow_private_addresses,
            "max_redirects": fetch.max_redirects,
            "ports": fetch.ports,
            "robots": fetch.robots,
            "verify_hash": fetch.verify_hash,
        },
        "image": {
            "size": image.size,
            "max_pixels": image.max_pixels,
            "resize": image.resize,
            "min_side": image.min_side,
            "decode_timeout_s": image.decode_timeout_s,
        },
        "vision": {
            "backend": vision.backend,
            "dtype": vision.dtype,
            "selection": vision.selection,
            "seed": vision.seed,
            "merger": vision.merger,
            "min_tokens": vision.min_tokens,
            "max_tokens": vision.max_tokens,
        },
        "text": {
            "max_tokens": config.text.max_tokens,
            "cleanup": config.text.cleanup,
            "captions": config.text.captions,
            "mark_truncated": config.text.mark_truncated,
        },
        "sequence": config.sequence,
        "text_corpus": text_corpus,
        "output": {
            "compression": output.compression,
            "row_group_rows": output.row_group_rows,
            "features": output.features,
            "reconstruction": output.reconstruction,
            "images": output.images,
        },
    })
}

/// Locations as they may stand in what is published.
fn public(locations: &[String]) -> Value {
    locations.iter().map(|location| public_name(location)).collect()
}

fn compare(path: &str, planned: &Value, now: &Value, changes: &mut Vec<String>) {
    if let (Value::Object(planned), Value::Object(now)) = (planned, now) {
        for (key, value) in planned {
            let path = format!("{path}.{key}");
            compare(&path, value, now.get(key).unwrap_or(&Value::Null), changes);
        }
    } else if planned != now {
        let path = path.trim_start_matches(".settings").trim_start_matches('.');
        changes.push(format!("{path}: planned {planned}, now {now}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(config: &Config) -> Identity {
        Identity {
            settings: settings(config),
            fetch: FetchIdentity::new(config, None),
            model: ModelIdentity {
                digest: "d".to_owned(),
                feature_merger: None,
                decoder: None,
                config: ModelConfig::lavit(),
            },
            tokenizer: "t".to_owned(),
            limit: None,
        }
    }

    #[test]
    fn speed_is_no_part_of_the_identity_and_content_is() {
        let planned = identity(&Config::default());
        let mut config = Config::default();
        config.vision.batch_size = crate::config::BatchSize::Pictures(7);
        config.vision.threads = Some(1);
        config.fetch.concurrency = 3;
        config.image.max_memory = 7 << 30;
        assert_eq!(identity(&config).hash(), planned.hash());
        assert_eq!(
            settings(&Config::deserialize(&planned.settings).unwrap()),
            planned.settings
        );
        config.vision.seed = 9;
        config.sequence.bos = true;
        config.image.decode_timeout_s = 9.0;
        assert_ne!(identity(&config).hash(), planned.hash());
        assert_eq!(
            planned.changes(&identity(&config)),
            [
                "image.decode_timeout_s: planned 10.0, now 9.0",
                "sequence.bos: planned false, now true",
                "vision.seed: planned 0, now 9"
            ]
        );
    }

    #[test]
    fn who_asks_and_what_is_denied_are_parts_of_the_identity_and_the_contact_is_not() {
        let mut config = Config::default();
        let of = |config: &Config, deny_list: &str| {
            let fetch = FetchIdentity::new(config, Some(deny_list.to_owned()));
            Identity {
                fetch,
                ..identity(config)
            }
        };
        let planned = of(&config, "a");
        config.fetch.deny_list = Some("elsewhere".into());
        config.fetch.user_agent = "img2tokens/9 (+mailto:data@example.org)".to_owned();
        assert_eq!(of(&config, "a"), planned);
        let changes = planned.changes(&of(&config, "b"));
        assert_eq!(changes, ["fetch.deny_list: planned \"a\", now \"b\""]);
        config.fetch.user_agent = "other/9".to_owned();
        assert_ne!(of(&config, "a"), planned);
    }
}
