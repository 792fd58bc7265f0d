//! What the environment says of the hub, read as Python's `huggingface_hub` reads it.

use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::HubError;

/// The public hub.
const ENDPOINT: &str = "https://huggingface.co";

/// Which hub, as whom, and where its files are kept.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `HF_ENDPOINT`
    pub(crate) endpoint: Url,
    /// `HF_TOKEN`, else what the file `HF_TOKEN_PATH` holds, else the file `token` in the hub's home.
    pub(crate) token: Option<String>,
    /// `HF_HUB_CACHE`, else `hub` in the hub's home.
    pub(crate) cache: PathBuf,
    /// `HF_HUB_OFFLINE`
    pub(crate) is_offline: bool,
}

impl Settings {
    /// What these variables say.
    ///
    /// # Errors
    /// If the endpoint is no URL of a hub.
    pub(crate) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let user = set("HOME").map(PathBuf::from).unwrap_or_default();
        let path = |name: &str| set(name).map(|value| from_home(&value, &user));
        let home = path("HF_HOME")
            .or_else(|| Some(path("XDG_CACHE_HOME")?.join("huggingface")))
            .unwrap_or_else(|| user.join(".cache").join("huggingface"));
        let in_file = |path: PathBuf| {
            let text = std::fs::read_to_string(path).ok()?;
            Some(text.trim().to_owned()).filter(|token| !token.is_empty())
        };
        let token = set("HF_TOKEN")
            .or_else(|| in_file(path("HF_TOKEN_PATH")?))
            .or_else(|| in_file(home.join("token")));
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        Ok(Self {
            endpoint: endpoint(set("HF_ENDPOINT").as_deref().unwrap_or(ENDPOINT))?,
            token: token
                .filter(|_| !set("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_true(&value))),
            cache: cache.unwrap_or_else(|| home.join("hub")),
            is_offline: set("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
        })
    }
}

/// A hub is named by where it is; who asks is what the token says.
fn endpoint(text: &str) -> Result<Url, HubError> {
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(HubError::EndpointUser),
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(HubError::Endpoint(text.to_owned())),
    }
}

fn from_home(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    }
}

fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, HubError> {
        Settings::read(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn switches_read_as_in_python() {
        assert!(["1", "ON", "Yes", "true"].into_iter().all(is_true));
        assert!(!["0", "", "off", "2"].into_iter().any(is_true));
    }

    #[test]
    fn the_cache_lies_where_the_nearest_variable_says() {
        let cache = |variables: &[(&str, &str)]| read(variables).unwrap().cache;
        let home = ("HOME", "/home/a");
        assert_eq!(cache(&[home]), Path::new("/home/a/.cache/huggingface/hub"));
        assert_eq!(
            cache(&[home, ("XDG_CACHE_HOME", "/x")]),
            Path::new("/x/huggingface/hub")
        );
        assert_eq!(cache(&[home, ("HF_HOME", "~/hf")]), Path::new("/home/a/hf/hub"));
        assert_eq!(
            cache(&[home, ("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]),
            Path::new("/c")
        );
    }

    #[test]
    fn a_token_is_not_sent_unasked_where_that_is_switched_off() {
        let token = ("HF_TOKEN", "hf_secret");
        assert_eq!(read(&[token]).unwrap().token.as_deref(), Some("hf_secret"));
        assert_eq!(
            read(&[token, ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")])
                .unwrap()
                .token,
            None
        );
    }

    #[test]
    fn an_endpoint_is_a_web_address_without_a_password_and_none_is_shown() {
        for text in ["no url", "ftp://host", "file:///etc"] {
            assert!(
                matches!(read(&[("HF_ENDPOINT", text)]), Err(HubError::Endpoint(_))),
                "{text}"
            );
        }
        let error = read(&[("HF_ENDPOINT", "https://user:secret@hub.example")]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
