//! The output root as a prefix in an object store. Every put is atomic there by itself.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::SystemTime;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, GetResult, ObjectStore, ObjectStoreExt, PutMode, WriteMultipart};

use super::Entry;
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
    name: &str,
) -> Result<Option<Bytes>, ShardError> {
    let Some(found) = get(store, prefix, name).await? else {
        return Ok(None);
    };
    found
        .bytes()
        .await
        .map(Some)
        .map_err(ShardError::store("read", name))
}

pub(super) async fn exists(store: &dyn ObjectStore, prefix: &Path, name: &str) -> Result<bool, ShardError> {
    let found = if_there(store.head(&at(prefix, name)).await).map_err(ShardError::store("look for", name))?;
    Ok(found.is_some())
}

pub(super) async fn open(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &str,
) -> Result<Option<File>, ShardError> {
    let Some(found) = get(store, prefix, name).await? else {
        return Ok(None);
    };
    let io_error = || ShardError::io("copy to a temporary file in", std::env::temp_dir());
    let mut file = tempfile::tempfile().map_err(io_error())?;
    let mut body = found.into_stream();
    while let Some(bytes) = body.try_next().await.map_err(ShardError::store("read", name))? {
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
    folder: &str,
) -> Result<Vec<String>, ShardError> {
    store
        .list(Some(&at(prefix, folder)))
        .try_filter_map(async |object| Ok(object.location.filename().map(str::to_owned)))
        .try_collect()
        .await
        .map_err(ShardError::store("list", folder))
}

pub(super) async fn list(
    store: &dyn ObjectStore,
    prefix: &Path,
    folder: &str,
) -> Result<Vec<Entry>, ShardError> {
    store
        .list(Some(&at(prefix, folder)))
        .try_filter_map(async |object| {
            let modified = SystemTime::from(object.last_modified);
            Ok(object.location.filename().map(|name| Entry {
                name: name.to_owned(),
                size: object.size,
                modified,
            }))
        })
        .try_collect()
        .await
        .map_err(ShardError::store("list", folder))
}

pub(super) async fn put_if_absent(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &str,
    bytes: Bytes,
) -> Result<bool, ShardError> {
    let path = at(prefix, name);
    let create = || store.put_opts(&path, bytes.clone().into(), PutMode::Create.into());
    match resending(create).await {
        Ok(_) => Ok(true),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
        Err(error) => Err(ShardError::store("create", name)(error)),
    }
}

pub(super) async fn put_atomic(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &str,
    bytes: Bytes,
) -> Result<(), ShardError> {
    store
        .put(&at(prefix, name), bytes.into())
        .await
        .map(|_| ())
        .map_err(ShardError::store("write", name))
}

pub(super) async fn remove(store: &dyn ObjectStore, prefix: &Path, name: &str) -> Result<(), ShardError> {
    let path = at(prefix, name);
    if_there(resending(|| store.delete(&path)).await)
        .map(|_| ())
        .map_err(ShardError::store("remove", name))
}

pub(super) async fn place(
    store: &dyn ObjectStore,
    prefix: &Path,
    staged: &str,
    name: &str,
) -> Result<bool, ShardError> {
    let copied = if_there(store.copy(&at(prefix, staged), &at(prefix, name)).await);
    copied
        .map(|copied| copied.is_some())
        .map_err(ShardError::store("copy into place", name))
}

/// Uploads a local file, in parts if it is long. Until it is complete the object is not there.
pub(super) async fn upload(
    store: &dyn ObjectStore,
    prefix: &Path,
    name: &str,
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
            .map_err(ShardError::store("upload", name));
    }
    let upload = store
        .put_multipart(&location)
        .await
        .map_err(ShardError::store("upload", name))?;
    let mut upload =
        WriteMultipart::new_with_chunk_size(upload, usize::try_from(PART_BYTES).unwrap_or(usize::MAX));
    if let Err(error) = send_parts(&mut upload, file, name).await {
        if let Err(error) = upload.abort().await {
            tracing::warn!(name, %error, "an unfinished upload could not be taken back; a lifecycle rule must");
        }
        return Err(error);
    }
    upload
        .finish()
        .await
        .map(|_| ())
        .map_err(ShardError::store("upload", name))
}

async fn send_parts(upload: &mut WriteMultipart, mut file: File, name: &str) -> Result<(), ShardError> {
    loop {
        upload
            .wait_for_capacity(PARTS_IN_FLIGHT)
            .await
            .map_err(ShardError::store("upload", name))?;
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

async fn get(store: &dyn ObjectStore, prefix: &Path, name: &str) -> Result<Option<GetResult>, ShardError> {
    if_there(store.get(&at(prefix, name)).await).map_err(ShardError::store("read", name))
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

fn at(prefix: &Path, name: &str) -> Path {
    name.split('/').fold(prefix.clone(), Path::join)
}

fn if_there<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
