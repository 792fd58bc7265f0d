//! What can be wrong with a config: one line each, naming file, key and value, and what to do.

use img2tokens_schemas::shown;

/// A config that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{file}: {source}", file = shown(file))]
    Unreadable {
        /// The config file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{file}:{line}: not valid TOML: {message}", file = shown(file), message = shown(message))]
    Syntax {
        /// The config file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A section or key that does not exist.
    #[error("{file}: unknown {what} `{key}`{hint}", file = shown(file), key = shown(key))]
    UnknownKey {
        /// The config file, or `--set`.
        file: String,
        /// `section` or `key`.
        what: &'static str,
        /// As written, with its section.
        key: String,
        /// The nearest known one, as a question.
        hint: String,
    },
    /// A value of the wrong kind.
    #[error("{file}: {key}{value}: {message}", file = shown(file), key = shown(key), message = shown(message), value = shown(value))]
    WrongValue {
        /// The config file.
        file: String,
        /// The key, with its section.
        key: String,
        /// ` = value`, or nothing.
        value: String,
        /// What is wrong.
        message: String,
    },
    /// A key without a default is missing.
    #[error("{file}: `{key}` is not set; add it, for example: {example}", file = shown(file), key = shown(key))]
    Missing {
        /// The config file.
        file: String,
        /// The key, with its section.
        key: &'static str,
        /// A line that would do.
        example: &'static str,
    },
    /// `--set` without `key=value`.
    #[error("--set {text}: write it as section.key=value, for example --set vision.batch_size=16", text = shown(text))]
    Override {
        /// As written.
        text: String,
    },
}
