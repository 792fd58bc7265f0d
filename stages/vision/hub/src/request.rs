//! What is asked of the hub.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use crate::{HubError, Part};

/// A model, at a revision, with these further parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The repository.
    pub repository: Repository,
    /// Its revision.
    pub revision: Revision,
    /// What is wanted besides the tokenizer.
    pub parts: Vec<Part>,
}

/// The name of a repository, `ORGANISATION/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub(crate) organisation: String,
    pub(crate) name: String,
}

impl Repository {
    /// The steps below the endpoint to what the hub says of a revision.
    pub(crate) fn info<'a>(&'a self, revision: &'a Revision) -> [&'a str; 6] {
        [
            "api",
            "models",
            &self.organisation,
            &self.name,
            "revision",
            revision.as_str(),
        ]
    }

    /// The steps below the endpoint to a file at a commit.
    pub(crate) fn file<'a>(&'a self, commit: &'a str, file: &'a str) -> impl Iterator<Item = &'a str> {
        [&self.organisation, &self.name, "resolve", commit]
            .into_iter()
            .chain(file.split('/'))
    }
}

impl FromStr for Repository {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let is_word = |word: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            word.bytes().all(known) && word.bytes().any(|byte| byte != b'.')
        };
        match text.split_once('/') {
            Some((organisation, name)) if is_word(organisation) && is_word(name) => Ok(Self {
                organisation: organisation.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(HubError::RepositoryName(text.to_owned())),
        }
    }
}

impl Display for Repository {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.organisation, self.name)
    }
}

/// A branch, a tag or a commit. It is a path below the cache's `refs`, so it may not lead out of there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a commit's full id.
    pub(crate) fn is_commit(&self) -> bool {
        is_commit(&self.0)
    }
}

impl FromStr for Revision {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let is_step = |step: &str| !matches!(step, "" | "." | "..");
        let is_path = text.split('/').all(is_step) && !text.contains(['\\', '\0']);
        if is_path {
            Ok(Self(text.to_owned()))
        } else {
            Err(HubError::RevisionName(text.to_owned()))
        }
    }
}

impl Display for Revision {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Whether this is the full id of a git commit.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for name in ["rain1011", "a/b/c", "/b", "a/", "a/..", "../b", "a/b?c", "a b/c"] {
            assert!(name.parse::<Repository>().is_err(), "{name}");
        }
        for name in ["", "/main", "a//b", "../x", "refs/../../x", "."] {
            assert!(name.parse::<Revision>().is_err(), "{name}");
        }
        assert!("rain1011/LaVIT-7B-v2".parse::<Repository>().is_ok());
        assert!("refs/pr/1".parse::<Revision>().is_ok());
    }
}
