//! Files that a run needs on its own disk, brought from a store: model, tokenizer, config.

use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path as Key};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use super::{Located, StorageError, local, resolve};

/// What could not be brought here.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// No location.
    #[error(transparent)]
    Location(#[from] StorageError),
    /// The store failed.
    #[error("`{location}` cannot be read")]
    Read {
        /// As written.
        location: String,
        /// Why.
        source: object_store::Error,
    },
    /// There is neither an object of that name nor one under it.
    #[error("`{0}`: nothing is there")]
    Nothing(String),
    /// It cannot be written here.
    #[error("`{}` cannot be written; XDG_CACHE_HOME says where copies go", path.display())]
    Write {
        /// The file or folder here.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl CopyError {
    /// Whether the same may succeed later: a store that is away.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let generic = |source: &object_store::Error| matches!(source, object_store::Error::Generic { .. });
        matches!(self, Self::Read { source, .. } if generic(source))
    }
}

/// A path on this machine for the file or folder that `location` names: the same if it is here already, else a copy in
/// the user's cache (`$XDG_CACHE_HOME/img2tokens/copies`, by default under `~/.cache`), made once for the objects as they
/// are now. Processes that copy the same at once do no harm to each other.
///
/// # Errors
/// If the store cannot be read, nothing is there, or the copy cannot be written.
pub async fn local_copy(location: &str) -> Result<PathBuf, CopyError> {
    match local(location) {
        Some(path) => Ok(path),
        None => copy_to(&cache(), location).await,
    }
}

fn cache() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    named("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| named("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("img2tokens/copies")
}

async fn copy_to(cache: &Path, location: &str) -> Result<PathBuf, CopyError> {
    let failed = |source| CopyError::Read {
        location: location.to_owned(),
        source,
    };
    let Located { store, path, .. } = resolve(location)?;
    let root = Key::parse(path.trim_matches('/')).map_err(|source| failed(source.into()))?;
    let objects = match store.head(&root).await {
        Ok(object) => vec![object],
        Err(object_store::Error::NotFound { .. }) => {
            let mut found: Vec<ObjectMeta> = store.list(Some(&root)).try_collect().await.map_err(failed)?;
            found.sort_by(|one, other| one.location.cmp(&other.location));
            found
        }
        Err(error) => return Err(failed(error)),
    };
    if objects.is_empty() {
        return Err(CopyError::Nothing(location.to_owned()));
    }
    // Objects that are replaced have other tags or times, and so another folder.
    let state: Vec<_> = objects
        .iter()
        .map(|object| (&object.location, object.size, &object.e_tag, object.last_modified))
        .collect();
    let digest = blake3::hash(format!("{location} {state:?}").as_bytes()).to_hex();
    let folder = cache.join(&digest.as_str()[..32]);
    let copy = folder.join(root.filename().unwrap_or("root"));
    for object in &objects {
        let within = object.location.as_ref().trim_start_matches(root.as_ref());
        let file = match within.trim_start_matches('/') {
            "" => copy.clone(),
            within => copy.join(within),
        };
        copy_object(store.as_ref(), object, &file, &failed).await?;
    }
    Ok(copy)
}

/// Copies one object to `file`, which appears when it is whole; one that is there already is.
async fn copy_object(
    store: &dyn ObjectStore,
    object: &ObjectMeta,
    file: &Path,
    failed: &impl Fn(object_store::Error) -> CopyError,
) -> Result<(), CopyError> {
    let cannot = |source| CopyError::Write {
        path: file.to_owned(),
        source,
    };
    if file.exists() {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(file);
    tokio::fs::create_dir_all(folder).await.map_err(cannot)?;
    let (part, place) = NamedTempFile::new_in(folder).map_err(cannot)?.into_parts();
    let mut part = tokio::fs::File::from_std(part);
    let mut body = store.get(&object.location).await.map_err(failed)?.into_stream();
    while let Some(bytes) = body.try_next().await.map_err(failed)? {
        part.write_all(&bytes).await.map_err(cannot)?;
    }
    part.sync_all().await.map_err(cannot)?;
    place.persist(file).map_err(|refused| cannot(refused.error))?;
    Ok(())
}
