//! Config, model and text tokenizer from a server or store: brought once, kept, and told apart from what changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;
mod small_run;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use img2tokens_test_support::Reply;
use program::{code, messages, program, test_data};
use small_run::{SmallRun, expect_equal};

const TOKENIZER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../stages/text/tests/fixtures/llama.model"
);
const FILES: [&str; 2] = ["config.json", "model.safetensors"];

/// A site with pictures, a model and a tokenizer, and an empty cache.
struct Scene {
    run: SmallRun,
    settings: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let run = SmallRun::new(2);
        for file in FILES {
            let bytes = fs::read(test_data("golden/small_b").join(file)).unwrap();
            run.site.put(
                format!("/models/small/{file}"),
                Reply::ok(bytes).header("etag", "\"1\""),
            );
        }
        let tokenizer = fs::read(TOKENIZER).unwrap();
        run.site
            .put("/text/llama.model", Reply::ok(tokenizer).header("etag", "\"t\""));
        let settings = vec![
            "--set".to_owned(),
            format!("vision.model={}", run.site.url("/models/small")),
            "--set".to_owned(),
            format!("text.tokenizer={}", run.site.url("/text/llama.model")),
        ];
        Self { run, settings }
    }

    /// The program with the scene's own cache.
    fn program(&self) -> Command {
        let mut program = program();
        program.env("IMG2TOKENS_CACHE", self.run.path("cache"));
        program
    }

    fn run(&self, output: &str) -> PathBuf {
        let ended = self
            .program()
            .args(["run", &self.run.config(output)])
            .args(&self.settings)
            .output()
            .unwrap();
        assert_eq!(code(&ended), 0, "{}", messages(&ended));
        self.run.path(output)
    }

    fn fails(&self, expected: i32) -> String {
        let ended = self
            .program()
            .args(["run", &self.run.config("failed")])
            .args(&self.settings)
            .output()
            .unwrap();
        assert_eq!(code(&ended), expected, "{}", messages(&ended));
        messages(&ended)
    }

    /// How often the weights were asked for: one look and, if they are brought, one download.
    fn asked(&self) -> usize {
        self.run.site.requests("/models/small/model.safetensors")
    }
}

#[test]
fn a_model_from_a_server_gives_the_bytes_of_the_same_model_here_and_is_brought_once() {
    let scene = Scene::new();
    let remote = scene.run("remote");
    assert_eq!(scene.asked(), 2);
    let model = format!("vision.model={}", test_data("golden/small_b").display());
    let tokenizer = format!("text.tokenizer={TOKENIZER}");
    let local = scene.run.run("local", &["--set", &model, "--set", &tokenizer]);
    expect_equal(&remote, &local);
    scene.run("again");
    assert_eq!(scene.asked(), 3, "looked at, not brought again");
    assert_eq!(scene.run.site.requests("/text/llama.model"), 3);
}

#[test]
fn processes_that_want_one_model_at_once_bring_it_once() {
    let scene = Scene::new();
    let started: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|output| {
            let mut run = scene.program();
            run.args(["plan", &scene.run.config(output)])
                .args(&scene.settings);
            run.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut run in started {
        assert!(run.wait().unwrap().success());
    }
    assert_eq!(scene.asked(), 3 + 1, "a look each, and one download");
}

#[test]
fn a_model_that_changed_is_brought_anew_and_does_not_continue_the_old_plan() {
    let scene = Scene::new();
    scene.run("failed");
    let mut bytes = fs::read(test_data("golden/small_b/model.safetensors")).unwrap();
    let middle = bytes.len() / 2;
    bytes
        .iter_mut()
        .skip(middle)
        .step_by(4096)
        .take(100)
        .for_each(|byte| *byte ^= 1);
    scene.run.site.put(
        "/models/small/model.safetensors",
        Reply::ok(bytes).header("etag", "\"2\""),
    );
    let message = scene.fails(2);
    assert!(
        message.contains("model.digest: planned") && message.contains("--new-plan"),
        "{message}"
    );
}

#[test]
fn a_damaged_or_broken_copy_is_brought_again() {
    let scene = Scene::new();
    scene.run("first");
    let copies = fs::read_dir(scene.run.path("cache/stores")).unwrap();
    let model = copies
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("model.safetensors").exists());
    let model = model.unwrap();
    fs::write(model.join("model.safetensors"), "half").unwrap();
    let partial = model.with_file_name(format!(
        ".{}.partial",
        model.file_name().unwrap().to_str().unwrap()
    ));
    fs::create_dir(&partial).unwrap();
    expect_equal(&scene.run("second"), &scene.run.path("first"));
    assert!(!partial.exists());
}

#[test]
fn what_is_missing_or_cannot_be_told_from_a_newer_file_is_refused() {
    let scene = Scene::new();
    scene
        .run
        .site
        .put("/models/small/model.safetensors", Reply::status(404));
    let message = scene.fails(2);
    assert!(
        message.contains("/models/small: not there") && message.contains("config.json and model.safetensors"),
        "{message}"
    );
    let bytes = fs::read(test_data("golden/small_b/model.safetensors")).unwrap();
    scene
        .run
        .site
        .put("/models/small/model.safetensors", Reply::ok(bytes));
    let message = scene.fails(2);
    assert!(
        message.contains("model.safetensors: the server states neither an ETag"),
        "{message}"
    );
    assert!(!scene.run.path("failed").exists(), "nothing is begun");
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let scene = Scene::new();
    fs::write(scene.run.path("cache"), "no folder").unwrap();
    let message = scene.fails(1);
    assert!(
        message.contains("IMG2TOKENS_CACHE") && message.contains("cache/stores"),
        "{message}"
    );
}

#[test]
fn a_config_may_lie_on_a_server_or_in_a_bucket() {
    let scene = Scene::new();
    let text = fs::read_to_string(scene.run.config("out")).unwrap();
    scene.run.site.put("/run.toml", Reply::ok(text.clone()));
    scene.run.site.put("/bucket/configs/run.toml", Reply::ok(text));
    for (config, committed) in [
        (scene.run.site.url("/run.toml"), 2),
        ("s3://bucket/configs/run.toml".to_owned(), 0),
    ] {
        let mut run = scene.program();
        run.args(["run", &config])
            .env("AWS_ENDPOINT", scene.run.site.url(""))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1");
        let ended = run.output().unwrap();
        assert_eq!(code(&ended), 0, "{}", messages(&ended));
        let said = String::from_utf8(ended.stdout).unwrap();
        assert!(said.contains(&format!("{committed} committed now")), "{said}");
    }
    let missing = scene.run.site.url("/no-such.toml");
    let message = program::complaint(&["run", &missing], 2);
    assert!(message.contains(&missing), "{message}");
}

#[test]
fn single_commands_take_a_model_or_tokenizer_of_a_server_too() {
    let scene = Scene::new();
    let picture = test_data("golden/images/astronaut.jpg");
    let tokenize = |model: String| {
        let mut command = scene.program();
        command.args(["tokenize", "--model", &model]).arg(&picture);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let local = tokenize(test_data("golden/small_b").display().to_string());
    assert!(local.contains("\"codes\""), "{local}");
    assert_eq!(tokenize(scene.run.site.url("/models/small")), local);
    let mut text = scene.program();
    text.args(["text", "--tokenizer", &scene.run.site.url("/text/llama.model")]);
    let ended = text.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(code(&ended), 0, "{}", messages(&ended));
}
