//! `img2tokens model fetch` where the network, the hub, the disk or the user is at fault; and where its token goes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod hub_scene;
mod program;

use hub_scene::*;
use img2tokens_test_support::{HubFault, HubServer};
use program::path;

#[test]
fn the_token_goes_to_the_hub_and_to_no_host_it_redirects_to() {
    let scene = Scene::published();
    scene.hub.require_token("hf_secret", false);
    let by_variable = scene.command(&[]).env("HF_TOKEN", "hf_secret").output().unwrap();
    directory(&by_variable);
    let requests = scene.hub.take_requests();
    let (store, hub): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.at_store);
    assert!(!store.is_empty() && !hub.is_empty());
    assert!(
        store.iter().all(|request| request.authorization.is_none()),
        "{store:?}"
    );
    let sent = Some("Bearer hf_secret".to_owned());
    assert!(hub.iter().all(|request| request.authorization == sent), "{hub:?}");
}

#[test]
fn the_token_ends_for_good_where_the_host_changes() {
    let scene = Scene::published();
    scene.hub.wander();
    let output = scene.command(&[]).env("HF_TOKEN", "hf_secret").output().unwrap();
    directory(&output);
    let requests = scene.hub.take_requests();
    let wandered = requests
        .iter()
        .filter(|request| request.path.starts_with("/again/"));
    // The revision's facts and two files, each asked of the foreign host, and once more where it sends on.
    assert_eq!(wandered.count(), 3, "{requests:?}");
    for request in requests.iter().filter(|request| request.at_store) {
        assert_eq!(request.authorization, None, "{request:?}");
    }
}

#[test]
fn a_size_that_no_model_has_is_refused_before_anything_is_written() {
    for size in [1 << 62, u64::MAX] {
        let scene = Scene::published();
        scene.hub.state_size(size);
        let line = scene.complaint(&[], 1);
        assert!(
            line.contains(ENCODER) && line.contains(&size.to_string()),
            "{line}"
        );
        assert!(!scene.cache().exists());
    }
}

#[test]
fn a_password_in_the_endpoint_is_neither_sent_nor_shown() {
    let scene = Scene::published();
    let endpoint = scene.hub.endpoint().replace("http://", "http://me:secret@");
    let output = scene.command(&[]).env("HF_ENDPOINT", endpoint).output().unwrap();
    let line = refusal(&output, 2);
    assert!(line.contains("HF_TOKEN") && !line.contains("secret"), "{line}");
    assert_eq!(scene.hub.take_requests(), []);
}

#[test]
fn the_token_may_stand_in_a_file() {
    for place in ["token", "elsewhere"] {
        let scene = Scene::published();
        scene.hub.require_token("hf_secret", false);
        let file = scene.home.path().join(place);
        std::fs::write(&file, "hf_secret\n").unwrap();
        let mut command = scene.command(&[]);
        if place == "elsewhere" {
            command.env("HF_TOKEN_PATH", &file);
        }
        directory(&command.output().unwrap());
    }
}

#[test]
fn a_body_that_breaks_off_is_resumed_where_it_was() {
    let scene = Scene::published();
    scene.hub.break_file(TOKENIZER, HubFault::CutOnce(100_000));
    let model = scene.fetched(&[]);
    assert_eq!(
        read(model.join(TOKENIZER)),
        read(path("golden/small_a_bins/visual_tokenizer/tokenizer_encoder.bin"))
    );
    let ranges: Vec<_> = scene
        .hub
        .take_requests()
        .into_iter()
        .filter(|request| request.at_store && request.method == "GET" && request.path.ends_with(TOKENIZER))
        .map(|request| request.range)
        .collect();
    let size = read(model.join(TOKENIZER)).len();
    assert_eq!(ranges, [None, Some(format!("bytes=100000-{}", size - 1))]);
}

/// Puts the first bytes of the encoder where an earlier run would have left them.
fn leave_partial(scene: &Scene, bytes: &[u8]) {
    let model = scene.fetched(&[]);
    let blob = std::fs::canonicalize(model.join(ENCODER)).unwrap();
    std::fs::remove_dir_all(&model).unwrap();
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(blob.with_extension("incomplete"), bytes).unwrap();
    scene.hub.take_requests();
}

#[test]
fn what_an_earlier_run_left_is_resumed() {
    let scene = Scene::published();
    let whole = read(path("golden/small_a_bins/visual_tokenizer/eva_vitg_psz14.bin"));
    leave_partial(&scene, &whole[..1000]);
    let model = scene.fetched(&[]);
    assert_eq!(read(model.join(ENCODER)), whole);
    let requests = scene.hub.take_requests();
    let range = format!("bytes=1000-{}", whole.len() - 1);
    assert!(
        requests
            .iter()
            .any(|request| request.range.as_ref() == Some(&range)),
        "{requests:?}"
    );
}

#[test]
fn what_an_earlier_run_left_is_dropped_if_it_is_wrong_or_ranges_are_ignored() {
    let whole = read(path("golden/small_a_bins/visual_tokenizer/eva_vitg_psz14.bin"));
    let garbled = vec![7; 1000];
    let longer = vec![7; whole.len() + 1];
    for (left, fault) in [
        (&garbled[..], None),
        (&longer, None),
        (&whole[..1000], Some(HubFault::NoRanges)),
    ] {
        let scene = Scene::published();
        leave_partial(&scene, left);
        if let Some(fault) = fault {
            scene.hub.break_file(ENCODER, fault);
        }
        assert_eq!(read(scene.fetched(&[]).join(ENCODER)), whole);
    }
}

#[test]
fn wrong_bytes_and_a_wrong_size_are_errors_that_leave_nothing() {
    for (fault, parts) in [
        (HubFault::WrongByte, ["digest", "hub states"]),
        (HubFault::Short, ["655316 bytes", "states 655317"]),
    ] {
        let scene = Scene::published();
        scene.hub.break_file(ENCODER, fault);
        let line = scene.complaint(&[], 1);
        assert!(
            line.contains(ENCODER) && parts.iter().all(|part| line.contains(part)),
            "{line}"
        );
        assert_eq!(scene.blobs(), Vec::<String>::new());
        assert!(!scene.cache().join("snapshots").exists() && !scene.cache().join("refs").exists());
        scene.hub.repair();
        scene.fetched(&[]);
    }
}

#[test]
fn a_server_that_always_breaks_off_is_worth_another_run_which_goes_on() {
    let scene = Scene::published();
    scene.hub.break_file(ENCODER, HubFault::Cut(0));
    let line = scene.complaint(&[], 75);
    assert!(line.contains(ENCODER) && line.contains("run again"), "{line}");
    scene.hub.repair();
    scene.fetched(&[]);
}

#[test]
fn refusals_say_what_to_do() {
    let scene = Scene::published();
    let line = scene.complaint(&["--revision", "v9"], 2);
    assert!(
        line.contains("no revision `v9`") && line.contains("branch"),
        "{line}"
    );
    scene
        .hub
        .publish("empty", &"e".repeat(40), &[("README.md", Vec::new())]);
    let line = scene.complaint(&["--revision", "empty"], 2);
    assert!(
        line.contains("no model") && line.contains("model.safetensors"),
        "{line}"
    );
    scene.hub.publish(
        "bare",
        &"d".repeat(40),
        &[(ENCODER, Vec::new()), (TOKENIZER, Vec::new())],
    );
    let line = scene.complaint(&["--revision", "bare", "--decoder"], 2);
    assert!(line.contains(DECODER) && line.contains("bare"), "{line}");

    scene.hub.require_token("hf_secret", true);
    let line = scene.complaint(&[], 2);
    assert!(line.contains("gated") && line.contains("HF_TOKEN"), "{line}");
    scene.hub.require_token("hf_secret", false);
    let line = scene.complaint(&[], 2);
    assert!(
        line.contains("no repository") && line.contains("HF_TOKEN"),
        "{line}"
    );
    assert!(!scene.cache().exists());
}

#[test]
fn another_hub_or_none_at_all_is_told() {
    let scene = Scene::published();
    let elsewhere = HubServer::start("else/where");
    let endpoint = elsewhere.endpoint();
    let fetch = || scene.command(&[]).env("HF_ENDPOINT", &endpoint).output().unwrap();
    let line = refusal(&fetch(), 2);
    assert!(
        line.contains("no repository") && line.contains(REPOSITORY),
        "{line}"
    );
    drop(elsewhere);
    let line = refusal(&fetch(), 75);
    assert!(
        line.contains("cannot be reached") && line.contains("HF_ENDPOINT"),
        "{line}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told() {
    let scene = Scene::published();
    leave_partial(&scene, b"");
    let partial = scene.cache().join("blobs");
    let partial = std::fs::read_dir(partial)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some())
        .unwrap();
    std::fs::remove_file(&partial).unwrap();
    // The device that is always full.
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    let line = scene.complaint(&[], 1);
    assert!(
        line.contains("no space left") && line.contains("HF_HOME"),
        "{line}"
    );
}
