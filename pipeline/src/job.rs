//! A job: everything a run needs, built from the config and checked, before the first picture is asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use img2tokens_schemas::OptionalColumns;
use img2tokens_shard::{Destination, Encoding, ShardConfig, ShardError};
use img2tokens_source::{Input, InputFormat, Source, SourceError, expand};
use img2tokens_vision::ModelConfig;
use serde_json::json;

use crate::config::{Compression, Config, KeptImages, Output, VerifyHash};
use crate::corpus::TextCorpus;
use crate::descriptors;
use crate::embedded::{self, EmbeddedSamples};
use crate::local_copy;
use crate::model::{self, Loaded, Model};
use crate::packing::packing;
use crate::plan::{self, Corpus, Followed, Identity, Plan, PlanError, Wanted};
use crate::run::{self, Flow, Meters, PlannedUnit, Run, RunError};
use crate::stages::{self, StageError, Stages};
use crate::stop::StopTokens;
use crate::storage::{self, Located, StorageError};
use crate::summary::Totals;

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

/// What a job is to be.
#[derive(Debug)]
pub struct Ask {
    /// The config.
    pub config: Config,
    /// The number of input rows taken, if not all.
    pub limit: Option<u64>,
    /// Replace the plan that stands if it is another.
    pub new_plan: bool,
    /// The one unit that is to be run, if not all: other units' inputs are not looked at.
    pub unit: Option<u64>,
}

impl Job {
    /// Opens model, tokenizer and inputs, and makes the plan or checks the run against the one that stands.
    ///
    /// # Errors
    /// One line that says what is wrong and what to do.
    pub async fn prepare(ask: Ask) -> anyhow::Result<Self> {
        let Ask {
            mut config,
            limit,
            new_plan,
            unit,
        } = ask;
        descriptors::secure(&mut config)?;
        let here = local_copy::of(&config).await?;
        let model = model::open(&here.vision, None)?;
        model::check(&config.vision, model.config())?;
        let stages = Stages::new(&here, model.config())?;
        let destination = Arc::new(storage::destination(&config.output.path)?);
        let samples = embedded::start_if_asked(&config).await?;
        let inputs = inputs(&config, samples.as_ref()).await?;
        let corpus = corpus(&config).await?;
        let identity = Identity::new(&config, &model, &stages, limit)?;
        let wanted = Wanted {
            source: &stages.source,
            inputs: &inputs,
            corpus: &corpus,
            identity,
            verify_hash: config.fetch.verify_hash,
            unit,
        };
        let Followed { plan, inputs, texts } = if new_plan {
            plan::renew(&destination, &wanted).await?
        } else {
            plan::follow(&destination, &wanted).await?
        };
        plan::check_store(&destination).await?;
        let texts = open_corpus(&here, &plan, corpus.source, texts)?;
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

    /// Runs `units` and returns the sums over those that were committed.
    ///
    /// # Errors
    /// If the model cannot be loaded, or as [`run::run`].
    pub async fn run(
        self,
        units: Vec<PlannedUnit>,
        meters: Meters,
        stop: StopTokens,
    ) -> anyhow::Result<Totals> {
        let extras = model::extras(&self.config.output);
        let loaded = model::load(&self.config.vision, extras, &self.model)?;
        tracing::info!("{} pictures a batch on {}", loaded.batch_size, loaded.devices);
        self.run_with(loaded, units, meters, stop).await
    }

    /// The same with a model that is loaded already.
    ///
    /// # Errors
    /// As [`run::run`].
    pub async fn run_with(
        self,
        loaded: Loaded,
        units: Vec<PlannedUnit>,
        meters: Meters,
        stop: StopTokens,
    ) -> anyhow::Result<Totals> {
        let flow = Flow {
            fetches: self.config.fetch.concurrency,
            batch_size: loaded.batch_size,
            unit_rows: self.config.input.unit_rows,
            decode_memory: self.config.image.max_memory,
            decode_timeout_s: self.config.image.decode_timeout_s,
        };
        let ran = run::run(Run {
            stages: self.stages,
            texts: self.texts.map(Arc::new),
            tokenizers: loaded.into_tokenizers(),
            units,
            destination: self.destination,
            shard: Arc::new(self.shard),
            flow,
            meters,
            stop,
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
    expand_all(
        &locations.collect::<Vec<_>>(),
        config.input.format,
        &config.output,
    )
    .await
}

/// The files that `text_corpus.paths` means.
async fn corpus(config: &Config) -> anyhow::Result<Corpus> {
    let corpus = &config.text_corpus;
    Ok(Corpus {
        source: Arc::new(Source::new(stages::corpus_config(corpus, &config.input))),
        texts: expand_all(&corpus.paths, corpus.format, &config.output).await?,
    })
}

/// The files that these locations mean, each once.
async fn expand_all(
    locations: &[String],
    format: Option<InputFormat>,
    output: &Output,
) -> anyhow::Result<Vec<Arc<Input>>> {
    let mut inputs = Vec::new();
    for location in locations {
        let Located {
            store,
            root,
            path,
            variant,
        } = storage::resolve(location)?;
        let files = expand(&store, &root, &path, format).await?;
        inputs.extend(files.into_iter().map(|mut input| {
            input.name.push_str(&variant);
            Arc::new(input)
        }));
    }
    // Two patterns may mean one file: it is read once. And a folder may hold the output: that is no input of its own.
    let own = written_folders(&output.path)?;
    let mut seen = BTreeSet::new();
    inputs.retain(|input: &Arc<Input>| {
        !own.iter().any(|folder| input.name.starts_with(folder)) && seen.insert(input.name.clone())
    });
    Ok(inputs)
}

/// What the names of files begin with that a run writes to this output, and a pattern of inputs could match.
fn written_folders(output: &str) -> Result<Vec<String>, StorageError> {
    if output.is_empty() {
        return Ok(Vec::new());
    }
    let Located { root, path, .. } = storage::resolve(output)?;
    let path = path.trim_end_matches('/');
    let folders = ["data", "failures", "images", "packed", "takedowns", "replaced"];
    Ok(folders.map(|folder| format!("{root}{path}/{folder}/")).to_vec())
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
    let Encoding {
        compression,
        row_group_rows,
    } = encoding(&config.output);
    Ok(ShardConfig {
        compression,
        row_group_rows,
        optional: OptionalColumns {
            image_features: model::extras(&config.output).features.map(|_| model.width as i32),
            reconstruction_cosine: config.output.reconstruction,
            caption_column: !config.input.caption_columns.is_empty(),
            caption_truncated: config.text.mark_truncated,
            text_dropped: config.sequence.text_dropout > 0.0,
            digest_matches: config.fetch.verify_hash == VerifyHash::Record,
            documents: plan.has_documents(),
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

/// How the output's tables stand in their files.
#[must_use]
pub fn encoding(output: &Output) -> Encoding {
    Encoding {
        compression: match output.compression {
            Compression::Zstd => img2tokens_shard::Compression::default(),
            Compression::Snappy => img2tokens_shard::Compression::Snappy,
            Compression::None => img2tokens_shard::Compression::None,
        },
        row_group_rows: output.row_group_rows,
    }
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
