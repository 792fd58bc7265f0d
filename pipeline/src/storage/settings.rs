//! What the environment and the profiles of `~/.aws` say about a store.

use std::str::FromStr;

use super::aws_profile::{self, ProfileError};

/// A store's settings by the names its client knows, later ones over earlier ones.
#[derive(Debug)]
pub(super) struct Settings(Vec<(String, String)>);

/// Names that other tools read from the environment, beside those that the client knows.
const ALIASES: [(&str, &str); 2] = [
    ("azure_storage_account", "azure_storage_account_name"),
    ("azure_storage_key", "azure_storage_account_key"),
];

impl Settings {
    /// Of the variables of an environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`); an empty one counts as not set. Where the
    /// store is S3, also of the profile of `~/.aws` that it names.
    ///
    /// # Errors
    /// If that profile cannot be used.
    pub(super) fn read(
        variable: &dyn Fn(&str) -> Option<String>,
        names: impl Iterator<Item = String>,
        scheme: &str,
    ) -> Result<Self, ProfileError> {
        let known = |name: &String| {
            ["AWS_", "GOOGLE_", "AZURE_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        let mut settings: Vec<(String, String)> = names
            .filter(known)
            .filter_map(|name| {
                Some((
                    canonical(&name),
                    variable(&name).filter(|value| !value.is_empty())?,
                ))
            })
            .collect();
        if matches!(scheme, "s3" | "s3a") {
            settings.extend(aws_profile::settings(variable)?);
        }
        Ok(Self(settings))
    }

    /// Names and values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Gives a store's builder those that it knows.
    pub(super) fn apply<Builder, Key: FromStr>(
        &self,
        builder: Builder,
        with: impl Fn(Builder, Key, String) -> Builder,
    ) -> Builder {
        self.pairs()
            .fold(builder, |builder, (name, value)| match name.parse() {
                Ok(key) => with(builder, key, value.to_owned()),
                Err(_) => builder,
            })
    }

    /// Whether the user names an endpoint without TLS, and so wants none.
    pub(super) fn endpoint_is_plain_http(&self) -> bool {
        self.pairs()
            .any(|(name, value)| name.contains("endpoint") && value.starts_with("http://"))
    }
}

fn canonical(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let alias = ALIASES.iter().find(|(other, _)| *other == name);
    alias.map_or(name, |(_, known)| (*known).to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(variables: &[(&str, &str)], scheme: &str) -> BTreeMap<String, String> {
        let variables: BTreeMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let variable = |name: &str| variables.get(name).cloned();
        let settings = Settings::read(&variable, variables.keys().cloned(), scheme).unwrap();
        settings
            .pairs()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn the_names_of_azures_own_tools_are_known_and_empty_variables_are_not_set() {
        let read = settings(
            &[
                ("AZURE_STORAGE_ACCOUNT", "a"),
                ("AZURE_STORAGE_KEY", "k"),
                ("AWS_REGION", ""),
                ("PATH", "/bin"),
            ],
            "az",
        );
        let expected = [
            ("azure_storage_account_name", "a"),
            ("azure_storage_account_key", "k"),
        ];
        assert_eq!(
            read,
            expected.map(|(name, value)| (name.into(), value.into())).into()
        );
    }
}
