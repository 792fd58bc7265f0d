//! From a file and `--set` options to a checked config.

use std::path::Path;

use img2tokens_schemas::read_regular_text;
use toml::{Table, Value};

use super::{Config, ConfigError};

/// The longest config, in bytes: one is a page or two, and what is longer is another file.
pub const MAX_BYTES: u64 = 1 << 20;

/// One `--set section.key=value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    section: String,
    key: String,
    value: Value,
}

impl std::str::FromStr for Override {
    type Err = ConfigError;

    /// The value is read as TOML; what is not TOML is a string, so that `--set output.path=out` works unquoted.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let malformed = || ConfigError::Override {
            text: text.to_owned(),
        };
        let (name, value) = text.split_once('=').ok_or_else(malformed)?;
        let (section, key) = name.trim().split_once('.').ok_or_else(malformed)?;
        let value = value.trim();
        let parsed = format!("value = {value}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("value"));
        Ok(Self {
            section: section.to_owned(),
            key: key.to_owned(),
            value: parsed.unwrap_or_else(|| Value::String(value.to_owned())),
        })
    }
}

/// Reads `file`, lays `overrides` over it, and checks the whole.
///
/// # Errors
/// One line that names the file and the key at fault.
pub fn read(file: &Path, overrides: &[Override]) -> Result<Config, ConfigError> {
    let name = file.display().to_string();
    let text = read_regular_text(file, MAX_BYTES).map_err(|source| ConfigError::Unreadable {
        file: name.clone(),
        source,
    })?;
    parse(&name, &text, overrides)
}

/// The same of the text of the file `name`.
///
/// # Errors
/// As [`read`].
pub fn parse(name: &str, text: &str, overrides: &[Override]) -> Result<Config, ConfigError> {
    let mut table = text.parse::<Table>().map_err(|error| ConfigError::Syntax {
        file: name.to_owned(),
        line: error.span().map_or(1, |span| {
            1 + text[..span.start.min(text.len())].matches('\n').count()
        }),
        message: error.message().to_owned(),
    })?;
    for change in overrides {
        let section = table
            .entry(&change.section)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(change.key.clone(), change.value.clone());
        }
    }
    refuse_unknown(name, &table)?;
    let config = decode(name, &table)?;
    super::validate::validate(name, &config)?;
    Ok(config)
}

fn decode(file: &str, table: &Table) -> Result<Config, ConfigError> {
    serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|error| {
        let key = error.path().to_string();
        let value = key
            .split_once('.')
            .and_then(|(section, key)| table.get(section)?.get(key))
            .map_or_else(String::new, |value| format!(" = {value}"));
        ConfigError::WrongValue {
            file: file.to_owned(),
            key,
            value,
            message: plain(error.inner()),
        }
    })
}

/// The parser's message on one line.
fn plain(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

fn refuse_unknown(file: &str, table: &Table) -> Result<(), ConfigError> {
    let sections = Config::keys();
    for (section, value) in table {
        let Some(keys) = sections.get(section.as_str()) else {
            return Err(unknown(
                file,
                "section",
                section.clone(),
                sections.keys().map(|name| (*name).to_owned()),
            ));
        };
        for key in value.as_table().into_iter().flat_map(Table::keys) {
            if !keys.contains(&key.as_str()) {
                let known = sections
                    .iter()
                    .flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}")));
                return Err(unknown(file, "key", format!("{section}.{key}"), known));
            }
        }
    }
    Ok(())
}

fn unknown(file: &str, what: &'static str, key: String, known: impl Iterator<Item = String>) -> ConfigError {
    let nearest = known
        .map(|name| (strsim::damerau_levenshtein(&name, &key), name))
        .min()
        .filter(|(distance, _)| *distance <= key.len().max(4) / 2);
    let hint = nearest.map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"));
    ConfigError::UnknownKey {
        file: file.to_owned(),
        what,
        key,
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, overrides: &[&str]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.toml");
        std::fs::write(&file, text).unwrap();
        let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
        read(&file, &overrides).map_err(|error| error.to_string())
    }

    const LEAST: &str = "[input]\npaths = [\"a.parquet\"]\n[output]\npath = \"out\"\n";

    #[test]
    fn the_least_config_is_two_keys_and_the_rest_has_defaults() {
        let config = read_text(LEAST, &[]).unwrap();
        assert_eq!(config.input.paths, ["a.parquet"]);
        assert_eq!(config.vision, super::super::Vision::default());
    }

    #[test]
    fn an_unknown_key_names_file_key_and_the_nearest_known_one() {
        let error = read_text(&format!("{LEAST}[fetch]\nconcurency = 3\n"), &[]).unwrap_err();
        assert!(
            error.ends_with("run.toml: unknown key `fetch.concurency`; did you mean `fetch.concurrency`?"),
            "{error}"
        );
        let error = read_text(&format!("{LEAST}[vison]\nmodel = \"x\"\n"), &[]).unwrap_err();
        assert!(
            error.ends_with("unknown section `vison`; did you mean `vision`?"),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_value_names_key_and_value() {
        let error = read_text(&format!("{LEAST}[fetch]\nconcurrency = \"many\"\n"), &[]).unwrap_err();
        assert!(error.contains("fetch.concurrency = \"many\""), "{error}");
        let error = read_text(&format!("{LEAST}[vision]\ndevice = \"tpu\"\n"), &[]).unwrap_err();
        assert!(
            error.contains("vision.device") && error.contains("auto, cpu, cuda:N, cuda:all"),
            "{error}"
        );
        let error = read_text(&format!("{LEAST}[fetch]\nconcurrency = 0\n"), &[]).unwrap_err();
        assert!(error.contains("fetch.concurrency = 0"), "{error}");
    }

    #[test]
    fn broken_toml_names_its_line() {
        let error = read_text("[input]\npaths = [\n[output", &[]).unwrap_err();
        assert!(error.contains("run.toml:"), "{error}");
    }

    #[test]
    fn missing_input_and_output_say_what_to_write() {
        assert!(
            read_text("[output]\npath = \"out\"\n", &[])
                .unwrap_err()
                .contains("`input.paths` is not set")
        );
        assert!(
            read_text("[input]\npaths = [\"a\"]\n", &[])
                .unwrap_err()
                .contains("`output.path` is not set")
        );
    }

    #[test]
    fn set_lays_over_the_file_with_and_without_quotes() {
        let config = read_text(
            LEAST,
            &[
                "output.path=elsewhere",
                "vision.batch_size=7",
                "sequence.order=0.25",
            ],
        )
        .unwrap();
        assert_eq!(config.output.path, "elsewhere");
        assert_eq!(config.vision.batch_size, crate::config::BatchSize::Pictures(7));
        assert_eq!(
            config.sequence.order,
            img2tokens_sequence::OrderPolicy::Probability(0.25)
        );
        assert!("batch=7".parse::<Override>().is_err());
    }
}
