//! `img2tokens model fetch` against a server that speaks the hub's protocol: what is fetched, and where it lies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod hub_scene;
mod program;

use std::path::Path;

use hub_scene::*;
use program::{files, json, path, test_data};

#[test]
fn only_the_two_files_needed_are_asked_for_and_the_model_works() {
    let scene = Scene::published();
    let model = scene.fetched(&[]);
    assert_eq!(model, scene.cache().join("snapshots").join(COMMIT));
    assert_eq!(files(&model).keys().collect::<Vec<_>>(), [ENCODER, TOKENIZER]);
    let requests = scene.hub.take_requests();
    assert!(
        requests
            .iter()
            .all(|request| ["revision/main", ENCODER, TOKENIZER]
                .iter()
                .any(|end| request.path.ends_with(end))),
        "{requests:?}"
    );
    let config = path("golden/small_a/config.json");
    let info = |model: &str| json(&["model", "info", model, "--model-config", &config, "--json"]);
    assert_eq!(
        info(model.to_str().unwrap())["digest"],
        info(&path("golden/small_a_bins"))["digest"]
    );
}

#[test]
fn further_parts_are_fetched_when_asked_for() {
    let scene = Scene::published();
    let model = scene.fetched(&["--decoder", "--language-model-merger", "--text-tokenizer"]);
    assert_eq!(
        files(&model).keys().collect::<Vec<_>>(),
        [TEXT, MERGER, ENCODER, DECODER, TOKENIZER]
    );
}

#[test]
fn our_own_form_is_fetched_as_config_and_safetensors() {
    let scene = Scene::published();
    let golden = |name: &str| read(test_data("golden/small_a").join(name));
    let own = ["config.json", "model.safetensors"];
    scene
        .hub
        .publish("own", &"a".repeat(40), &own.map(|name| (name, golden(name))));
    let model = scene.fetched(&["--revision", "own"]);
    assert_eq!(files(&model).keys().collect::<Vec<_>>(), own);
    let digest = |model: &str| json(&["model", "info", model, "--json"])["digest"].clone();
    assert_eq!(digest(model.to_str().unwrap()), digest(&path("golden/small_a")));
}

#[test]
fn a_second_fetch_downloads_nothing() {
    let scene = Scene::published();
    let first = scene.fetched(&[]);
    scene.hub.take_requests();
    assert_eq!(scene.fetched(&[]), first);
    assert_eq!(downloaded(&scene.hub.take_requests()), Vec::<&str>::new());
}

#[test]
fn a_new_commit_with_the_same_bytes_downloads_nothing_and_moves_the_revision() {
    let scene = Scene::published();
    let first = scene.fetched(&[]);
    let next = "f".repeat(40);
    scene.hub.publish(
        "main",
        &next,
        &[
            (ENCODER, read(first.join(ENCODER))),
            (TOKENIZER, read(first.join(TOKENIZER))),
        ],
    );
    scene.hub.take_requests();
    let second = scene.fetched(&[]);
    assert_eq!(second, scene.cache().join("snapshots").join(&next));
    assert!(scene.hub.take_requests().iter().all(|request| !request.at_store));
    assert_eq!(read(scene.cache().join("refs/main")), next.as_bytes());
    assert_eq!(scene.blobs().len(), 2);
}

#[test]
fn the_cache_is_laid_out_as_pythons_client_lays_it_out() {
    let scene = Scene::published();
    let model = scene.fetched(&[]);
    assert_eq!(read(scene.cache().join("refs/main")), COMMIT.as_bytes());
    for file in [ENCODER, TOKENIZER] {
        let link = std::fs::read_link(model.join(file)).unwrap();
        assert!(link.is_relative(), "{}", link.display());
        let blob = std::fs::canonicalize(model.join(file)).unwrap();
        assert_eq!(
            blob.parent().unwrap(),
            std::fs::canonicalize(scene.cache().join("blobs")).unwrap()
        );
        assert_eq!(
            blob.file_name().unwrap().len(),
            64,
            "a blob is named by its sha256"
        );
    }
    assert_eq!(scene.blobs().len(), 2, "nothing unfinished is left");
}

#[test]
fn a_revision_is_a_branch_a_pull_request_or_a_commit() {
    let scene = Scene::published();
    let other = "b".repeat(40);
    let files = [(ENCODER, b"encoder".to_vec()), (TOKENIZER, b"tokenizer".to_vec())];
    scene.hub.publish("refs/pr/7", &other, &files);
    for revision in ["refs/pr/7", &other] {
        let model = scene.fetched(&["--revision", revision]);
        assert_eq!(model, scene.cache().join("snapshots").join(&other));
        assert_eq!(read(model.join(ENCODER)), b"encoder");
    }
    let refs = files_of(&scene.cache().join("refs"));
    assert_eq!(refs, ["refs/pr/7"], "a commit needs no reference");
}

fn files_of(folder: &Path) -> Vec<String> {
    files(folder).into_keys().collect()
}

#[test]
fn the_cache_may_lie_elsewhere() {
    let scene = Scene::published();
    let cache = scene.home.path().join("other");
    let output = scene.command(&[]).env("HF_HUB_CACHE", &cache).output().unwrap();
    assert!(directory(&output).starts_with(&cache));
}

#[test]
fn offline_the_cache_answers_alone() {
    let scene = Scene::published();
    let offline = |further: &[&str]| {
        let mut command = scene.command(further);
        command.env("HF_HUB_OFFLINE", "1").output().unwrap()
    };
    let line = refusal(&offline(&[]), 2);
    assert!(
        line.contains("HF_HUB_OFFLINE") && line.contains(REPOSITORY),
        "{line}"
    );
    let model = scene.fetched(&[]);
    scene.hub.take_requests();
    assert_eq!(directory(&offline(&[])), model);
    assert_eq!(directory(&offline(&["--revision", COMMIT])), model);
    let line = refusal(&offline(&["--decoder"]), 2);
    assert!(line.contains(DECODER), "{line}");
    assert_eq!(scene.hub.take_requests(), []);
}

#[test]
fn a_destination_is_a_model_directory_of_its_own() {
    let scene = Scene::published();
    let dest = scene.home.path().join("models/lavit");
    let argument = dest.to_str().unwrap();
    for _ in 0..2 {
        assert_eq!(scene.fetched(&["--dest", argument]), dest);
    }
    std::fs::remove_dir_all(scene.cache()).unwrap();
    let config = path("golden/small_a/config.json");
    json(&["model", "info", argument, "--model-config", &config, "--json"]);
    assert_eq!(files_of(&dest), [ENCODER, TOKENIZER]);
}
