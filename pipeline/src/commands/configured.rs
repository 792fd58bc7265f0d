//! A run's config, from a file or a store, with the model and tokenizer it names on this machine.

use crate::cli::ConfigArgs;
use crate::config::{self, Config};
use crate::exit::Failed;
use crate::storage::{self, local_copy};

/// Reads the config; what it names in a store and a run needs as files is copied here.
///
/// # Errors
/// If the config is wrong, or something cannot be brought here.
pub(super) async fn configured(args: &ConfigArgs) -> Result<Config, Failed> {
    let name = args.config.to_string_lossy();
    let file = match storage::local(&name) {
        Some(_) => args.config.clone(),
        None => local_copy(&name).await.map_err(Failed::usage)?,
    };
    let mut config = config::read_as(&name, &file, &args.overrides).map_err(Failed::usage)?;
    for location in [&mut config.vision.model, &mut config.text.tokenizer] {
        if storage::local(location).is_none() {
            let copy = local_copy(location).await.map_err(Failed::usage)?;
            *location = copy.to_string_lossy().into_owned();
        }
    }
    Ok(config)
}
