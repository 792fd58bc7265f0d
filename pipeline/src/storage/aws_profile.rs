//! Profiles of `~/.aws/credentials` and `~/.aws/config`, as AWS's own tools read them:
//! <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html>. The environment wins over them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A file is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is in neither file.
    #[error("AWS_PROFILE={profile}: there is no such profile in {} or {}", credentials.display(), config.display())]
    Unknown {
        /// The profile's name.
        profile: String,
        /// The credentials file.
        credentials: PathBuf,
        /// The config file.
        config: PathBuf,
    },
    /// It leads to credentials in a way that is not built in.
    #[error(
        "AWS profile `{profile}` has `{key}`, which is not read here; put its credentials into the environment: \
         eval \"$(aws configure export-credentials --profile {profile} --format env)\""
    )]
    Unsupported {
        /// The profile's name.
        profile: String,
        /// The key.
        key: &'static str,
    },
}

/// Keys of a profile that mean: ask someone else for credentials.
const ELSEWHERE: [&str; 6] = [
    "credential_process",
    "sso_session",
    "sso_start_url",
    "source_profile",
    "credential_source",
    "login_session",
];
/// Keys of credentials, and the client's names for them.
const CREDENTIALS: [(&str, &str); 6] = [
    ("aws_access_key_id", "aws_access_key_id"),
    ("aws_secret_access_key", "aws_secret_access_key"),
    ("aws_session_token", "aws_session_token"),
    ("web_identity_token_file", "aws_web_identity_token_file"),
    ("role_arn", "aws_role_arn"),
    ("role_session_name", "aws_role_session_name"),
];

type Profile = BTreeMap<String, String>;

/// The settings that the profile in force adds to those of the environment, given its variables.
///
/// # Errors
/// If `AWS_PROFILE` names none, or its credentials are to be had in a way that is not built in.
pub(super) fn settings(
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, ProfileError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let none_of = |names: &[&str]| names.iter().all(|name| variable(name).is_none());
    let named = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
    let Some(profile) = find(&variable, named.as_deref())? else {
        return Ok(Vec::new());
    };
    let mut settings = Vec::new();
    let mut take = |key: &str, name: &str| {
        if let Some(value) = profile.get(key) {
            settings.push((name.to_owned(), value.clone()));
        }
    };
    if none_of(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        take("region", "aws_region");
    }
    if none_of(&["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]) {
        take("endpoint_url", "aws_endpoint");
    }
    if none_of(&[
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ]) {
        for (key, name) in CREDENTIALS {
            take(key, name);
        }
        let elsewhere = ELSEWHERE.into_iter().find(|key| profile.contains_key(*key));
        if let (Some(key), false) = (elsewhere, profile.contains_key("aws_access_key_id")) {
            let profile = named.unwrap_or_else(|| "default".to_owned());
            return Err(ProfileError::Unsupported { profile, key });
        }
    }
    Ok(settings)
}

/// A profile, its entries in the credentials file over those in the config file; none if nobody named one and there is
/// no default.
fn find(
    variable: &dyn Fn(&str) -> Option<String>,
    named: Option<&str>,
) -> Result<Option<Profile>, ProfileError> {
    let file = |name: &str, default: &str| match (variable(name), variable("HOME")) {
        (Some(path), _) => Some(PathBuf::from(path)),
        (None, Some(home)) => Some(Path::new(&home).join(".aws").join(default)),
        (None, None) => None,
    };
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
    let config = file("AWS_CONFIG_FILE", "config").unwrap_or_default();
    let name = named.unwrap_or("default");
    let headings = [name.to_owned(), format!("profile {name}")];
    let mut found: Option<Profile> = None;
    for path in [&config, &credentials] {
        if let Some(section) = section(&text(path)?, &headings) {
            found.get_or_insert_default().extend(section);
        }
    }
    match named {
        Some(profile) if found.is_none() => Err(ProfileError::Unknown {
            profile: profile.to_owned(),
            credentials,
            config,
        }),
        _ => Ok(found),
    }
}

fn text(path: &Path) -> Result<String, ProfileError> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ProfileError::Unreadable {
            path: path.to_owned(),
            source: error,
        }),
        text => Ok(text.unwrap_or_default()),
    }
}

/// The entries under one of these headings. Indented lines are entries of an entry (`s3 =`), none of which is read.
fn section(text: &str, headings: &[String]) -> Option<Profile> {
    let mut found = None;
    let mut within = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix('[') {
            let heading = rest.split(']').next().unwrap_or(rest);
            let heading = heading.split_whitespace().collect::<Vec<_>>().join(" ");
            within = headings.contains(&heading);
            if within {
                found.get_or_insert_with(Profile::new);
            }
        } else if let (true, Some(profile)) = (within && !line.starts_with(char::is_whitespace), &mut found)
            && let Some((key, value)) = line.split_once('=')
            && !line.starts_with(['#', ';'])
        {
            let value = value.split(" #").next().unwrap_or(value).trim();
            profile.insert(key.trim().to_ascii_lowercase(), value.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS_FILE: &str = "# mine\n[default]\naws_access_key_id = D\naws_secret_access_key=DS\n\n\
         [team]\naws_access_key_id = T # the team's\naws_secret_access_key = TS\naws_session_token = TT\n";
    const CONFIG_FILE: &str = "[default]\nregion = eu-west-1\n[profile  team]\nregion=us-west-2\n\
         s3 =\n  region = nested\nendpoint_url = http://127.0.0.1:9\n[profile sso]\nsso_session = corp\n";

    /// The settings with these variables, in a home that has the two files above.
    fn with(variables: &[(&str, &str)]) -> Result<String, ProfileError> {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".aws");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("credentials"), CREDENTIALS_FILE).unwrap();
        std::fs::write(folder.join("config"), CONFIG_FILE).unwrap();
        let variable = |name: &str| match name {
            "HOME" => Some(home.path().display().to_string()),
            _ => variables
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned()),
        };
        let settings = settings(&variable)?;
        let lines = settings.iter().map(|(name, value)| format!("{name}={value}"));
        Ok(lines.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_default_profile_counts_where_none_is_named() {
        assert_eq!(
            with(&[]).unwrap(),
            "aws_region=eu-west-1 aws_access_key_id=D aws_secret_access_key=DS"
        );
    }

    #[test]
    fn a_named_profile_is_read_from_both_files() {
        assert_eq!(
            with(&[("AWS_PROFILE", "team")]).unwrap(),
            "aws_region=us-west-2 aws_endpoint=http://127.0.0.1:9 aws_access_key_id=T aws_secret_access_key=TS \
             aws_session_token=TT"
        );
    }

    #[test]
    fn the_environment_wins_and_keys_are_never_mixed() {
        let variables = [
            ("AWS_PROFILE", "team"),
            ("AWS_ACCESS_KEY_ID", "E"),
            ("AWS_REGION", "here"),
        ];
        assert_eq!(with(&variables).unwrap(), "aws_endpoint=http://127.0.0.1:9");
    }

    #[test]
    fn a_profile_that_is_nowhere_or_cannot_be_used_is_an_error_that_says_what_to_do() {
        let unknown = with(&[("AWS_PROFILE", "nobody")]).unwrap_err().to_string();
        assert!(
            unknown.starts_with("AWS_PROFILE=nobody: there is no such profile in "),
            "{unknown}"
        );
        let elsewhere = with(&[("AWS_PROFILE", "sso")]).unwrap_err().to_string();
        assert!(
            elsewhere.contains("`sso_session`") && elsewhere.contains("export-credentials --profile sso"),
            "{elsewhere}"
        );
        let keys_at_hand = [("AWS_PROFILE", "sso"), ("AWS_ACCESS_KEY_ID", "E")];
        assert_eq!(with(&keys_at_hand).unwrap(), "");
    }
}
