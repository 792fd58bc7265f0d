//! From what a user wrote to the files it means.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::glob::{Glob, is_glob, literal_prefix};
use crate::listing::list;
use crate::{InputFormat, SourceError};

/// One file to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// Where it lies.
    pub store: Arc<dyn ObjectStore>,
    /// Its path there.
    pub path: Path,
    /// Its name for people: the store's root as the user writes it, and the path.
    pub name: String,
}

/// The files that `pattern` means in `store`, sorted by path: a file by its path, those that match a glob (`*`, `?`,
/// `[..]`, `**`), or those under a directory whose names tell a format (`format`, if given), hidden ones left out. Of a
/// glob or directory, files whose names have control characters are passed over with a warning.
///
/// `root` is what a user writes before a path of this store (`s3://bucket/`, `/`): names and errors begin with it.
///
/// # Errors
/// [`SourceError::NoMatch`] if there is none, [`SourceError::MixedFormats`] for a directory with files of several
/// formats, [`SourceError::Pattern`] or [`SourceError::Store`].
pub async fn expand(
    store: &Arc<dyn ObjectStore>,
    root: &str,
    pattern: &str,
    format: Option<InputFormat>,
) -> Result<Vec<Input>, SourceError> {
    let shown = format!("{root}{pattern}");
    let mut paths = if is_glob(pattern) {
        let glob = Glob::parse(pattern).map_err(|problem| invalid(&shown, problem))?;
        let prefix = parse(&shown, &literal_prefix(pattern))?;
        let mut paths = list(store, &shown, &prefix).await?;
        paths.retain(|path| glob.matches(path.as_ref()));
        paths
    } else {
        file_or_directory(store, &shown, &parse(&shown, pattern)?, format).await?
    };
    if paths.is_empty() {
        return Err(SourceError::NoMatch { pattern: shown });
    }
    paths.sort();
    let input = |path: Path| Input {
        store: Arc::clone(store),
        name: format!("{root}{path}"),
        path,
    };
    Ok(paths.into_iter().map(input).collect())
}

async fn file_or_directory(
    store: &Arc<dyn ObjectStore>,
    shown: &str,
    path: &Path,
    format: Option<InputFormat>,
) -> Result<Vec<Path>, SourceError> {
    let not_a_file = match path.as_ref().is_empty() {
        true => None,
        false => match store.head(path).await {
            Ok(_) => return Ok(vec![path.clone()]),
            Err(error @ object_store::Error::NotFound { .. }) => Some(error),
            Err(error) => return Err(unreachable(shown, error)),
        },
    };
    match list(store, shown, path).await {
        Ok(paths) => tables_of(shown, paths, format),
        // A plain HTTP server lists nothing: that the file is not there is the better answer.
        Err(error) => Err(not_a_file.map_or(error, |error| unreachable(shown, error))),
    }
}

/// The files of a directory whose names tell the one format there is.
fn tables_of(shown: &str, paths: Vec<Path>, format: Option<InputFormat>) -> Result<Vec<Path>, SourceError> {
    let mut tables = Vec::new();
    let mut expected = format;
    for path in paths {
        let hidden = path.filename().is_none_or(|name| name.starts_with(['.', '_']));
        let Some(found) = InputFormat::of_name(path.as_ref()).filter(|_| !hidden) else {
            continue;
        };
        match *expected.get_or_insert(found) {
            first if first == found => tables.push(path),
            _ if format.is_some() => {}
            first => {
                return Err(SourceError::MixedFormats {
                    pattern: shown.to_owned(),
                    first,
                    second: found,
                });
            }
        }
    }
    Ok(tables)
}

fn parse(shown: &str, path: &str) -> Result<Path, SourceError> {
    Path::parse(path).map_err(|error| invalid(shown, error.to_string()))
}

fn invalid(shown: &str, problem: String) -> SourceError {
    SourceError::Pattern {
        pattern: shown.to_owned(),
        problem,
    }
}

fn unreachable(shown: &str, source: object_store::Error) -> SourceError {
    SourceError::Store {
        input: shown.to_owned(),
        source,
    }
}
