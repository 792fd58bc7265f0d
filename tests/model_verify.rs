//! `img2tokens model verify`: how far two settings agree on pictures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use program::{code, complaint, json, messages, path, run, succeed, test_data};
use serde_json::{Value, json};

/// The same weights as `small_a`, as PyTorch files without a config.
const BINS: &str = "golden/small_a_bins";

fn config() -> String {
    path("golden/small_a/config.json")
}

fn picture(name: &str) -> String {
    path(&format!("golden/images/{name}"))
}

fn verify(a: &str, b: &str, further: &[&str]) -> Value {
    let pictures = [
        picture("chelsea.png"),
        picture("coffee_crop.png"),
        picture("camera_gray.png"),
    ];
    let mut arguments = vec!["model", "verify", a, b, "--json"];
    arguments.extend(further);
    arguments.extend(pictures.iter().map(String::as_str));
    json(&arguments)
}

#[test]
fn a_model_agrees_with_itself_in_another_form_and_with_the_golden_counts() {
    let report = verify(
        &path("golden/small_a"),
        &path(BINS),
        &["--model-config-b", &config()],
    );
    let total = &report["total"];
    assert_eq!(
        (
            &total["images"],
            &total["identical"],
            &total["mask_share"],
            &total["code_share"]
        ),
        (&json!(3), &json!(3), &json!(1.0), &json!(1.0))
    );
    for (image, name) in
        report["images"]
            .as_array()
            .unwrap()
            .iter()
            .zip(["chelsea", "coffee_crop", "camera_gray"])
    {
        let npz = test_data("golden/small_a").join(name).with_extension("npz");
        let codes = img2tokens_vision::conformance::Npz::read(&npz).i32("ids_argmax");
        let agreement = json!({
            "patches": 256, "mask_bits_equal": 256, "tokens_a": codes.len(), "tokens_b": codes.len(),
            "kept_by_both": codes.len(), "codes_equal": codes.len(),
        });
        assert_eq!(image["agreement"], agreement, "{name}");
        assert_eq!(image["identical"], true);
    }
}

#[test]
fn verify_counts_what_tokenize_prints_of_both_settings() {
    let model = path("golden/small_a");
    let report = verify(&model, &model, &["--dtype-b", "bf16", "--merger-b", "packed"]);
    assert_eq!(
        (
            &report["a"]["dtype"],
            &report["b"]["dtype"],
            &report["b"]["merger"]
        ),
        (&json!("f32"), &json!("bf16"), &json!("packed"))
    );
    let mut sums = [0; 3];
    for image in report["images"].as_array().unwrap() {
        let line = |further: &[&str]| -> Value {
            let mut arguments = vec!["tokenize", "--model", &model];
            arguments.extend(further);
            arguments.push(image["path"].as_str().unwrap());
            json(&arguments)
        };
        let (a, b) = (
            patches(&line(&[])),
            patches(&line(&["--dtype", "bf16", "--merger", "packed"])),
        );
        let count = |test: fn(&(&Option<u64>, &Option<u64>)) -> bool| a.iter().zip(&b).filter(test).count();
        let expected = [
            count(|(a, b)| a.is_some() == b.is_some()),
            count(|(a, b)| a.is_some() && b.is_some()),
            count(|(a, b)| a.is_some() && a == b),
        ];
        let agreement = &image["agreement"];
        assert_eq!(agreement["mask_bits_equal"], expected[0]);
        assert_eq!(agreement["kept_by_both"], expected[1]);
        assert_eq!(agreement["codes_equal"], expected[2]);
        assert_eq!(image["identical"], a == b);
        sums = std::array::from_fn(|index| sums[index] + expected[index]);
    }
    let total = &report["total"]["agreement"];
    assert_eq!(total["mask_bits_equal"], sums[0]);
    assert_eq!(total["kept_by_both"], sums[1]);
    assert_eq!(total["codes_equal"], sums[2]);
}

/// The code of every patch in a line of `tokenize`.
fn patches(line: &Value) -> Vec<Option<u64>> {
    let mut codes = line["codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_u64().unwrap());
    let hex = line["kept"].as_str().unwrap();
    let mask: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    (0..mask.len() * 8)
        .map(|patch| {
            if mask[patch / 8] >> (patch % 8) & 1 == 1 {
                codes.next()
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn models_that_differ_are_compared_all_the_same_and_that_is_exit_0() {
    let report = verify("builtin:nano", &path("golden/small_a"), &[]);
    assert_eq!(report["total"]["identical"], 0);
    assert!(report["total"]["mask_share"].as_f64().unwrap() < 1.0);
    let text = succeed(&[
        "model",
        "verify",
        "builtin:nano",
        "builtin:nano",
        &picture("chelsea.png"),
    ]);
    assert!(
        text.contains("256/256") && text.contains("1 of 1 identical"),
        "{text}"
    );
}

#[test]
fn a_broken_image_is_reported_beside_the_others_and_exit_1() {
    let output = run(&[
        "model",
        "verify",
        "builtin:nano",
        "builtin:nano",
        "--json",
        "/no/such.png",
        &picture("chelsea.png"),
    ]);
    assert_eq!(code(&output), 1, "{}", messages(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["images"][0]["error"], "corrupt_row");
    assert_eq!(
        (&report["images"][1]["identical"], &report["total"]["images"]),
        (&json!(true), &json!(1))
    );
}

#[test]
fn masks_of_different_grids_are_refused() {
    let small_b = path("golden/small_b");
    let line = complaint(
        &[
            "model",
            "verify",
            "builtin:nano",
            &small_b,
            &picture("chelsea.png"),
        ],
        2,
    );
    assert!(
        line.contains("256 patches") && line.contains("small_b has 64"),
        "{line}"
    );
}
