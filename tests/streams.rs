//! Standard output and standard error that cannot be written: every command, one clear end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;
mod small_run;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Output, Stdio};

use program::{code, messages, program, test_data};
use small_run::SmallRun;

/// A committed output, and what commands need beside it.
struct Scene {
    small: SmallRun,
    list: PathBuf,
    lines: PathBuf,
    tokenizer: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let small = SmallRun::new(2);
        small.run("out", &[]);
        let [list, lines, tokenizer] =
            ["list.txt", "lines.txt", "tokenizer.json"].map(|name| small.path(name));
        fs::write(&list, "nowhere.example\n").unwrap();
        fs::write(&lines, "a line\nanother\n").unwrap();
        fs::write(&tokenizer, TOKENIZER).unwrap();
        Self {
            small,
            list,
            lines,
            tokenizer,
        }
    }

    /// Every command that prints to standard output, by a name for it; `round` is a number of its own for each call.
    fn commands(&self, round: u32) -> Vec<Vec<String>> {
        let path = |name: &str| self.small.path(name).display().to_string();
        let new = |name: &str| path(&format!("{name}-{round}"));
        let (out, config) = (path("out"), self.small.config("out"));
        let image = test_data("golden/images/chelsea.png").display().to_string();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        vec![
            words("--help"),
            words("--version"),
            words("run --help"),
            words(&format!("run {config}")),
            words(&format!("unit {config} --unit 0")),
            words(&format!("plan {config}")),
            words(&format!("tokenize {image}")),
            words(&format!("prepare {image}")),
            words("text"),
            words(&format!("verify {out}")),
            words(&format!("takedown {out} --list {}", self.list.display())),
            words(&format!("inspect {out}")),
            words(&format!("export megatron {out} {}", new("flat"))),
            words("model info builtin:nano"),
            words("model info builtin:nano --json"),
            words(&format!("model convert builtin:nano {}", new("model"))),
            words(&format!("model export-onnx builtin:nano {}", new("onnx"))),
            words(&format!("model verify builtin:nano builtin:nano {image}")),
            words(&format!("model verify builtin:nano builtin:nano {image} --json")),
            words(&format!(
                "model tokenizer-with-visual-tokens {} {}",
                self.tokenizer.display(),
                new("tokenizer.json")
            )),
            words(&format!("bench image --passes 1 --size 32 {image}")),
            words(&format!("bench vision --batches 1 --batch-size 1 {image}")),
            words("bench fetch --passes 1 --concurrency 8"),
        ]
    }

    fn run(&self, arguments: &[String], stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Output {
        let input = File::open(&self.lines).unwrap();
        let mut command = program();
        command.args(arguments).stdin(input).stdout(stdout).stderr(stderr);
        command.output().unwrap()
    }
}

/// Two words and an unknown one: enough to be extended.
const TOKENIZER: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
"model":{"type":"WordLevel","vocab":{"[UNK]":0,"a":1,"b":2},"unk_token":"[UNK]"}}"#;

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn a_full_standard_output_is_said_and_fails_every_command() {
    let scene = Scene::new();
    for arguments in scene.commands(1) {
        let output = scene.run(&arguments, full(), Stdio::piped());
        let text = messages(&output);
        assert_eq!(code(&output), 1, "{arguments:?}: {text}");
        let said: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("img2tokens: "))
            .collect();
        assert_eq!(said.len(), 1, "{arguments:?}: {text}");
        assert!(
            said[0].contains("standard output cannot be written: No space left on device"),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn a_reader_who_has_gone_ends_every_command_quietly() {
    let scene = Scene::new();
    for arguments in scene.commands(2) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = scene.run(&arguments, writer, Stdio::piped());
        let text = messages(&output);
        assert_eq!(code(&output), 0, "{arguments:?}: {text}");
        assert!(
            !text.contains("img2tokens: ") && !text.contains("panicked"),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn a_full_standard_error_changes_nothing() {
    let scene = Scene::new();
    for arguments in scene.commands(3) {
        let output = scene.run(&arguments, Stdio::piped(), full());
        assert_eq!(code(&output), 0, "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
    // A log at its most talkative, a wrong command line, a wrong config, and a run that fails.
    let config = scene.small.config("loud");
    for (arguments, expected) in [
        (vec!["run", &config], 0),
        (vec!["run", &config, "--no-such-flag"], 2),
        (vec!["run", &config, "--set", "fetch.nothing=1"], 2),
        (vec!["inspect", "/nowhere/at/all"], 2),
    ] {
        for format in ["text", "json"] {
            let mut command = program();
            command
                .args(["--log-format", format])
                .args(&arguments)
                .env("RUST_LOG", "trace")
                .stdout(Stdio::null())
                .stderr(full());
            let ended = command.status().unwrap().code();
            assert_eq!(ended, Some(expected), "{arguments:?}");
        }
    }
}

/// What was found wrong is told by the exit code, whether or not anybody reads the list.
#[test]
fn verify_fails_for_a_broken_output_though_its_reader_has_gone() {
    let scene = Scene::new();
    let file = scene.small.path("out/data/part-00000.parquet");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let out = scene.small.path("out").display().to_string();
    let output = scene.run(&["verify".to_owned(), out], writer, Stdio::piped());
    assert_eq!(code(&output), 1, "{}", messages(&output));
}
