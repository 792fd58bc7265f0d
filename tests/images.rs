//! Pictures kept beside the shards are an input as good as the web they came from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::{Path, PathBuf};

use img2tokens_test_support::{Reply, StaticSite};
use program::{data_rows, failures, files, json, succeed, test_data, write_config, write_parquet};

const NAMES: [&str; 5] = [
    "astronaut.jpg",
    "chelsea.png",
    "gone.jpg",
    "rocket.jpg",
    "coffee_exif6.jpg",
];
/// Keys as datasets have them: with dots, slashes and letters that a file's name cannot hold.
const KEYS: [&str; 5] = ["a.b", "https://host/x.jpg", "gone", "ключ", "plain-1"];

struct Case {
    folder: tempfile::TempDir,
    _site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let site = StaticSite::start();
        for name in NAMES {
            let file = test_data("golden/images").join(name);
            if let Ok(bytes) = std::fs::read(file) {
                site.put(format!("/{name}"), Reply::ok(bytes));
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let some = |text: String| Some(text);
        let columns = [
            (
                "URL",
                NAMES.map(|name| some(site.url(&format!("/{name}")))).to_vec(),
            ),
            (
                "TEXT",
                NAMES.map(|name| some(format!(" {name} &amp; more"))).to_vec(),
            ),
            ("key", KEYS.map(|key| some(key.to_owned())).to_vec()),
        ];
        write_parquet(&folder.path().join("pairs.parquet"), &columns);
        Self { folder, _site: site }
    }

    /// Runs over `input` and keeps these pictures.
    fn run(&self, input: &Path, output: &str, images: &str) -> PathBuf {
        let (config, output) = (
            self.folder.path().join(format!("{output}.toml")),
            self.folder.path().join(output),
        );
        let further = "unit_rows = 2\n[fetch]\nallow_private_addresses = true\nports = []\nretries = 0\n\
                       [text]\ncleanup = { html_entities = true, whitespace = true }";
        write_config(&config, input, &output, further);
        let images = format!("output.images={images}");
        succeed(&["run", config.to_str().unwrap(), "--set", &images]);
        let report = succeed(&["verify", output.to_str().unwrap()]);
        assert!(report.contains("0 found wrong"), "{report}");
        output
    }

    fn pairs(&self) -> PathBuf {
        self.folder.path().join("pairs.parquet")
    }
}

#[test]
fn a_run_over_kept_pictures_gives_the_ids_of_the_run_that_kept_them() {
    let case = Case::new();
    for images in ["resized", "original"] {
        let first = case.run(&case.pairs(), &format!("first-{images}"), images);
        let again = case.run(&first.join("images"), &format!("again-{images}"), "none");
        let (before, after) = (data_rows(&first), data_rows(&again));
        assert_eq!(before.len(), 4, "{:?}", failures(&first));
        assert_eq!(after.len(), before.len());
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(after.key, before.key);
            assert_eq!(after.order, before.order);
            assert_eq!(after.input_ids, before.input_ids);
            assert_eq!(after.kept_patches, before.kept_patches);
            assert_eq!((&after.caption, &after.url), (&before.caption, &before.url));
            if images == "original" {
                assert_eq!((&after.sha256, after.size), (&before.sha256, before.size));
            }
        }
        assert!(failures(&again).is_empty());
        assert!(!again.join("images").exists());
    }
}

#[test]
fn kept_pictures_are_part_of_the_plan() {
    let case = Case::new();
    let output = case.run(&case.pairs(), "out", "resized");
    assert!(files(&output).contains_key("images/part-00002.tar.zst"));
    let config = case.folder.path().join("out.toml");
    let told = program::complaint(&["run", config.to_str().unwrap()], 2);
    assert!(told.contains("output.images"), "{told}");
}

#[test]
fn bench_fetch_tells_speed_and_failures_and_writes_what_the_sink_writes() {
    let case = Case::new();
    let (pairs, archives) = (case.pairs(), case.folder.path().join("archives"));
    let (pairs, archives) = (pairs.to_str().unwrap(), archives.to_str().unwrap());
    let arguments = [
        "bench",
        "fetch",
        "--allow-private-addresses",
        "--passes",
        "2",
        "--input",
        pairs,
    ];
    let fetched = json(&arguments);
    assert_eq!(
        (&fetched["images"], &fetched["failed"]),
        (&8.into(), &2.into()),
        "{fetched}"
    );
    assert_eq!(fetched["failures"]["http_status"], 2);
    assert!(fetched["images_per_s"].as_f64().unwrap() > 0.0 && fetched["bytes"].as_u64().unwrap() > 0);

    let once = [
        &arguments[..3],
        &["--input", pairs, "--write", archives, "--size", "56"],
    ]
    .concat();
    let written = json(&once);
    assert_eq!(
        (&written["images"], &written["failed"]),
        (&4.into(), &1.into()),
        "{written}"
    );
    let again = case.run(Path::new(archives), "again", "none");
    assert_eq!(data_rows(&again).len(), 4);
}

#[test]
fn bench_fetch_brings_its_own_server() {
    let report = json(&["bench", "fetch", "--passes", "1", "--concurrency", "8"]);
    // 230 are healthy, 4 truncated, 4 pages, 4 empty, 4 zeroed, one fails once, one has moved; 8 are missing.
    assert_eq!(
        (&report["images"], &report["failed"]),
        (&248.into(), &8.into()),
        "{report}"
    );
    assert!(report["peak_in_flight"].as_u64().unwrap() <= 8);
    for key in [
        "images_per_s",
        "batch_size",
        "dtype",
        "device",
        "backend",
        "bytes_per_s",
        "cpu_s",
    ] {
        assert!(!report[key].is_null(), "{key}");
    }
}
