//! A job: everything a run needs, built from the config and checked, before the first picture is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use img2tokens_engine::CancellationToken;
use img2tokens_schemas::OptionalColumns;
use img2tokens_shard::{Destination, ShardConfig, ShardError, ShardStats};
use img2tokens_source::{Input, InputFormat, Source, SourceError, expand};
use img2tokens_vision::ModelConfig;
use serde_json::json;

use crate::config::{Compression, Config, KeptImages};
use crate::corpus::TextCorpus;
use crate::embedded::{self, EmbeddedSamples};
use crate::model::{self, Model};
use crate::packing::packing;
use crate::plan::{self, Identity, Plan, PlanError, PlannedInput};
use crate::run::{self, Flow, Meters, PlannedUnit, Run, RunError};
use crate::stages::{self, StageError, Stages};
use crate::storage;
use crate::storage::Located;

/// A planned run.
pub struct Job {
    /// What the user asked for.
    pub config: Config,
    /// The plan it follows.
    pub plan: Plan,
    /// All units of the plan.
    pub units: Vec<PlannedUnit>,
    /// The output root.
    pub destination: Arc<Destination>,
    model: Model,
    stages: Stages,
    texts: Option<TextCorpus>,
    shard: ShardConfig,
    samples: Option<EmbeddedSamples>,
}

impl Job {
    /// Opens model, tokenizer and inputs, and makes the plan or checks the run against the one that stands.
    ///
    /// # Errors
    /// One line that says what is wrong and what to do.
    pub async fn prepare(config: Config, limit: Option<u64>) -> anyhow::Result<Self> {
        let model = model::open(&config.vision, None)?;
        model::check(&config.vision, model.config())?;
        let stages = Stages::new(&config, model.config())?;
        let destination = Arc::new(storage::destination(&config.output.path)?);
        let samples = embedded::start_if_asked(&config).await?;
        let inputs = inputs(&config, samples.as_ref()).await?;
        let corpus_source = Arc::new(Source::new(stages::corpus_config(
            &config.text_corpus,
            &config.input,
        )));
        let texts = expand_all(&config.text_corpus.paths, config.text_corpus.format).await?;
        let identity = Identity::new(&config, &model, &stages.text, limit)?;
        let plan = match Plan::read(&destination).await? {
            Some(plan) => plan,
            None => {
                let mut plan = plan::make(&stages.source, &inputs, identity.clone()).await?;
                plan::survey_texts(&corpus_source, &texts, &mut plan).await?;
                plan.store(&destination).await?
            }
        };
        plan.check_identity(&identity)?;
        let inputs = unchanged_inputs(&plan.inputs, &inputs).await?;
        let texts = unchanged_inputs(&plan.texts, &texts).await?;
        let texts = open_corpus(&config, &plan, corpus_source, texts)?;
        let units = plan.planned_units(&inputs);
        let shard = shard_config(&config, &plan, &stages, model.config())?;
        Ok(Self {
            config,
            plan,
            units,
            destination,
            model,
            stages,
            texts,
            shard,
            samples,
        })
    }

    /// Runs `units` and returns the stats of those that were committed.
    ///
    /// # Errors
    /// If the model cannot be loaded, or as [`run::run`].
    pub async fn run(
        self,
        units: Vec<PlannedUnit>,
        meters: Meters,
        cancel: CancellationToken,
    ) -> anyhow::Result<Vec<ShardStats>> {
        let extras = model::extras(&self.config.output);
        let tokenizer = model::load(&self.config.vision, extras, &self.model)?;
        let flow = Flow {
            fetches: self.config.fetch.concurrency,
            batch_size: self.config.vision.batch_size,
            unit_rows: self.config.input.unit_rows,
        };
        let ran = run::run(Run {
            stages: self.stages,
            texts: self.texts.map(Arc::new),
            tokenizer,
            units,
            destination: self.destination,
            shard: Arc::new(self.shard),
            flow,
            meters,
            cancel,
        })
        .await;
        if let Some(samples) = self.samples {
            samples.stop().await;
        }
        Ok(ran?)
    }
}

/// The files that `input.paths` means.
///
/// # Errors
/// If a path is no location, or nothing is there.
pub(crate) async fn inputs(
    config: &Config,
    samples: Option<&EmbeddedSamples>,
) -> anyhow::Result<Vec<Arc<Input>>> {
    let locations = config.input.paths.iter().map(|pattern| match samples {
        Some(samples) if pattern == embedded::SAMPLES => samples.pairs_file(),
        _ => pattern.clone(),
    });
    expand_all(&locations.collect::<Vec<_>>(), config.input.format).await
}

/// The files that these locations mean, each once.
async fn expand_all(locations: &[String], format: Option<InputFormat>) -> anyhow::Result<Vec<Arc<Input>>> {
    let mut inputs = Vec::new();
    for location in locations {
        let Located { store, root, path } = storage::resolve(location)?;
        inputs.extend(
            expand(&store, &root, &path, format)
                .await?
                .into_iter()
                .map(Arc::new),
        );
    }
    // Two patterns may mean one file: it is read once.
    let mut seen = BTreeSet::new();
    inputs.retain(|input: &Arc<Input>| seen.insert(input.name.clone()));
    Ok(inputs)
}

/// The plan's inputs in the plan's order, each as large and of the same entity tag as it was.
async fn unchanged_inputs(
    planned: &[PlannedInput],
    inputs: &[Arc<Input>],
) -> Result<Vec<Arc<Input>>, PlanError> {
    let by_name: BTreeMap<&str, &Arc<Input>> =
        inputs.iter().map(|input| (input.name.as_str(), input)).collect();
    let mut unchanged = Vec::with_capacity(planned.len());
    for planned in planned {
        let input = by_name
            .get(planned.name.as_str())
            .ok_or_else(|| PlanError::InputGone {
                name: planned.name.clone(),
            })?;
        plan::check_input(input, &planned.survey).await?;
        unchanged.push(Arc::clone(input));
    }
    Ok(unchanged)
}

/// The corpus of texts, if one is mixed in.
fn open_corpus(
    config: &Config,
    plan: &Plan,
    source: Arc<Source>,
    inputs: Vec<Arc<Input>>,
) -> Result<Option<TextCorpus>, StageError> {
    if inputs.is_empty() {
        return Ok(None);
    }
    let surveys = plan.texts.iter().map(|planned| planned.survey.clone());
    Ok(Some(TextCorpus {
        source,
        text: stages::open_text(&config.text, config.text_corpus.max_tokens)?,
        mix: config.text_corpus.share,
        files: inputs.into_iter().zip(surveys).collect(),
    }))
}

fn shard_config(
    config: &Config,
    plan: &Plan,
    stages: &Stages,
    model: &ModelConfig,
) -> Result<ShardConfig, PlanError> {
    let vocabulary = stages::vocabulary(&stages.text, model);
    let hash = plan.hash()?;
    let provenance = json!({
        "program": plan.program,
        "plan": hash,
        "identity": plan.identity,
        "vocabulary": vocabulary,
    });
    Ok(ShardConfig {
        compression: match config.output.compression {
            Compression::Zstd => img2tokens_shard::Compression::default(),
            Compression::Snappy => img2tokens_shard::Compression::Snappy,
            Compression::None => img2tokens_shard::Compression::None,
        },
        row_group_rows: config.output.row_group_rows,
        optional: OptionalColumns {
            image_features: model::extras(&config.output).features.map(|_| model.width as i32),
            reconstruction_cosine: config.output.reconstruction,
            caption_column: !config.input.caption_columns.is_empty(),
            caption_truncated: config.text.mark_truncated,
            text_dropped: config.sequence.text_dropout > 0.0,
        },
        kept: plan
            .inputs
            .first()
            .map(|input| input.survey.kept.clone())
            .unwrap_or_default(),
        plan: hash,
        provenance,
        vocabulary,
        images: config.output.images != KeptImages::None,
        texts: !plan.texts.is_empty(),
        packing: stages.packing.map(packing),
    })
}

/// Whether an error that ended a job is one that may pass: the program then exits with 75.
#[must_use]
pub fn is_transient(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<RunError>()
            .is_some_and(RunError::is_transient)
            || cause
                .downcast_ref::<ShardError>()
                .is_some_and(ShardError::is_transient)
            || cause
                .downcast_ref::<SourceError>()
                .is_some_and(SourceError::is_transient)
    })
}
