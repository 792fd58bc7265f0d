//! `img2tokens model export-onnx` and `--backend onnx`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::Path;
use std::process::Output;

use program::{code, complaint, data_rows, files, json, messages, path, program, succeed};
use serde_json::{Value, json};

const PICTURES: [&str; 5] = [
    "camera_gray.png",
    "chelsea.png",
    "logo_rgba.png",
    "synth_noise_37x53.png",
    "synth_solid_224.png",
];

fn picture(name: &str) -> String {
    path(&format!("golden/images/{name}"))
}

/// Exports a model into a new directory of this folder.
fn exported(folder: &Path, model: &str) -> String {
    let dest = folder.join("exported").display().to_string();
    succeed(&["model", "export-onnx", model, &dest]);
    dest
}

fn tokenize(model: &str, further: &[&str]) -> String {
    let mut arguments = vec!["tokenize", "--model", model];
    arguments.extend(further);
    let pictures = PICTURES.map(picture);
    arguments.extend(pictures.iter().map(String::as_str));
    succeed(&arguments)
}

#[test]
fn exported_graphs_give_the_golden_codes() {
    for name in ["small_a", "small_b"] {
        let folder = tempfile::tempdir().unwrap();
        let model = exported(folder.path(), &path(&format!("golden/{name}")));
        let printed = tokenize(&model, &["--backend", "onnx"]);
        assert_eq!(printed.lines().count(), PICTURES.len());
        for (line, picture) in printed.lines().zip(PICTURES) {
            let line: Value = serde_json::from_str(line).unwrap();
            let npz = program::test_data(&format!("golden/{name}"))
                .join(picture)
                .with_extension("npz");
            let codes = img2tokens_vision::conformance::Npz::read(&npz).i32("ids_argmax");
            assert_eq!(line["codes"], json!(codes), "{name} {picture}");
        }
    }
}

#[test]
fn threads_batches_and_the_backend_change_nothing_of_drawn_ids() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let gumbel = ["--selection", "gumbel", "--seed", "7"];
    let candle = tokenize("builtin:nano", &gumbel);
    for further in [
        ["--threads", "1", "--batch-size", "2"],
        ["--threads", "3", "--batch-size", "32"],
    ] {
        let onnx = tokenize(&model, &[&["--backend", "onnx"][..], &gumbel, &further].concat());
        assert_eq!(onnx, candle);
    }
}

#[test]
fn verify_compares_it_with_candle() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let report = json(&[
        "model",
        "verify",
        "builtin:nano",
        &model,
        "--backend-b",
        "onnx",
        "--json",
        &picture("chelsea.png"),
    ]);
    assert_eq!(report["total"]["identical"], 1);
    assert_eq!(report["b"]["backend"], "onnx");
}

#[test]
fn bench_says_what_computed() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let report = json(&[
        "bench",
        "vision",
        "--backend",
        "onnx",
        "--model",
        &model,
        "--batches",
        "1",
        "--batch-size",
        "2",
    ]);
    assert_eq!(
        (&report["backend"], &report["device"]),
        (&json!("onnx"), &json!("cpu"))
    );
    assert!(report["images_per_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_run_writes_the_same_sequences_and_another_identity() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let outputs = ["candle", "onnx"].map(|backend| {
        let output = folder.path().join(backend);
        let model = if backend == "onnx" { &model } else { "builtin:nano" };
        let config = format!(
            "[input]\npaths = [\"builtin:samples\"]\n[fetch]\nallow_private_addresses = true\nports = []\n\
             [vision]\nmodel = {model:?}\nbackend = {backend:?}\n[output]\npath = {:?}\n",
            output.display().to_string()
        );
        let file = folder.path().join(format!("{backend}.toml"));
        std::fs::write(&file, config).unwrap();
        succeed(&["run", file.to_str().unwrap(), "--limit", "12"]);
        output
    });
    let [candle, onnx] = outputs.each_ref().map(|output| data_rows(output));
    assert!(!candle.is_empty());
    let ids = |rows: &[program::DataRow]| -> Vec<_> {
        rows.iter()
            .map(|row| (row.key.clone(), row.input_ids.clone()))
            .collect()
    };
    assert_eq!(ids(&onnx), ids(&candle));
    let digest = |output: &Path| -> Value {
        let plan = std::fs::read(output.join("plan.json")).unwrap();
        let plan: Value = serde_json::from_slice(&plan).unwrap();
        plan["identity"]["model"]["digest"].clone()
    };
    assert!(digest(&outputs[0]).is_string());
    assert_ne!(digest(&outputs[0]), digest(&outputs[1]));
}

#[test]
fn each_backend_refuses_the_others_models_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let line = complaint(&["tokenize", "--model", &model, "a.png"], 2);
    assert!(line.contains(&model) && line.contains("--backend onnx"), "{line}");
    let line = complaint(&["model", "info", &model], 2);
    assert!(line.contains("--backend onnx"), "{line}");
    for weights in [path("golden/small_a"), "builtin:nano".to_owned()] {
        let line = complaint(
            &["tokenize", "--backend", "onnx", "--model", &weights, "a.png"],
            2,
        );
        assert!(
            line.contains(&weights) && line.contains("model export-onnx"),
            "{line}"
        );
    }
}

#[test]
fn settings_that_graphs_do_not_have_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let config = path("golden/small_a/config.json");
    for (setting, named) in [
        (["--dtype", "bf16"], "bf16"),
        (["--merger", "packed"], "packed"),
        (["--model-config", &config], "config.json"),
    ] {
        let arguments = [
            "tokenize",
            "--backend",
            "onnx",
            "--model",
            &model,
            setting[0],
            setting[1],
            "a.png",
        ];
        let line = complaint(&arguments, 2);
        assert!(line.contains(named) && line.contains("onnx"), "{line}");
    }
}

#[test]
fn reconstruction_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let arguments = [
        "tokenize",
        "--backend",
        "onnx",
        "--model",
        &model,
        "--reconstruction",
        "a.png",
    ];
    let line = complaint(&arguments, 2);
    assert!(
        line.contains("reconstruction") && line.contains("decoder"),
        "{line}"
    );
}

/// The library that tests run with has the CPU only.
#[test]
fn a_device_that_the_library_lacks_is_refused_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    for device in [["--device", "cuda:0"], ["--onnx-provider", "tensorrt"]] {
        let arguments = [
            "tokenize",
            "--backend",
            "onnx",
            "--model",
            &model,
            device[0],
            device[1],
            "a.png",
        ];
        let line = complaint(&arguments, 2);
        assert!(line.contains("encoder.onnx"), "{line}");
    }
}

/// Runs the onnx backend with this in `ORT_DYLIB_PATH`.
fn with_library(model: &str, library: &str, further: &[&str]) -> Output {
    let mut command = program();
    command
        .env("ORT_DYLIB_PATH", library)
        .env_remove("VIRTUAL_ENV")
        .args(["tokenize", "--backend", "onnx", "--model", model])
        .args(further)
        .arg("a.png");
    command.output().unwrap()
}

#[test]
fn a_missing_library_is_one_line_that_says_how_to_get_it_and_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let no_library = folder.path().join("exported/config.json").display().to_string();
    for (library, further, named) in [
        ("/no/such/libonnxruntime.so", vec![], "/no/such/libonnxruntime.so"),
        (&no_library, vec![], no_library.as_str()),
        ("", vec!["--onnxruntime", "/no/such/lib.so"], "/no/such/lib.so"),
    ] {
        let output = with_library(&model, library, &further);
        let text = messages(&output);
        assert_eq!(code(&output), 2, "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains(named) && text.contains("pip install onnxruntime"),
            "{text}"
        );
    }
}

#[test]
fn the_library_is_found_by_option_alone() {
    let folder = tempfile::tempdir().unwrap();
    let model = exported(folder.path(), "builtin:nano");
    let library = std::env::var("ORT_DYLIB_PATH").expect("scripts/test.sh sets ORT_DYLIB_PATH");
    let output = program()
        .env_remove("ORT_DYLIB_PATH")
        .env_remove("VIRTUAL_ENV")
        .args(["tokenize", "--backend", "onnx", "--model", &model])
        .args(["--onnxruntime", &library, &picture("chelsea.png")])
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", messages(&output));
    assert!(output.stderr.is_empty(), "{}", messages(&output));
}

#[test]
fn export_leaves_nothing_behind_where_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let line = complaint(
        &["model", "export-onnx", "builtin:nano", file.to_str().unwrap()],
        2,
    );
    assert!(line.contains("exists"), "{line}");
    let below = file.join("below");
    complaint(
        &["model", "export-onnx", "builtin:nano", below.to_str().unwrap()],
        1,
    );
    assert_eq!(files(folder.path()).len(), 1);
}
