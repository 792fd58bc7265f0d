//! `img2tokens tokenize` against what the published code computes (tests/data/golden).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::Path;

use img2tokens_schemas::KeepMask;
use img2tokens_vision::conformance::Npz;
use program::{code, messages, run, succeed, test_data};
use serde_json::Value;

const PICTURES: [&str; 7] = [
    "camera_gray.png",
    "chelsea.png",
    "chelsea_palette.png",
    "coffee_crop.png",
    "logo_rgba.png",
    "synth_gradient.png",
    "synth_noise_37x53.png",
];

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn tokenize(model: &Path, pictures: &[&str], further: &[&str]) -> Vec<Value> {
    let images: Vec<String> = pictures
        .iter()
        .map(|name| test_data("golden/images").join(name).display().to_string())
        .collect();
    let mut arguments = vec!["tokenize", "--model", model.to_str().unwrap()];
    arguments.extend(further);
    arguments.extend(images.iter().map(String::as_str));
    lines(&succeed(&arguments))
}

fn expect_golden(model: &str) {
    let model = test_data("golden").join(model);
    for (line, picture) in tokenize(&model, &PICTURES, &[]).iter().zip(PICTURES) {
        let golden = Npz::read(&model.join(picture).with_extension("npz"));
        let codes: Vec<i32> = golden.i32("ids_argmax");
        assert_eq!(line["codes"], Value::from(codes.clone()), "{picture}");
        assert_eq!(line["num_tokens"], codes.len(), "{picture}");
        let kept: Vec<bool> = golden.u8("keep_argmax").iter().map(|kept| *kept != 0).collect();
        assert_eq!(line["kept"], KeepMask::from_bools(&kept).to_hex(), "{picture}");
    }
}

#[test]
fn codes_and_masks_of_png_files_are_the_published_ones_at_224_pixels() {
    expect_golden("small_a");
}

#[test]
fn codes_and_masks_of_png_files_are_the_published_ones_at_112_pixels() {
    expect_golden("small_b");
}

#[test]
fn an_image_without_kept_patches_has_an_empty_list_of_codes() {
    let lines = tokenize(&test_data("golden/small_b"), &["synth_solid_224.png"], &[]);
    assert_eq!(lines[0]["codes"], Value::Array(Vec::new()));
    assert_eq!(lines[0]["num_tokens"], 0);
}

#[test]
fn ids_do_not_depend_on_batch_size_threads_or_order() {
    let model = test_data("golden/small_a");
    let alone = tokenize(&model, &PICTURES, &["--batch-size", "1", "--threads", "1"]);
    for further in [
        ["--batch-size", "7", "--threads", "2"],
        ["--batch-size", "64", "--threads", "1"],
    ] {
        assert_eq!(tokenize(&model, &PICTURES, &further), alone);
    }
    let mut reversed = PICTURES;
    reversed.reverse();
    let mut backwards = tokenize(&model, &reversed, &["--batch-size", "3"]);
    backwards.reverse();
    assert_eq!(backwards, alone);
}

#[test]
fn a_broken_file_is_a_line_with_its_reason_and_exit_1_and_the_others_have_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.jpg");
    std::fs::write(&page, "<!doctype html><title>not found</title>").unwrap();
    let good = test_data("golden/images/chelsea.png");
    let missing = folder.path().join("missing.png");
    let output = run(&[
        "tokenize",
        page.to_str().unwrap(),
        good.to_str().unwrap(),
        missing.to_str().unwrap(),
    ]);
    assert_eq!(code(&output), 1, "{}", messages(&output));
    let lines = lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(lines[0]["error"], "not_an_image");
    assert!(
        lines[0]["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty())
    );
    assert!(lines[1]["num_tokens"].as_u64().unwrap() > 0);
    assert_eq!(lines[2]["error"], "corrupt_row");
}

#[test]
fn a_model_that_is_not_there_is_exit_2_and_one_line_that_names_it() {
    let output = run(&["tokenize", "--model", "/no/such/model", "a.png"]);
    assert_eq!(code(&output), 2);
    assert_eq!(messages(&output).trim().lines().count(), 1);
    assert!(
        messages(&output).contains("/no/such/model"),
        "{}",
        messages(&output)
    );
}
