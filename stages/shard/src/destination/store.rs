//! The output root as a prefix in an object store. Every put is atomic there by itself.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::SystemTime;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, GetResult, ObjectStore, ObjectStoreExt, PutMode, WriteMultipart};

use super::name::OutputName;
use super::{Entry, too_large};
use crate::ShardError;

/// The size of an upload's parts, and the size up to which there is only one. All but the last must be equal, and at
/// least 5 MiB (S3); at most 10,000 of them make an object, so this gives files of up to 78 GiB.
const PART_BYTES: u64 = 8 << 20;
/// Parts of one file that travel at a time.
const PARTS_IN_FLIGHT: usize = 4;
/// How often [`resending`] sends a request.
const SENDINGS: usize = 2;

pub(super) async fn read(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &OutputName,
    most: u64,
) -> Result<Option<Bytes>, ShardError> {
    let Some(found) = get(store, prefix, name).await? else {
        return Ok(None);
    };
    if found.meta.size > most {
        return Err(too_large(name, most));
    }
    let mut bytes = Vec::new();
    let mut body = found.into_stream();
    // A store that states less than it sends is not believed either.
    while let Some(part) = body
        .try_next()
        .await
        .map_err(ShardError::store("read", name.as_str()))?
    {
        bytes.extend_from_slice(&part);
        if bytes.len() as u64 > most {
            return Err(too_large(name, most));
        }
    }
    Ok(Some(bytes.into()))
}

pub(super) async fn exists(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &OutputName,
) -> Result<bool, ShardError> {
    let found = if_there(store.head(&at(prefix, name)).await)
        .map_err(ShardError::store("look for", name.as_str()))?;
    Ok(found.is_some())
}

pub(super) async fn open(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &OutputName,
) -> Result<Option<File>, ShardError> {
    let Some(found) = get(store, prefix, name).await? else {
        return Ok(None);
    };
    let io_error = || ShardError::io("copy to a temporary file in", std::env::temp_dir());
    let mut file = tempfile::tempfile().map_err(io_error())?;
    let mut body = found.into_stream();
    while let Some(bytes) = body
        .try_next()
        .await
        .map_err(ShardError::store("read", name.as_str()))?
    {
        file = tokio::task::spawn_blocking(move || file.write_all(&bytes).map(|()| file))
            .await?
            .map_err(io_error())?;
    }
    file.rewind().map_err(io_error())?;
    Ok(Some(file))
}

pub(super) async fn names(
    store: &dyn ObjectStore,
    prefix: &Path,
    folder: &OutputName,
) -> Result<Vec<String>, ShardError> {
    let entries = list(store, prefix, folder).await?;
    Ok(entries.into_iter().map(|entry| entry.name).collect())
}

/// What lies in the folder itself: an object below a folder in it is none of ours, whatever it is called.
pub(super) async fn list(
    store: &dyn ObjectStore,
    prefix: &Path,
    folder: &OutputName,
) -> Result<Vec<Entry>, ShardError> {
    let folder_path = at(prefix, folder);
    let depth = folder_path.parts_count() + 1;
    store
        .list(Some(&folder_path))
        .try_filter_map(async |object| {
            let modified = SystemTime::from(object.last_modified);
            let is_in_it = object.location.parts_count() == depth;
            let name = object.location.filename().filter(|_| is_in_it);
            Ok(name.map(|name| Entry {
                name: name.to_owned(),
                size: object.size,
                modified,
            }))
        })
        .try_collect()
        .await
        .map_err(ShardError::store("list", folder.as_str()))
}

pub(super) async fn put_if_absent(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &OutputName,
    bytes: Bytes,
) -> Result<bool, ShardError> {
    let path = at(prefix, name);
    let create = || store.put_opts(&path, bytes.clone().into(), PutMode::Create.into());
    match resending(create).await {
        Ok(_) => Ok(true),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
        Err(error) => Err(ShardError::store("create", name.as_str())(error)),
    }
}

pub(super) async fn put_atomic(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &OutputName,
    bytes: Bytes,
) -> Result<(), ShardError> {
    store
        .put(&at(prefix, name), bytes.into())
        .await
        .map(|_| ())
        .map_err(ShardError::store("write", name.as_str()))
}

pub(super) async fn remove(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &OutputName,
) -> Result<(), ShardError> {
    let path = at(prefix, name);
    if_there(resending(|| store.delete(&path)).await)
        .map(|_| ())
        .map_err(ShardError::store("remove", name.as_str()))
}

pub(super) async fn place(
    store: &dyn ObjectStore,
    prefix: &Path,
    staged: &OutputName,
    name: &OutputName,
) -> Result<bool, ShardError> {
    let copied = if_there(store.copy(&at(prefix, staged), &at(prefix, name)).await);
    copied
        .map(|copied| copied.is_some())
        .map_err(ShardError::store("copy into place", name.as_str()))
}

/// Uploads a local file, in parts if it is long. Until it is complete the object is not there.
pub(super) async fn upload(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &OutputName,
    mut file: File,
) -> Result<(), ShardError> {
    file.rewind().map_err(reading_back())?;
    let location = at(prefix, name);
    let size = file.metadata().map_err(reading_back())?.len();
    if size <= PART_BYTES {
        let (_, bytes) = next_part(file).await?.map_err(reading_back())?;
        return store
            .put(&location, bytes.into())
            .await
            .map(|_| ())
            .map_err(ShardError::store("upload", name.as_str()));
    }
    let upload = store
        .put_multipart(&location)
        .await
        .map_err(ShardError::store("upload", name.as_str()))?;
    let mut upload =
        WriteMultipart::new_with_chunk_size(upload, usize::try_from(PART_BYTES).unwrap_or(usize::MAX));
    if let Err(error) = send_parts(&mut upload, file, name).await {
        if let Err(error) = upload.abort().await {
            tracing::warn!(name = name.as_str(), %error, "an unfinished upload could not be taken back; a lifecycle rule must");
        }
        return Err(error);
    }
    upload
        .finish()
        .await
        .map(|_| ())
        .map_err(ShardError::store("upload", name.as_str()))
}

async fn send_parts(
    upload: &mut WriteMultipart,
    mut file: File,
    name: &OutputName,
) -> Result<(), ShardError> {
    loop {
        upload
            .wait_for_capacity(PARTS_IN_FLIGHT)
            .await
            .map_err(ShardError::store("upload", name.as_str()))?;
        let (rest, bytes) = next_part(file).await?.map_err(reading_back())?;
        if bytes.is_empty() {
            return Ok(());
        }
        file = rest;
        upload.put(bytes);
    }
}

fn reading_back() -> impl FnOnce(std::io::Error) -> ShardError {
    ShardError::io("read back a temporary file in", std::env::temp_dir())
}

/// The next [`PART_BYTES`] of the file, or what there is.
async fn next_part(mut file: File) -> Result<std::io::Result<(File, Bytes)>, ShardError> {
    Ok(tokio::task::spawn_blocking(move || {
        let mut part = Vec::new();
        (&mut file).take(PART_BYTES).read_to_end(&mut part)?;
        Ok((file, Bytes::from(part)))
    })
    .await?)
}

async fn get(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &OutputName,
) -> Result<Option<GetResult>, ShardError> {
    if_there(store.get(&at(prefix, name)).await).map_err(ShardError::store("read", name.as_str()))
}

/// Sends a request once more if its answer was lost. The client repeats only what it knows to be harmless: not a
/// conditional put, which may find its own work, nor a removal.
async fn resending<T, Sent>(request: impl Fn() -> Sent) -> object_store::Result<T>
where
    Sent: Future<Output = object_store::Result<T>>,
{
    for _ in 1..SENDINGS {
        match request().await {
            Err(error @ Error::Generic { .. }) => tracing::debug!(%error, "sent again"),
            answer => return answer,
        }
    }
    request().await
}

fn at(prefix: &Path, name: &OutputName) -> Path {
    name.as_str().split('/').fold(prefix.clone(), Path::join)
}

fn if_there<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
