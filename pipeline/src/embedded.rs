//! `builtin:samples`: the program's own sample set as an input, served by itself on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::config::Config;
use crate::samples::{SampleServer, SampleSet};

/// What `input.paths` says for it.
pub const SAMPLES: &str = "builtin:samples";

/// How many samples the set has.
const COUNT: usize = 256;
/// The port that is tried first: with the same port, two outputs hold the same URLs.
const USUAL_PORT: u16 = 8_617;

/// The running sample server and the table of its pairs.
pub struct EmbeddedSamples {
    server: SampleServer,
    pairs: PathBuf,
}

impl EmbeddedSamples {
    /// The table of pairs, as an input path.
    #[must_use]
    pub fn pairs_file(&self) -> String {
        self.pairs.to_string_lossy().into_owned()
    }

    /// Stops the server.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// Starts the sample server if the config's inputs name it. The table of pairs is written to `samples/` under the
/// output once; a later run serves at the address that the table names.
///
/// # Errors
/// If the output is not local, the table cannot be written, or the address it names is taken.
pub async fn start_if_asked(config: &Config) -> anyhow::Result<Option<EmbeddedSamples>> {
    if !config.input.paths.iter().any(|path| path == SAMPLES) {
        return Ok(None);
    }
    let Some(output) = crate::storage::local(&config.output.path) else {
        bail!(
            "output.path = {:?}: {SAMPLES} needs a local folder",
            config.output.path
        );
    };
    let folder = output.join("samples");
    let (pairs, address) = (folder.join("pairs.parquet"), folder.join("address"));
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let server = match std::fs::read_to_string(&address) {
        Ok(known) if pairs.exists() => serve_at(known.trim()).await?,
        _ => {
            let server = serve_anywhere().await?;
            SampleSet::new(COUNT).write_pairs(&server.base_url(), &pairs)?;
            write_address(&address, &server)?;
            server
        }
    };
    Ok(Some(EmbeddedSamples { server, pairs }))
}

async fn serve_at(address: &str) -> anyhow::Result<SampleServer> {
    let known: SocketAddr = address
        .parse()
        .with_context(|| format!("samples/address says {address:?}"))?;
    SampleServer::start(SampleSet::new(COUNT), known)
        .await
        .with_context(|| {
            format!("the sample set must be served at {known} again, and something else listens there")
        })
}

async fn serve_anywhere() -> anyhow::Result<SampleServer> {
    for port in [USUAL_PORT, 0] {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if let Ok(server) = SampleServer::start(SampleSet::new(COUNT), address).await {
            return Ok(server);
        }
    }
    bail!("the sample set cannot be served: no port on loopback is free")
}

fn write_address(file: &Path, server: &SampleServer) -> anyhow::Result<()> {
    let address = server
        .base_url()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    std::fs::write(file, address).with_context(|| format!("{} cannot be written", file.display()))
}
