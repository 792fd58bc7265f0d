//! What a user names when naming a model.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::CheckpointError;
use crate::ModelConfig;

const BUILTIN: &str = "builtin:";

/// Where a model is to be had.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelSource {
    /// A small model of the LaVIT architecture whose weights are generated, the same on every machine. It needs no
    /// files; its ids mean nothing to a language model.
    Nano,
    /// A directory with `model.safetensors`, or one laid out as `rain1011/LaVIT-7B-v2`.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Its shapes. Without them the directory's `config.json` counts, and without that the published size does for
        /// the published files.
        config: Option<ModelConfig>,
    },
}

/// A name after `builtin:` that is no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown model `builtin:{0}` (known: builtin:nano)")]
pub struct UnknownBuiltin(pub String);

impl ModelSource {
    /// The same model with the shapes of this `config.json`, instead of those that its directory says or implies.
    ///
    /// # Errors
    /// If the file cannot be read, or its numbers are no model; or if the model is generated, whose shapes are fixed.
    pub fn with_config_file(self, file: &Path) -> Result<Self, CheckpointError> {
        let Self::Directory { path, .. } = self else {
            return Err(CheckpointError::FixedConfig {
                path: file.to_owned(),
                model: self.to_string(),
            });
        };
        Ok(Self::Directory {
            path,
            config: Some(ModelConfig::read(file)?),
        })
    }
}

impl FromStr for ModelSource {
    type Err = UnknownBuiltin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(BUILTIN) {
            Some("nano") => Ok(Self::Nano),
            Some(other) => Err(UnknownBuiltin(other.to_owned())),
            None => Ok(Self::Directory {
                path: text.into(),
                config: None,
            }),
        }
    }
}

impl std::fmt::Display for ModelSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nano => write!(formatter, "{BUILTIN}nano"),
            Self::Directory { path, .. } => path.display().fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_builtin_or_a_path() {
        assert_eq!("builtin:nano".parse(), Ok(ModelSource::Nano));
        assert_eq!(
            "builtin:pico".parse::<ModelSource>(),
            Err(UnknownBuiltin("pico".to_owned()))
        );
        let directory = ModelSource::Directory {
            path: "/models/lavit".into(),
            config: None,
        };
        assert_eq!("/models/lavit".parse(), Ok(directory.clone()));
        assert_eq!(directory.to_string(), "/models/lavit");
    }
}
