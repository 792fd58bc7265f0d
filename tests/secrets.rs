//! Credentials in the URLs of inputs, models and configs: used, and told nobody.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use img2tokens_test_support::{Reply, StaticSite};
use program::{code, files, messages, program, test_data};

/// `user:secret`, by the Basic scheme.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";
const SIGNATURE: &str = "X-Amz-Expires=60&X-Amz-Signature=deadbeef";
const SECRETS: [&str; 3] = ["secret", "deadbeef", "dXNlcjpzZWNyZXQ"];

/// A site that gives a table of pairs, a tokenizer and a config to one user alone.
struct Scene {
    folder: tempfile::TempDir,
    site: StaticSite,
}

impl Scene {
    fn new() -> Self {
        let site = StaticSite::start();
        let picture = fs::read(test_data("golden/images/chelsea.png")).unwrap();
        site.put("/cat.png", Reply::ok(picture));
        let table = format!("url,caption\n{0},a cat\n{0},the same cat\n", site.url("/cat.png"));
        site.put(
            "/a.csv",
            Reply::ok(table).header("etag", "\"1\"").only_with(BASIC),
        );
        Self {
            folder: tempfile::tempdir().unwrap(),
            site,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The URL of a path for the user, signed like this.
    fn url(&self, path: &str, signature: &str) -> String {
        format!("http://user:secret@{}{path}?{signature}", self.site.address())
    }

    /// A run over this input, logging all there is.
    fn run(&self, input: &str, further: &[&str]) -> Output {
        let config = format!(
            "[input]\npaths = [{input:?}]\n[fetch]\nallow_private_addresses = true\nports = []\nretries = 0\n\
             [output]\npath = {:?}\n",
            self.path("out")
        );
        fs::write(self.path("run.toml"), config).unwrap();
        let mut run = program();
        run.env("RUST_LOG", "trace")
            .env("IMG2TOKENS_CACHE", self.path("cache"))
            .arg("run")
            .arg(self.path("run.toml"))
            .args(further);
        run.output().unwrap()
    }

    /// Looks for the secrets in all that a run said and left.
    fn expect_no_secrets(&self, said: &Output) {
        let mut texts = vec![
            ("standard error".to_owned(), said.stderr.clone()),
            ("standard output".to_owned(), said.stdout.clone()),
        ];
        for folder in ["out", "cache"] {
            if self.path(folder).exists() {
                texts.extend(files(&self.path(folder)));
            }
        }
        for (name, bytes) in texts {
            let text = String::from_utf8_lossy(&bytes);
            for secret in SECRETS {
                let found = text
                    .find(secret)
                    .map(|place| text.get(place.saturating_sub(200)..place));
                assert_eq!(found, None, "{secret} in {name}");
                assert!(!name.contains(secret), "{name}");
            }
        }
    }
}

#[test]
fn the_credentials_of_an_input_are_used_and_stand_nowhere() {
    let scene = Scene::new();
    for format in ["text", "json"] {
        let ended = scene.run(&scene.url("/a.csv", SIGNATURE), &["--log-format", format]);
        assert_eq!(code(&ended), 0, "{}", messages(&ended));
        scene.expect_no_secrets(&ended);
    }
    assert!(scene.path("out/plan.json").exists() && scene.path("out/README.md").exists());
    let asked = scene.site.last_request("/a.csv").unwrap();
    assert_eq!(asked.query.as_deref(), Some(SIGNATURE), "the query goes along");
    // The same object signed anew is the same input.
    let ended = scene.run(&scene.url("/a.csv", "X-Amz-Signature=deadbeef00"), &[]);
    assert_eq!(code(&ended), 0, "{}", messages(&ended));
    scene.expect_no_secrets(&ended);
    // Another object is not.
    let ended = scene.run(&scene.url("/a.csv", "versionId=7&X-Amz-Signature=deadbeef"), &[]);
    assert_eq!(code(&ended), 2, "{}", messages(&ended));
    scene.expect_no_secrets(&ended);
}

#[test]
fn no_failure_tells_the_credentials_that_it_had() {
    let scene = Scene::new();
    scene.site.put("/broken.parquet", Reply::ok("no parquet"));
    scene.site.put("/refused.csv", Reply::status(403));
    scene.site.put("/lost.csv", Reply::redirect("ftp://nowhere/"));
    scene
        .site
        .put("/model/config.json", Reply::status(500).only_with("x"));
    for input in [
        scene.url("/gone.csv", SIGNATURE),
        scene.url("/refused.csv", SIGNATURE),
        scene.url("/lost.csv", SIGNATURE),
        scene.url("/broken.parquet", SIGNATURE),
        format!("http://user:secret@h:99999/a?{SIGNATURE}"),
        "s3://user:secret@bucket/a.csv".to_owned(),
    ] {
        let ended = scene.run(&input, &[]);
        assert_ne!(code(&ended), 0, "{input}");
        scene.expect_no_secrets(&ended);
    }
    let input = scene.url("/a.csv", SIGNATURE);
    for key in ["vision.model", "text.tokenizer"] {
        let setting = format!("{key}={}", scene.url("/none/x", SIGNATURE));
        let ended = scene.run(&input, &["--set", &setting]);
        assert_ne!(code(&ended), 0, "{key}");
        scene.expect_no_secrets(&ended);
    }
    let config = scene.url("/none.toml", SIGNATURE);
    let ended = program().args(["run", &config]).output().unwrap();
    assert_ne!(code(&ended), 0);
    scene.expect_no_secrets(&ended);
}

#[test]
fn a_config_and_a_tokenizer_are_read_with_the_credentials_of_their_urls() {
    let scene = Scene::new();
    let tokenizer = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../stages/text/tests/fixtures/llama.model"
    );
    let tokenizer = Reply::ok(fs::read(tokenizer).unwrap()).header("etag", "\"t\"");
    scene.site.put("/text/llama.model", tokenizer.only_with(BASIC));
    let config = format!(
        "[input]\npaths = [{:?}]\n[text]\ntokenizer = {:?}\n[fetch]\nallow_private_addresses = true\n\
         ports = []\n[output]\npath = {:?}\n",
        scene.url("/a.csv", SIGNATURE),
        scene.url("/text/llama.model", SIGNATURE),
        scene.path("out"),
    );
    scene.site.put("/run.toml", Reply::ok(config).only_with(BASIC));
    let ended = program()
        .env("IMG2TOKENS_CACHE", scene.path("cache"))
        .args(["run", &scene.url("/run.toml", SIGNATURE)])
        .output()
        .unwrap();
    assert_eq!(code(&ended), 0, "{}", messages(&ended));
    scene.expect_no_secrets(&ended);
}
