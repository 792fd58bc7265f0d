//! A hub with the golden model, and the program that fetches from it.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use img2tokens_test_support::{HubRequest, HubServer};

use crate::program::{self, code, messages, test_data};

pub const REPOSITORY: &str = "rain1011/LaVIT-7B-v2";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const ENCODER: &str = "visual_tokenizer/eva_vitg_psz14.bin";
pub const TOKENIZER: &str = "visual_tokenizer/tokenizer_encoder.bin";
pub const DECODER: &str = "visual_tokenizer/tokenizer_decoder.bin";
pub const MERGER: &str = "language_model/visual_weight.bin";
pub const TEXT: &str = "language_model/tokenizer.model";

/// A hub, and a home for the cache.
pub struct Scene {
    pub hub: HubServer,
    pub home: tempfile::TempDir,
}

impl Scene {
    /// A hub with the golden model as LaVIT is published, among files that nobody needs.
    pub fn published() -> Self {
        let hub = HubServer::start(REPOSITORY);
        let bins = |name: &str| std::fs::read(test_data("golden/small_a_bins").join(name)).unwrap();
        hub.publish(
            "main",
            COMMIT,
            &[
                (ENCODER, bins(ENCODER)),
                (TOKENIZER, bins(TOKENIZER)),
                (DECODER, b"decoder".to_vec()),
                (MERGER, b"merger".to_vec()),
                (TEXT, b"pieces".to_vec()),
                ("language_model/pytorch_model-00001-of-00002.bin", vec![0; 10]),
                ("README.md", b"read me".to_vec()),
            ],
        );
        Self {
            hub,
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// The command with an environment in which only this hub is known.
    pub fn command(&self, further: &[&str]) -> Command {
        let mut command = program::program();
        for name in [
            "HF_TOKEN",
            "HF_TOKEN_PATH",
            "HF_HUB_CACHE",
            "HUGGINGFACE_HUB_CACHE",
            "HF_HUB_OFFLINE",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN",
        ] {
            command.env_remove(name);
        }
        command
            .env("HF_ENDPOINT", self.hub.endpoint())
            .env("HF_HOME", self.home.path())
            .args(["model", "fetch", REPOSITORY])
            .args(further);
        command
    }

    pub fn fetch(&self, further: &[&str]) -> Output {
        self.command(further).output().unwrap()
    }

    /// Fetches, and gives the directory printed.
    pub fn fetched(&self, further: &[&str]) -> PathBuf {
        directory(&self.fetch(further))
    }

    /// Fetches, fails with this code, and gives the last line said.
    pub fn complaint(&self, further: &[&str], expected: i32) -> String {
        refusal(&self.fetch(further), expected)
    }

    pub fn cache(&self) -> PathBuf {
        self.home.path().join("hub/models--rain1011--LaVIT-7B-v2")
    }

    pub fn blobs(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.cache().join("blobs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

pub fn directory(output: &Output) -> PathBuf {
    assert_eq!(code(output), 0, "{}", messages(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "the directory alone is printed: {text}");
    PathBuf::from(text.trim_end())
}

pub fn refusal(output: &Output, expected: i32) -> String {
    assert_eq!(code(output), expected, "{}", messages(output));
    assert!(output.stdout.is_empty());
    messages(output).lines().last().unwrap().to_owned()
}

/// The paths whose bytes were asked for, below the commit.
pub fn downloaded(requests: &[HubRequest]) -> Vec<&str> {
    requests
        .iter()
        .filter(|request| request.method == "GET")
        .filter_map(|request| request.path.split_once(COMMIT)?.1.strip_prefix('/'))
        .collect()
}

pub fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
