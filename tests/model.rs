//! `img2tokens model info` and `convert`, and `--model-config`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::{Path, PathBuf};

use program::{complaint, files, json, path, succeed, test_data};
use serde_json::{Value, json};

/// The same weights as `small_a`, as PyTorch files without a config.
const BINS: &str = "golden/small_a_bins";

fn config() -> String {
    path("golden/small_a/config.json")
}

fn picture(name: &str) -> String {
    path(&format!("golden/images/{name}"))
}

fn digest(model: &str) -> String {
    let info = json(&["model", "info", model, "--json"]);
    info["digest"].as_str().unwrap().to_owned()
}

/// Converts the published form of `small_a` into a directory in this folder.
fn converted(folder: &Path) -> PathBuf {
    let dest = folder.join("converted");
    succeed(&[
        "model",
        "convert",
        &path(BINS),
        dest.to_str().unwrap(),
        "--model-config",
        &config(),
    ]);
    dest
}

#[test]
fn published_files_become_safetensors_of_the_same_digest_and_ids() {
    let folder = tempfile::tempdir().unwrap();
    let dest = converted(folder.path());
    let written = files(&dest);
    assert_eq!(
        written.keys().collect::<Vec<_>>(),
        ["config.json", "model.safetensors"]
    );
    assert_eq!(files(folder.path()).len(), 2, "nothing temporary is left");
    let [dest, golden] = [dest.display().to_string(), path("golden/small_a")];
    assert_eq!(digest(&dest), digest(&golden));
    let ids = |model: &str, further: &[&str]| {
        let pictures = [
            picture("chelsea.png"),
            picture("logo_rgba.png"),
            picture("synth_solid_224.png"),
        ];
        let mut arguments = vec!["tokenize", "--model", model];
        arguments.extend(further);
        arguments.extend(pictures.iter().map(String::as_str));
        succeed(&arguments)
    };
    assert_eq!(ids(&dest, &[]), ids(&golden, &[]));
    let bins = ids(&path(BINS), &["--model-config", &config()]);
    assert_eq!(bins, ids(&golden, &[]));
}

#[test]
fn a_converted_file_is_read_by_another_reader_of_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::read(converted(folder.path()).join("model.safetensors")).unwrap();
    let golden = std::fs::read(test_data("golden/small_a/model.safetensors")).unwrap();
    let (header, data) = parse(&file);
    let (golden_header, golden_data) = parse(&golden);
    assert_eq!(
        data.as_ptr().addr() % 8,
        file.as_ptr().addr() % 8,
        "data is aligned"
    );
    let mut end = 0;
    for (key, tensor) in header.as_object().unwrap() {
        assert_eq!(tensor["dtype"], golden_header[key]["dtype"], "{key}");
        assert_eq!(tensor["shape"], golden_header[key]["shape"], "{key}");
        assert_eq!(
            bytes(data, tensor),
            bytes(golden_data, &golden_header[key]),
            "{key}"
        );
        end = end.max(tensor["data_offsets"][1].as_u64().unwrap());
    }
    assert_eq!(end, data.len() as u64, "nothing follows the last tensor");
}

/// Header and data, as the format's description has it.
fn parse(file: &[u8]) -> (Value, &[u8]) {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    (
        serde_json::from_slice(&file[8..8 + length]).unwrap(),
        &file[8 + length..],
    )
}

fn bytes<'a>(data: &'a [u8], tensor: &Value) -> &'a [u8] {
    let offset = |index: usize| tensor["data_offsets"][index].as_u64().unwrap() as usize;
    &data[offset(0)..offset(1)]
}

#[test]
fn what_exists_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "mine").unwrap();
    for dest in [taken.as_path(), folder.path()] {
        let dest = dest.to_str().unwrap();
        let line = complaint(&["model", "convert", "builtin:nano", dest], 2);
        assert!(line.contains(dest) && line.contains("exists"), "{line}");
    }
    assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn what_cannot_be_written_is_exit_1_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let dest = file.join("below");
    let line = complaint(&["model", "convert", "builtin:nano", dest.to_str().unwrap()], 1);
    assert!(line.contains(file.to_str().unwrap()), "{line}");
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn a_truncated_source_is_refused_with_file_key_and_sizes_and_no_destination() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::copy(config(), source.join("config.json")).unwrap();
    let whole = std::fs::read(test_data("golden/small_a/model.safetensors")).unwrap();
    std::fs::write(source.join("model.safetensors"), &whole[..whole.len() / 2]).unwrap();
    let dest = folder.path().join("dest");
    let arguments = [
        "model",
        "convert",
        source.to_str().unwrap(),
        dest.to_str().unwrap(),
    ];
    let line = complaint(&arguments, 2);
    for part in ["model.safetensors", "tensor `", "needs", "are there"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!dest.exists());
}

#[test]
fn a_config_of_other_shapes_is_refused_with_file_key_expected_and_found_shape() {
    // Without a config, the published files are of the published size.
    let line = complaint(&["model", "info", &path(BINS)], 2);
    for part in [
        "eva_vitg_psz14.bin",
        "`cls_token`",
        "[1, 1, 64]",
        "expected [1, 1, 1408]",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_config_file_that_is_no_config_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.json");
    let complain = |text: &str, parts: [&str; 2]| {
        std::fs::write(&file, text).unwrap();
        let line = complaint(
            &[
                "tokenize",
                "--model",
                &path(BINS),
                "--model-config",
                file.to_str().unwrap(),
                "a.png",
            ],
            2,
        );
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    };
    complain(r#"{"image_sise": 4}"#, ["mine.json", "image_sise"]);
    let zero = std::fs::read_to_string(config())
        .unwrap()
        .replace("\"heads\": 4", "\"heads\": 0");
    complain(&zero, ["mine.json", "heads"]);
    let missing = complaint(
        &["model", "info", &path(BINS), "--model-config", "/no/such.json"],
        2,
    );
    assert!(missing.contains("/no/such.json"), "{missing}");
    let fixed = complaint(&["model", "info", "builtin:nano", "--model-config", &config()], 2);
    assert!(
        fixed.contains("builtin:nano") && fixed.contains("config.json"),
        "{fixed}"
    );
}

#[test]
fn info_counts_what_the_files_hold() {
    let info = json(&[
        "model",
        "info",
        &path(BINS),
        "--model-config",
        &config(),
        "--json",
    ]);
    let config: Value = serde_json::from_slice(&std::fs::read(config()).unwrap()).unwrap();
    assert_eq!(info["config"], config);
    let tensors = info["tensors"].as_array().unwrap();
    let golden = std::fs::read(test_data("golden/small_a/model.safetensors")).unwrap();
    let (header, _) = parse(&golden);
    let mut parameters = 0;
    for tensor in tensors {
        let stored = &header[tensor["key"].as_str().unwrap()];
        assert_eq!(
            (&tensor["dtype"], &tensor["shape"]),
            (&stored["dtype"], &stored["shape"])
        );
        let sizes = tensor["shape"].as_array().unwrap().iter();
        parameters += sizes.map(|size| size.as_u64().unwrap()).product::<u64>();
    }
    assert_eq!(info["parameters"], parameters);
    assert_eq!(info["dtypes"], json!({ "F32": parameters }));
    let names: Vec<&str> = info["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["eva_vitg_psz14.bin", "tokenizer_encoder.bin"]);
}

#[test]
fn info_gives_the_sha256_and_length_of_each_file() {
    let folder = tempfile::tempdir().unwrap();
    let dest = converted(folder.path());
    let info = json(&["model", "info", dest.to_str().unwrap(), "--json"]);
    let file = dest.join("model.safetensors");
    let sum = std::process::Command::new("sha256sum")
        .arg(&file)
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(info["files"][0]["sha256"], sum.split(' ').next().unwrap());
    assert_eq!(info["files"][0]["bytes"], std::fs::metadata(&file).unwrap().len());
}

#[test]
fn info_for_people_says_the_same_with_blocks_on_one_line() {
    let model = path("golden/small_a");
    let (text, info) = (
        succeed(&["model", "info", &model]),
        json(&["model", "info", &model, "--json"]),
    );
    for part in [
        info["digest"].as_str().unwrap(),
        info["files"][0]["sha256"].as_str().unwrap(),
        &format!("parameters  {}", info["parameters"]),
        "encoder.blocks.*.attn.qkv.weight F32 [192, 64] x 2\n",
        "quantize.embedding.weight F32 [512, 8]\n",
    ] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    assert_eq!(
        json(&["model", "info", "builtin:nano", "--json"])["files"],
        json!([])
    );
}
