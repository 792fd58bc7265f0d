//! What lies under a folder of a store, without the names that no path, terminal or table should have to carry.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use img2tokens_schemas::shown;
use object_store::path::Path;
use object_store::{ObjectStore, path};

use crate::SourceError;

/// The most passed-over names that are told one by one.
const TOLD: usize = 10;

/// A file's path, or the name of one that cannot be an input.
type Found = Result<Path, String>;

/// The paths of all files under `prefix`; none if nothing lies there. A name with a control character, or one that is no
/// UTF-8, is passed over with a word.
///
/// # Errors
/// [`SourceError::Store`] if the store cannot be listed.
pub(crate) async fn list(
    store: &Arc<dyn ObjectStore>,
    shown: &str,
    prefix: &Path,
) -> Result<Vec<Path>, SourceError> {
    let listed = match store.list(Some(prefix)).map_ok(of_path).try_collect().await {
        Ok(found) => Ok(found),
        Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
        Err(error @ object_store::Error::InvalidPath { .. }) => name_by_name(store, prefix, error).await,
        Err(error) => Err(error),
    };
    let found: Vec<Found> = listed.map_err(|source| SourceError::Store {
        input: shown.to_owned(),
        source,
    })?;
    let (mut paths, mut passed_over) = (Vec::new(), Vec::new());
    for file in found {
        match file {
            Ok(path) => paths.push(path),
            Err(name) => passed_over.push(name),
        }
    }
    tell(shown, &passed_over);
    Ok(paths)
}

/// The files of a local folder that has a name which the store cannot take: within a runtime the listing ends there, on a
/// thread without one it goes on behind it. Of other stores nothing is known but `error`.
async fn name_by_name(
    store: &Arc<dyn ObjectStore>,
    prefix: &Path,
    error: object_store::Error,
) -> Result<Vec<Found>, object_store::Error> {
    if !store.to_string().starts_with("LocalFileSystem") {
        return Err(error);
    }
    let (store, prefix) = (Arc::clone(store), prefix.clone());
    // The blocking thread belongs to the runtime; the one that it waits for does not.
    let files = tokio::task::spawn_blocking(move || {
        let listing =
            std::thread::spawn(move || store.list(Some(&prefix)).collect::<Vec<_>>().now_or_never());
        listing.join().ok().flatten()
    });
    let Ok(Some(files)) = files.await else {
        return Err(error);
    };
    let file = |file| match file {
        Ok(meta) => Ok(of_path(meta)),
        Err(object_store::Error::InvalidPath { source }) => Ok(Err(name_of(&source))),
        Err(error) => Err(error),
    };
    files.into_iter().map(file).collect()
}

fn of_path(meta: object_store::ObjectMeta) -> Found {
    match meta.location.as_ref().contains(char::is_control) {
        true => Err(meta.location.to_string()),
        false => Ok(meta.location),
    }
}

fn name_of(error: &path::Error) -> String {
    match error {
        path::Error::BadSegment { path, .. } | path::Error::NonUnicode { path, .. } => path.clone(),
        other => other.to_string(),
    }
}

fn tell(folder: &str, passed_over: &[String]) {
    for name in passed_over.iter().take(TOLD) {
        tracing::warn!(
            "`{}`: a file is passed over, for its name has control characters or is no UTF-8: `{}`",
            shown(folder),
            shown(name)
        );
    }
    if let Some(more) = passed_over.len().checked_sub(TOLD).filter(|more| *more > 0) {
        tracing::warn!(
            "`{}`: {more} more files are passed over for their names",
            shown(folder)
        );
    }
}
