//! From what a user writes (a folder, s3://, gs://, az://, http://) to the store behind it.

mod aws_profile;
mod connector;
mod credentials;
mod public_name;
mod settings;
mod stores;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use img2tokens_schemas::{redact, shown};
use img2tokens_shard::Destination;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, ObjectStore};
use url::Url;

pub use aws_profile::ProfileError;
use connector::Connector;
pub use public_name::public_name;
use settings::Settings;

/// A location that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It is not a location.
    #[error("`{location}` is no location: {message}; write a path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix", location = shown(redact(location)), message = shown(message))]
    Location {
        /// As written.
        location: String,
        /// What is wrong.
        message: String,
    },
    /// The store behind it cannot be reached as configured.
    #[error("`{location}` cannot be used", location = shown(redact(location)))]
    Store {
        /// As written.
        location: String,
        /// Why.
        source: object_store::Error,
    },
    /// The profile of AWS that is to say how cannot be used.
    #[error("`{location}` cannot be used", location = shown(redact(location)))]
    Profile {
        /// As written.
        location: String,
        /// Why.
        source: ProfileError,
    },
}

/// A place in a store.
pub struct Located {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// What a user writes before a path of this store: `/`, `s3://bucket/`.
    pub root: String,
    /// The path or pattern within it.
    pub path: String,
    /// What stands in a name behind the path for a URL's query, `?` included: a digest of what tells objects apart. The
    /// query itself goes along with every request and is told nobody.
    pub variant: String,
}

/// The store that `location` is in, and the path or pattern within it.
///
/// Credentials, region and endpoint come from where the store's own tools look: the environment (`AWS_*`, `GOOGLE_*`,
/// `AZURE_*`), a profile of `~/.aws`, gcloud's default credentials, the role of the instance, task or pod. A store that is
/// away is asked again for three minutes before a request fails.
///
/// # Errors
/// If the location has no known scheme or the store refuses its configuration.
pub fn resolve(location: &str) -> Result<Located, StorageError> {
    let refused = |message: String| StorageError::Location {
        location: location.to_owned(),
        message,
    };
    let Some((scheme, rest)) = location.split_once("://").filter(|(scheme, _)| *scheme != "file") else {
        let path = local(location).unwrap_or_default();
        let absolute = std::path::absolute(path).map_err(|error| refused(error.to_string()))?;
        let path = without_parents(&absolute)
            .to_string_lossy()
            .trim_start_matches('/')
            .to_owned();
        return Ok(Located {
            store: Arc::new(LocalFileSystem::new()),
            root: "/".to_owned(),
            path,
            variant: String::new(),
        });
    };
    if matches!(scheme, "http" | "https") {
        return web(location);
    }
    // A pattern's `?` is no query: only the part before the path is read as a URL.
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // `abfss://container@account` alone has such a name, and no password.
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || (!user.is_empty() && !scheme.starts_with("abfs")) {
        return Err(refused("credentials have no place in it".to_owned()));
    }
    let root = format!("{scheme}://{authority}/");
    let url = Url::parse(&root).map_err(|error| refused(error.to_string()))?;
    let location = || location.to_owned();
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let settings = Settings::read(&|name| std::env::var(name).ok(), names, scheme).map_err(|source| {
        let location = location();
        StorageError::Profile { location, source }
    })?;
    let store = stores::open(&url, &settings).map_err(|source| {
        let location = location();
        StorageError::Store { location, source }
    })?;
    Ok(Located {
        store,
        root,
        path: path.to_owned(),
        variant: String::new(),
    })
}

/// A file of a web server, or a pattern over what it lists by WebDAV. A `?` begins the query here, so of the wildcards
/// only `*` and `[..]` can be used. User and password are sent to the origin of the URL alone.
fn web(location: &str) -> Result<Located, StorageError> {
    let refused = |message: String| StorageError::Location {
        location: location.to_owned(),
        message,
    };
    let mut url = Url::parse(location).map_err(|error| refused(error.to_string()))?;
    let connector = Connector::of(&url);
    // It fails only for a URL without a host.
    let _ = url.set_username("").and(url.set_password(None));
    let path =
        object_store::path::Path::from_url_path(url.path()).map_err(|error| refused(error.to_string()))?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let root = format!("{}/", &url[..url::Position::BeforePath]);
    let options = ClientOptions::new().with_allow_http(url.scheme() == "http");
    let store = HttpBuilder::new()
        .with_url(format!("{root}{query}"))
        .with_client_options(options)
        .with_http_connector(connector)
        .build()
        .map_err(|source| StorageError::Store {
            location: location.to_owned(),
            source,
        })?;
    Ok(Located {
        store: Arc::new(store),
        path: path.to_string(),
        root,
        variant: public_name::variant(&url),
    })
}

/// `..` resolved by name alone: stores have no such folders, and a pattern's need not exist.
fn without_parents(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// The output root that `location` names.
///
/// # Errors
/// As [`resolve`].
pub fn destination(location: &str) -> Result<Destination, StorageError> {
    match local(location) {
        Some(path) => Ok(Destination::Local(path)),
        None => {
            let Located { store, path, .. } = resolve(location)?;
            Ok(Destination::Store {
                store,
                prefix: path.into(),
            })
        }
    }
}

/// The path, if `location` is a local one.
#[must_use]
pub fn local(location: &str) -> Option<PathBuf> {
    match location.strip_prefix("file://") {
        Some(path) => Some(PathBuf::from(path)),
        None if location.contains("://") => None,
        None => Some(Path::new(location).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_local_and_become_absolute() {
        let Located { root, path, .. } = resolve("some/data-*.parquet").unwrap();
        assert!(
            root == "/" && path.ends_with("some/data-*.parquet") && !path.starts_with('/'),
            "{path}"
        );
        let Located { path: dotted, .. } = resolve("elsewhere/../some/./data-*.parquet").unwrap();
        assert_eq!(dotted, path);
        assert_eq!(local("out"), Some(PathBuf::from("out")));
        assert_eq!(local("s3://bucket/out"), None);
    }

    #[test]
    fn a_url_keeps_its_query_out_of_the_path_and_the_pattern() {
        let located = resolve("http://me:pass@host:81/a%20b/part-0.parquet?sig=a*b&x=1").unwrap();
        assert_eq!(
            (located.root.as_str(), located.path.as_str()),
            ("http://host:81/", "a b/part-0.parquet")
        );
        let again = resolve("http://host:81/a%20b/part-0.parquet?x=1&sig=c").unwrap();
        assert_eq!(located.variant, again.variant);
        assert!(located.variant.len() > 16 && !located.variant.contains("a*b"));
        assert_eq!(resolve("https://host/part-*.csv").unwrap().path, "part-*.csv");
    }

    #[test]
    fn an_unknown_scheme_is_refused_with_the_known_ones() {
        let error = resolve("ftp://host/file")
            .err()
            .map(|error| error.to_string())
            .unwrap();
        assert!(error.contains("ftp://host/file"), "{error}");
    }
}
