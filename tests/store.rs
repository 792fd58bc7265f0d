//! A run into an S3-compatible store: the bytes of a local one, whichever request goes wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use bytes::Bytes;
use img2tokens_test_support::{Reply, StaticSite, StoreFault, StoreServer};
use program::{code, files, messages, program, succeed, test_data, write_config, write_pairs};

const OUTPUT: &str = "s3://bucket/out";
const ALLOW_LOOPBACK: &str = "[fetch]\nallow_private_addresses = true\nports = []\nconcurrency = 1";

/// Some pairs, one of which fails, in units of so many.
struct Case {
    folder: tempfile::TempDir,
    _site: StaticSite,
}

impl Case {
    fn new(pairs: usize, unit_rows: usize) -> Self {
        let site = StaticSite::start();
        let picture = std::fs::read(test_data("golden/images/chelsea.png")).unwrap();
        site.put("/cat.png", Reply::ok(picture));
        let pair = |number| if number == 1 { "/gone.png" } else { "/cat.png" };
        let pairs: Vec<_> = (0..pairs)
            .map(|number| (site.url(pair(number)), "a cat"))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        write_pairs(&folder.path().join("pairs.parquet"), &pairs);
        let case = Self { folder, _site: site };
        let further = format!("unit_rows = {unit_rows}\n{ALLOW_LOOPBACK}");
        write_config(
            &case.path("run.toml"),
            &case.path("pairs.parquet"),
            &case.path("local"),
            &further,
        );
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The tables of an undisturbed run into a folder, by the keys that they have in the store.
    fn expected(&self) -> BTreeMap<String, Vec<u8>> {
        succeed(&["run", self.path("run.toml").to_str().unwrap()]);
        let tables = files(&self.path("local"))
            .into_iter()
            .filter(|(name, _)| name.ends_with(".parquet"));
        tables
            .map(|(name, bytes)| (format!("bucket/out/{name}"), bytes))
            .collect()
    }

    /// A run into the store, with nothing of this machine's own settings.
    fn command(&self, store: &StoreServer) -> Command {
        let mut command = program_beside(store);
        command
            .env("HOME", self.folder.path())
            .arg("run")
            .arg(self.path("run.toml"))
            .args(["--set", &format!("output.path={OUTPUT:?}")]);
        command
    }

    fn run(&self, store: &StoreServer) -> Output {
        with_keys(self.command(store)).output().unwrap()
    }
}

fn program_beside(store: &StoreServer) -> Command {
    let mut command = program();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_ENDPOINT_URL", store.url())
        .env("AWS_REGION", "somewhere");
    command
}

fn with_keys(mut command: Command) -> Command {
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    command
}

/// What `verify` says about the store.
fn verify(store: &StoreServer) -> String {
    let mut command = with_keys(program_beside(store));
    let output = command.args(["verify", OUTPUT]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", messages(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The tables are those expected and nothing is left over.
fn expect_whole(store: &StoreServer, expected: &BTreeMap<String, Vec<u8>>, context: &str) {
    let objects = store.objects();
    let left_over: Vec<&String> = objects.keys().filter(|key| key.contains("/.tmp/")).collect();
    assert!(left_over.is_empty(), "{context}: {left_over:?}");
    assert_eq!(store.unfinished_uploads(), 0, "{context}");
    let tables: BTreeMap<&String, &Bytes> = objects
        .iter()
        .filter(|(key, _)| key.ends_with(".parquet"))
        .collect();
    assert!(
        tables.keys().copied().eq(expected.keys()),
        "{context}: {:?}",
        tables.keys()
    );
    for (key, bytes) in tables {
        assert!(bytes.as_ref() == expected[key], "{context}: {key} differs");
    }
}

/// Lets every request of a run go wrong in turn, a run each. What is committed then is whole, and the same command again
/// ends with the bytes of a run that nobody disturbed. Returns how the disturbed runs ended.
fn at_every_request(fault: StoreFault) -> Vec<i32> {
    let case = Case::new(2, 2);
    let expected = case.expected();
    let mut codes = Vec::new();
    loop {
        let store = StoreServer::start();
        store.fail(codes.len(), fault);
        let disturbed = case.run(&store);
        let requests = store.requests();
        let Some(request) = requests.get(codes.len()) else {
            break;
        };
        let context = format!("{fault:?} at request {}, {request}", codes.len());
        store.heal();
        if code(&disturbed) != 0 {
            assert_eq!(messages(&disturbed).lines().count(), 1, "{context}");
            if store.objects().keys().any(|key| key.contains("/stats/")) {
                let report = verify(&store);
                assert!(report.contains("; 0 found wrong"), "{context}: {report}");
            }
            let again = case.run(&store);
            assert_eq!(code(&again), 0, "{context}: {}", messages(&again));
        }
        expect_whole(&store, &expected, &context);
        codes.push(code(&disturbed));
    }
    assert!(codes.len() > 20, "only {} requests were met", codes.len());
    codes
}

#[test]
fn a_run_into_a_store_leaves_the_bytes_of_a_local_one() {
    let case = Case::new(6, 2);
    let store = StoreServer::start();
    let output = case.run(&store);
    assert_eq!(code(&output), 0, "{}", messages(&output));
    expect_whole(&store, &case.expected(), "undisturbed");
    let report = verify(&store);
    assert!(
        report.contains("3 of 3 units committed") && report.contains("; 0 found wrong"),
        "{report}"
    );
}

#[test]
fn no_request_that_the_store_is_too_busy_for_once_ends_a_run() {
    let codes = at_every_request(StoreFault::Unavailable);
    assert!(codes.iter().all(|code| *code == 0), "{codes:?}");
}

#[test]
fn no_request_that_is_lost_once_ends_a_run() {
    let codes = at_every_request(StoreFault::RequestLost);
    assert!(codes.iter().all(|code| *code == 0), "{codes:?}");
}

#[test]
fn no_answer_that_is_lost_once_ends_a_run() {
    let codes = at_every_request(StoreFault::AnswerLost);
    assert!(codes.iter().all(|code| *code == 0), "{codes:?}");
}

#[test]
fn whichever_request_is_refused_what_is_committed_is_whole_and_a_later_run_completes_it() {
    let codes = at_every_request(StoreFault::Denied);
    assert!(
        codes.iter().all(|code| matches!(code, 0..=2)),
        "no refusal is worth a retry: {codes:?}"
    );
    assert!(codes.iter().filter(|code| **code != 0).count() > 10, "{codes:?}");
}

#[test]
fn a_slow_upload_of_one_unit_does_not_keep_the_next_ones_from_their_end() {
    let case = Case::new(4, 1);
    let store = StoreServer::start();
    store.hold("/.tmp/part-00000.", "/stats/part-00002");
    let output = case.run(&store);
    assert_eq!(code(&output), 0, "{}", messages(&output));
    expect_whole(&store, &case.expected(), "held");
}

#[test]
fn a_store_that_ignores_conditional_puts_is_refused() {
    let case = Case::new(2, 2);
    let store = StoreServer::start();
    store.ignore_conditions();
    let output = case.run(&store);
    assert_eq!(code(&output), 2, "{}", messages(&output));
    assert!(
        messages(&output).contains("ignores conditional puts"),
        "{}",
        messages(&output)
    );
    assert!(!store.objects().keys().any(|key| key.contains("part-")));
}

#[test]
fn credentials_come_from_the_profile_where_the_environment_has_none() {
    let case = Case::new(1, 1);
    let store = StoreServer::start();
    std::fs::create_dir(case.path(".aws")).unwrap();
    let profile = "[team]\naws_access_key_id = TEAMKEY\naws_secret_access_key = secret\n";
    std::fs::write(case.path(".aws/credentials"), profile).unwrap();
    let output = case.command(&store).env("AWS_PROFILE", "team").output().unwrap();
    assert_eq!(code(&output), 0, "{}", messages(&output));
    let signed = store.authorizations();
    assert!(
        !signed.is_empty()
            && signed
                .iter()
                .all(|signature| signature.contains("Credential=TEAMKEY/"))
    );
}

#[test]
fn config_and_model_may_lie_in_the_store_too() {
    let case = Case::new(2, 2);
    let store = StoreServer::start();
    let model = case.path("model");
    succeed(&["model", "convert", "builtin:nano", model.to_str().unwrap()]);
    for (name, bytes) in files(&model) {
        store.put(&format!("bucket/nano/{name}"), bytes);
    }
    store.put("bucket/run.toml", std::fs::read(case.path("run.toml")).unwrap());
    let run = |model: &str| {
        let mut command = with_keys(program_beside(&store));
        command
            .env("XDG_CACHE_HOME", case.path("cache"))
            .args(["run", "s3://bucket/run.toml", "--set"])
            .arg(format!("vision.model={model:?}"));
        command.output().unwrap()
    };
    let output = run("s3://bucket/nano");
    assert_eq!(code(&output), 0, "{}", messages(&output));
    let gets = |store: &StoreServer| {
        let requests = store.requests();
        requests
            .iter()
            .filter(|request| request.starts_with("GET") && request.ends_with(".safetensors"))
            .count()
    };
    let copied = gets(&store);
    assert!(copied > 0);
    assert_eq!(code(&run("s3://bucket/nano")), 0);
    assert_eq!(gets(&store), copied, "copied once");
    let nothing = run("s3://bucket/nothing");
    assert_eq!(code(&nothing), 2);
    assert!(
        messages(&nothing).contains("s3://bucket/nothing: not there, or not whole"),
        "{}",
        messages(&nothing)
    );
}

#[test]
fn where_there_are_no_credentials_the_user_reads_how_to_give_some() {
    let case = Case::new(1, 1);
    let store = StoreServer::start();
    let output = case
        .command(&store)
        .env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(code(&output), 2, "{}", messages(&output));
    assert!(
        messages(&output).contains("no credentials: set AWS_ACCESS_KEY_ID"),
        "{}",
        messages(&output)
    );
    let unknown = case
        .command(&store)
        .env("AWS_PROFILE", "nobody")
        .output()
        .unwrap();
    assert_eq!(code(&unknown), 2);
    assert!(
        messages(&unknown).contains("AWS_PROFILE=nobody: there is no such profile"),
        "{}",
        messages(&unknown)
    );
    assert_eq!(store.requests(), Vec::<String>::new());
}
