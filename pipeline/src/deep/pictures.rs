//! Where a pair's picture can still be had: in an archive beside its shard, in the input, at its URL.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{StreamExt, stream};
use img2tokens_fetch::Fetcher;
use img2tokens_schemas::PictureSource;
use img2tokens_shard::{Destination, UnitId};
use img2tokens_source::{Input, InputFormat, RowStream, Source, SourceConfig};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tokio::sync::mpsc;

use super::draw::DrawnPair;
use crate::config::{Config, KeptImages};
use crate::embedded::EmbeddedSamples;
use crate::plan::Plan;
use crate::run::{ImageBytes, PlannedUnit};
use crate::{job, stages};

/// A pair and its picture, if there is one.
pub(super) struct Found {
    pub(super) pair: DrawnPair,
    pub(super) picture: Option<FoundPicture>,
}

/// A picture's bytes.
pub(super) struct FoundPicture {
    pub(super) bytes: ImageBytes,
    /// Whether they are those whose digest stands in the output, if nothing has changed; a picture that was kept
    /// resized never is.
    pub(super) is_original: bool,
}

/// Finds pictures.
pub(super) struct Pictures {
    fetch: Fetcher,
    fetches: usize,
    kept: KeptImages,
    source: Source,
    /// The units of inputs that bring pictures along; none if no input does.
    carriers: Vec<PlannedUnit>,
}

impl Pictures {
    /// What the plan's settings say of where pictures are.
    pub(super) async fn new(
        config: &Config,
        plan: &Plan,
        samples: Option<&EmbeddedSamples>,
    ) -> anyhow::Result<Self> {
        let carries = plan.inputs.iter().any(|input| {
            input.survey.format == InputFormat::WebDataset || input.survey.columns.image.is_some()
        });
        let carriers = match carries.then(|| carriers(config, plan, samples)) {
            Some(carriers) => carriers.await.unwrap_or_else(|error| {
                tracing::warn!("the inputs cannot be read again: {error:#}");
                Vec::new()
            }),
            None => Vec::new(),
        };
        Ok(Self {
            fetch: Fetcher::new(stages::fetch_config(&config.fetch))?,
            fetches: config.fetch.concurrency,
            kept: config.output.images,
            source: Source::new(stages::source_config(&config.input)),
            carriers,
        })
    }

    /// Sends every pair with its picture: first those that need no download.
    pub(super) async fn send(
        &self,
        destination: &Destination,
        drawn: Vec<DrawnPair>,
        found: mpsc::Sender<Found>,
    ) {
        let mut by_unit: BTreeMap<UnitId, HashMap<String, DrawnPair>> = BTreeMap::new();
        for pair in drawn {
            by_unit
                .entry(pair.unit)
                .or_default()
                .insert(pair.key.clone(), pair);
        }
        let mut elsewhere = Vec::new();
        for (unit, mut pairs) in by_unit {
            let sent = self.send_stored(destination, unit, &mut pairs, &found).await;
            if let Err(error) = sent {
                tracing::warn!(%unit, %error, "pictures that lie beside it cannot be read");
            }
            elsewhere.extend(pairs.into_values());
        }
        elsewhere.sort_unstable_by_key(|pair| (pair.unit, pair.row));
        let mut fetched = stream::iter(elsewhere)
            .map(|pair| self.fetched(pair))
            .buffered(self.fetches);
        while let Some(pair) = fetched.next().await {
            if found.send(pair).await.is_err() {
                // The model failed: its error is told.
                return;
            }
        }
    }

    async fn fetched(&self, pair: DrawnPair) -> Found {
        let fetched = match &pair.url {
            Some(url) => self.fetch.fetch(url).await.ok(),
            None => None,
        };
        let picture = fetched.map(|fetched| FoundPicture {
            bytes: ImageBytes::Fetched(fetched),
            is_original: true,
        });
        Found { pair, picture }
    }

    /// Sends the pairs of a unit whose pictures lie beside it or in its input, and leaves the others.
    async fn send_stored(
        &self,
        destination: &Destination,
        unit: UnitId,
        pairs: &mut HashMap<String, DrawnPair>,
        found: &mpsc::Sender<Found>,
    ) -> anyhow::Result<()> {
        let mut rows = match self.kept {
            KeptImages::None => stream::iter(self.carried(unit)).flatten().boxed(),
            KeptImages::Original | KeptImages::Resized => archived(destination, unit).await?,
        };
        while let Some(batch) = rows.next().await {
            for row in batch?.rows.into_iter().flatten() {
                let PictureSource::Bytes { bytes, .. } = row.picture else {
                    continue;
                };
                let Some(pair) = pairs.remove(&row.key) else {
                    continue;
                };
                let picture = FoundPicture {
                    bytes: ImageBytes::Embedded { bytes, _credit: None },
                    is_original: self.kept != KeptImages::Resized,
                };
                let picture = Some(picture);
                if found.send(Found { pair, picture }).await.is_err() {
                    return Ok(());
                }
            }
            if pairs.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// The rows of a unit's input, if that brings pictures along.
    fn carried(&self, unit: UnitId) -> Option<RowStream> {
        let unit = self.carriers.iter().find(|carrier| carrier.id == unit)?;
        let rows = self
            .source
            .rows(&unit.input, &unit.survey, &unit.extent, unit.input_number);
        Some(rows)
    }
}

async fn carriers(
    config: &Config,
    plan: &Plan,
    samples: Option<&EmbeddedSamples>,
) -> anyhow::Result<Vec<PlannedUnit>> {
    let inputs = job::inputs(config, samples).await?;
    let inputs = plan.match_inputs(&inputs)?;
    plan.check_inputs(&inputs, None).await?;
    Ok(plan.planned_units(&inputs))
}

/// The rows of the archive of pictures beside a unit: it is an input like any other.
async fn archived(destination: &Destination, unit: UnitId) -> anyhow::Result<RowStream> {
    let name = unit.images_file();
    let input = match destination {
        Destination::Local(root) => Input {
            store: Arc::new(LocalFileSystem::new()),
            path: Path::from_absolute_path(std::path::absolute(root.join(&name))?)?,
            name,
        },
        Destination::Store { store, prefix } => Input {
            store: store.clone(),
            path: name.split('/').fold(prefix.clone(), Path::join),
            name,
        },
    };
    let source = Source::new(SourceConfig::default());
    let survey = source.survey(&input).await?;
    let rows = survey
        .extents
        .iter()
        .map(|extent| source.rows(&input, &survey, extent, 0));
    let rows: Vec<RowStream> = rows.collect();
    Ok(stream::iter(rows).flatten().boxed())
}
