//! The cache of what was brought from stores.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};
use img2tokens_schemas::{redact, shown};
use img2tokens_shard::ShardError;
use object_store::path::Path as StorePath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;

use super::needed::Part;
use crate::storage::{self, Located, StorageError, public_name};

/// Why a copy cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The name is no location.
    #[error(transparent)]
    Location(#[from] StorageError),
    /// The store failed.
    #[error("{location} cannot be brought here", location = shown(redact(location)))]
    Store {
        /// The model or file.
        location: String,
        /// Why.
        source: ShardError,
    },
    /// There is nothing, or not all of it.
    #[error("{location}: not there, or not whole; needed {}", needed.join(", or "), location = shown(redact(location)))]
    Missing {
        /// The model or file.
        location: String,
        /// The sets of files that would do.
        needed: Vec<String>,
    },
    /// The server does not tell one version of a file from the next.
    #[error("{location}/{file}: the server states neither an ETag nor a time of change, so that a copy could not be told from a newer file; fetch it yourself and name the local path", location = shown(redact(location)), file = shown(file))]
    Unversioned {
        /// The folder.
        location: String,
        /// The file in it.
        file: String,
    },
    /// What came is not what was announced.
    #[error("{location}/{file}: {found} bytes came where {stated} were stated; was it changed meanwhile?", location = shown(redact(location)), file = shown(file))]
    Size {
        /// The folder.
        location: String,
        /// The file in it.
        file: String,
        /// Bytes that came.
        found: u64,
        /// Bytes that were stated.
        stated: u64,
    },
    /// Nowhere to keep it.
    #[error("no folder to keep {0} in: set IMG2TOKENS_CACHE")]
    NoCache(&'static str),
    /// The cache's disk.
    #[error("the cache (IMG2TOKENS_CACHE) cannot be written: {}", shown(path.display()))]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Requests and downloads at one time.
const AT_ONCE: usize = 4;

/// A folder of copies, each in a folder named by what the store said of it.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Files in a store, and what it says of them.
struct Found<'a> {
    location: &'a str,
    store: &'a dyn ObjectStore,
    prefix: StorePath,
    files: BTreeMap<&'a str, ObjectMeta>,
}

impl Cache {
    /// `IMG2TOKENS_CACHE`, else `XDG_CACHE_HOME/img2tokens`, else `~/.cache/img2tokens`; in it, the folder `stores`.
    ///
    /// # Errors
    /// If the environment names no home either.
    pub fn from_env() -> Result<Self, CopyError> {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = set("IMG2TOKENS_CACHE")
            .or_else(|| Some(set("XDG_CACHE_HOME")?.join("img2tokens")))
            .or_else(|| Some(set("HOME")?.join(".cache/img2tokens")))
            .ok_or(CopyError::NoCache("models from stores"))?;
        Ok(Self {
            root: root.join("stores"),
        })
    }

    /// The copy of the files of a folder that these parts need; brings them if they are not here.
    pub(super) async fn folder(&self, location: &str, parts: &[Part]) -> Result<String, CopyError> {
        let Located { store, path, .. } = storage::resolve(location)?;
        let prefix = StorePath::from(path);
        let candidates: BTreeSet<&str> = parts.iter().flat_map(|part| part.concat()).collect();
        let known = look_up(location, store.as_ref(), &prefix, candidates).await?;
        let mut files = BTreeMap::new();
        for part in parts {
            let whole = part
                .iter()
                .find(|set| set.iter().all(|file| known.contains_key(file)));
            let set = whole.ok_or_else(|| CopyError::Missing {
                location: location.to_owned(),
                needed: part.iter().map(|set| set.join(" and ")).collect(),
            })?;
            files.extend(
                set.iter()
                    .filter_map(|file| Some((*file, known.get(file)?.clone()))),
            );
        }
        let found = Found {
            location: &public_name(location),
            store: store.as_ref(),
            prefix,
            files,
        };
        Ok(self.copy(&found).await?.to_string_lossy().into_owned())
    }

    /// The copy of a file, of the same name; brings it if it is not here.
    ///
    /// # Errors
    /// If it is not to be had, or the cache not to be written.
    pub async fn file(&self, location: &str) -> Result<String, CopyError> {
        let missing = || CopyError::Missing {
            location: location.to_owned(),
            needed: vec!["a file".to_owned()],
        };
        let Located {
            store, root, path, ..
        } = storage::resolve(location)?;
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let folder = format!("{root}{parent}");
        let prefix = StorePath::from(parent);
        let files = look_up(location, store.as_ref(), &prefix, [name].into()).await?;
        if files.is_empty() {
            return Err(missing());
        }
        let found = Found {
            location: &folder,
            store: store.as_ref(),
            prefix,
            files,
        };
        Ok(self.copy(&found).await?.join(name).to_string_lossy().into_owned())
    }

    /// The folder of these files. Of processes that want the same at once, one brings it and the others wait; a copy
    /// gets its name when it is whole and on the disk.
    async fn copy(&self, found: &Found<'_>) -> Result<PathBuf, CopyError> {
        let key = found.key()?;
        let folder = self.root.join(&key);
        if found.is_at(&folder) {
            return Ok(folder);
        }
        fs::create_dir_all(&self.root).map_err(disk(&self.root))?;
        let _turn = lock(self.root.join(format!("{key}.lock"))).await?;
        if found.is_at(&folder) {
            return Ok(folder);
        }
        let partial = self.root.join(format!(".{key}.partial"));
        // What a killed process left, or somebody damaged.
        for old in [&partial, &folder] {
            remove(old).map_err(disk(old))?;
        }
        tracing::info!("bringing {} to {}", found.location, folder.display());
        let downloads: Vec<_> = found
            .files
            .iter()
            .map(|(file, stated)| found.bring(file, stated, &partial))
            .collect();
        stream::iter(downloads)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        fs::rename(&partial, &folder).map_err(disk(&folder))?;
        File::open(&self.root)
            .and_then(|root| root.sync_all())
            .map_err(disk(&self.root))?;
        Ok(folder)
    }
}

impl Found<'_> {
    /// The copy's name: for people what it is called in the store, for the program a hash of all that the store states.
    fn key(&self) -> Result<String, CopyError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.location.trim_end_matches('/').as_bytes());
        for (file, meta) in &self.files {
            let time = meta.last_modified.timestamp_micros();
            let version = match &meta.e_tag {
                Some(tag) => tag.clone(),
                None if time > 0 => time.to_string(),
                None => {
                    return Err(CopyError::Unversioned {
                        location: self.location.to_owned(),
                        file: (*file).to_owned(),
                    });
                }
            };
            hasher.update(format!("\n{file}\n{}\n{version}", meta.size).as_bytes());
        }
        let name: String = self
            .prefix
            .filename()
            .unwrap_or("root")
            .chars()
            .filter(char::is_ascii_graphic)
            .collect();
        let hash: String = hasher.finalize().to_hex().chars().take(16).collect();
        Ok(format!("{name}-{hash}"))
    }

    /// Whether all files are in `folder`, as large as they should be.
    fn is_at(&self, folder: &Path) -> bool {
        let size = |file: &str| fs::metadata(folder.join(file)).map(|found| found.len());
        self.files
            .iter()
            .all(|(file, stated)| size(file).is_ok_and(|size| size == stated.size))
    }

    /// Downloads one file into `folder`.
    async fn bring(&self, file: &str, stated: &ObjectMeta, folder: &Path) -> Result<(), CopyError> {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(disk(parent))?;
        let mut copy = tokio::fs::File::create(&path).await.map_err(disk(&path))?;
        let object = self
            .store
            .get(&stated.location)
            .await
            .map_err(refused(self.location, file))?;
        let mut found = 0;
        let same_version = object.meta.e_tag == stated.e_tag;
        let mut body = object.into_stream();
        while let Some(bytes) = body.try_next().await.map_err(refused(self.location, file))? {
            found += bytes.len() as u64;
            copy.write_all(&bytes).await.map_err(disk(&path))?;
        }
        if found != stated.size || !same_version {
            return Err(CopyError::Size {
                location: self.location.to_owned(),
                file: file.to_owned(),
                found,
                stated: stated.size,
            });
        }
        copy.sync_all().await.map_err(disk(&path))
    }
}

/// What the store says of those files that are there.
async fn look_up<'a>(
    location: &str,
    store: &dyn ObjectStore,
    prefix: &StorePath,
    names: BTreeSet<&'a str>,
) -> Result<BTreeMap<&'a str, ObjectMeta>, CopyError> {
    let looks = names.into_iter().map(|name| async move {
        let path = name.split('/').fold(prefix.clone(), StorePath::join);
        match store.head(&path).await {
            Ok(meta) => Ok(Some((name, meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(location, name)(error)),
        }
    });
    let looks: Vec<_> = looks.collect();
    let found: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn lock(path: PathBuf) -> Result<File, CopyError> {
    let taken = path.clone();
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(&taken)?;
        file.lock().map(|()| file)
    });
    locked
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(disk(&path))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn refused(location: &str, file: &str) -> impl FnOnce(object_store::Error) -> CopyError {
    let (location, name) = (location.to_owned(), file.to_owned());
    move |source| CopyError::Store {
        location,
        source: ShardError::Store {
            action: "read",
            name,
            source: Box::new(source),
        },
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let path = path.to_owned();
    move |source| CopyError::Disk { path, source }
}
