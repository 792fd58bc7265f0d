//! An output of twelve units, and exports of it that are held where a test wants them.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use img2tokens_test_support::StoreServer;

use crate::program::{files, program, succeed};
use crate::small_run::SmallRun;

/// Units of the output.
pub const UNITS: usize = 12;
/// Each with further arguments that make the export write files as it goes.
pub const FORMATS: [&[&str]; 5] = [
    &["megatron"],
    &["datatrove"],
    &["olmo"],
    &["mds", "--shard-size", "1000"],
    &["packed", "--context-length", "300"],
];

/// An output of twelve units in both orders, and a folder for exports of it.
pub struct Scene {
    pub run: SmallRun,
}

impl Scene {
    pub fn new() -> Self {
        let run = SmallRun::new(UNITS);
        run.run("out", &["--set", "sequence.order=both"]);
        Self { run }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.run.path(name)
    }

    pub fn arguments(&self, format: &[&str], name: &str) -> Vec<String> {
        let paths = [self.path("out"), self.path(name)].map(|path| path.display().to_string());
        let (format, further) = format.split_first().unwrap();
        let mut arguments = vec!["export".to_owned(), (*format).to_owned()];
        arguments.extend(paths);
        arguments.extend(further.iter().map(|word| (*word).to_owned()));
        arguments
    }

    pub fn command(&self, format: &[&str], name: &str) -> Command {
        let mut command = program();
        command.args(self.arguments(format, name));
        command
    }

    /// Exports to the end; gives what it printed.
    pub fn export(&self, format: &[&str], name: &str) -> String {
        let arguments = self.arguments(format, name);
        succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn start(&self, format: &[&str], name: &str) -> Child {
        let mut command = self.command(format, name);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Asserts that an export holds the bytes of another, and that nothing lies beside it.
    pub fn expect_equal(&self, name: &str, whole: &str) {
        let (found, whole) = (files(&self.path(name)), files(&self.path(whole)));
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            whole.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (file, bytes) in &whole {
            assert!(found[file] == *bytes, "{name}: {file} differs");
        }
        assert!(!self.staged(name).exists(), "nothing is left over");
    }

    pub fn staged(&self, name: &str) -> PathBuf {
        self.path(&format!(".{name}.export"))
    }

    /// The steps that are in an export's journal.
    pub fn steps(&self, name: &str) -> usize {
        let journal = fs::read(self.staged(name).join("journal")).unwrap_or_default();
        let lines = journal.iter().filter(|byte| **byte == b'\n').count();
        lines.saturating_sub(1)
    }

    /// Blocks until an export has so many steps behind it, or is over.
    pub fn wait_for_steps(&self, name: &str, steps: usize, export: &mut Child) {
        while self.steps(name) < steps && export.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
    }

    pub fn data_file(&self, unit: usize) -> PathBuf {
        self.path(&format!("out/data/part-{unit:05}.parquet"))
    }

    /// Whole units that the journal's last step tells of.
    pub fn units_done(&self, name: &str) -> usize {
        let journal = fs::read_to_string(self.staged(name).join("journal")).unwrap_or_default();
        let last = journal.lines().last().unwrap_or_default();
        let step = serde_json::from_str::<serde_json::Value>(last).unwrap_or_default();
        step["step"]["mark"]["units"].as_u64().unwrap_or(0) as usize
    }
}

/// The output in a store that answers all but who asks for one unit's data: that one waits.
pub struct Held {
    store: StoreServer,
}

impl Held {
    pub fn new(scene: &Scene, unit: usize) -> Self {
        let store = StoreServer::start();
        for (name, bytes) in files(&scene.path("out")) {
            store.put(&format!("bucket/out/{name}"), bytes);
        }
        store.hold_reads(&format!("data/part-{unit:05}.parquet"));
        Self { store }
    }

    /// Exports from the store.
    pub fn command(&self, scene: &Scene, format: &[&str], name: &str) -> Command {
        let mut arguments = scene.arguments(format, name);
        "s3://bucket/out".clone_into(&mut arguments[2]);
        let mut command = program();
        command
            .args(arguments)
            .env("AWS_ENDPOINT_URL", self.store.url())
            .env("AWS_REGION", "somewhere")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        command
    }

    pub fn start(&self, scene: &Scene, format: &[&str], name: &str) -> Child {
        let mut command = self.command(scene, format, name);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Lets the waiting export go on.
    pub fn release(&self) {
        self.store.let_go();
    }
}
