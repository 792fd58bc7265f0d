//! The device fails while a run is under way: the run ends with its cause and exit code, and a later one completes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;
mod small_run;

use std::path::Path;

use img2tokens::exit::{Exit, Failed};
use img2tokens::job::{Ask, Job};
use img2tokens::model::{self, Devices, Loaded};
use img2tokens::run::Meters;
use img2tokens::stop::StopTokens;
use img2tokens_vision::{
    Extras, ModelConfig, NotFinite, PixelBatch, TokenizedPicture, VisionError, VisualTokenizer,
};
use small_run::{SmallRun, committed, expect_equal, expect_sound};

/// How a device fails at its batch.
type Fault = fn() -> VisionError;

/// The real model, which fails in its place after some batches.
struct Failing {
    config: ModelConfig,
    model: Loaded,
    batches_left: usize,
    fault: Fault,
}

impl VisualTokenizer for Failing {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn tokenize(
        &mut self,
        batch: &PixelBatch,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError> {
        let left = self.batches_left.checked_sub(1);
        self.batches_left = left.ok_or_else(self.fault)?;
        self.model.first().tokenize(batch)
    }
}

/// Runs on a device that fails after `batches`, and returns how.
fn run_into(scene: &SmallRun, batches: usize, fault: Fault) -> Failed {
    let config = scene.config("out");
    let settings = ["vision.batch_size=2".parse().unwrap()];
    let ask = Ask {
        config: img2tokens::config::read(Path::new(&config), &settings).unwrap(),
        limit: None,
        new_plan: false,
        unit: None,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ran = runtime.block_on(async {
        let mut job = Job::prepare(ask).await.unwrap();
        let model = model::open(&job.config.vision, None).unwrap();
        let failing = Failing {
            config: model.config().clone(),
            model: model::load(&job.config.vision, Extras::default(), &model).unwrap(),
            batches_left: batches,
            fault,
        };
        let units = std::mem::take(&mut job.units);
        let loaded = Loaded::one(failing, 2, Devices::Cpu);
        job.run_with(loaded, units, Meters::default(), StopTokens::default())
            .await
    });
    Failed::run(ran.unwrap_err())
}

fn expect_completion(scene: &SmallRun) {
    let output = scene.path("out");
    assert!(committed(&output).len() < 6);
    expect_sound(&output);
    expect_equal(&scene.run("out", &[]), &scene.run("whole", &[]));
    assert!(!output.join(".tmp").exists(), "nothing is left over");
}

#[test]
fn a_device_that_reports_an_error_is_worth_another_run() {
    let scene = SmallRun::new(6);
    let failed = run_into(&scene, 3, || VisionError::Backend {
        backend: "cuda",
        doing: "a kernel".to_owned(),
        source: "the device fell off the bus".into(),
    });
    assert_eq!(failed.exit, Exit::Retry);
    let line = failed.line();
    assert!(
        line.starts_with("tokenizing failed") && line.contains("fell off the bus"),
        "{line}"
    );
    expect_completion(&scene);
}

#[test]
fn a_device_thread_that_dies_ends_the_run_with_a_line_that_says_so() {
    for batches in [0, 4] {
        let scene = SmallRun::new(6);
        let failed = run_into(&scene, batches, || panic!("on purpose"));
        assert_eq!(failed.exit, Exit::Failed);
        assert_eq!(failed.line(), "tokenizing failed: the worker thread died");
        expect_completion(&scene);
    }
}
