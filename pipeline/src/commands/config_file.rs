//! The config that a command names, on this machine or in a store.

use anyhow::Context;
use img2tokens_shard::ShardError;
use object_store::ObjectStoreExt;
use object_store::path::Path as StorePath;

use crate::cli::ConfigArgs;
use crate::config::{self, Config};
use crate::exit::Failed;
use crate::storage::{self, Located, public_name};

/// Reads and checks it. Paths in a config of a store are taken as everywhere: from the current directory.
pub(super) async fn read(args: &ConfigArgs) -> Result<Config, Failed> {
    let name = args.config.to_string_lossy();
    if storage::local(&name).is_some() {
        let file = name
            .strip_prefix("file://")
            .map_or(args.config.as_path(), |path| path.as_ref());
        return config::read(file, &args.overrides).map_err(Failed::usage);
    }
    let text = from_store(&name)
        .await
        .with_context(|| format!("{} cannot be read", public_name(&name)))
        .map_err(Failed::usage)?;
    config::parse(&public_name(&name), &text, &args.overrides).map_err(Failed::usage)
}

async fn from_store(location: &str) -> anyhow::Result<String> {
    let Located { store, path, .. } = storage::resolve(location)?;
    let failed = |source: object_store::Error| ShardError::Store {
        action: "read",
        name: path.clone(),
        source: Box::new(source),
    };
    let object = store.get(&StorePath::from(path.as_str())).await.map_err(failed)?;
    let size = object.meta.size;
    anyhow::ensure!(size <= config::MAX_BYTES, "{size} bytes are no config");
    let bytes = object.bytes().await.map_err(failed)?;
    Ok(String::from_utf8(bytes.to_vec())?)
}
