//! `img2tokens run` over a real HTTP server: every pair is accounted for, and a run is a function of its input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::{Path, PathBuf};

use img2tokens_test_support::{Reply, StaticSite};
use program::{
    code, data_rows, failures, files, messages, run, succeed, test_data, write_config, write_pairs,
    write_parquet,
};

const ALLOW_LOOPBACK: &str =
    "[fetch]\nallow_private_addresses = true\nports = []\ntimeout_s = 2\nretries = 1\n";

fn golden_image(name: &str) -> Vec<u8> {
    std::fs::read(test_data("golden/images").join(name)).unwrap()
}

fn as_format(format: image::ImageFormat) -> Vec<u8> {
    let picture = image::load_from_memory(&golden_image("chelsea.png"))
        .unwrap()
        .to_rgb8();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A site with a picture in every format and a fault of every common kind, and the pairs over it.
fn site() -> (StaticSite, Vec<(String, &'static str)>) {
    let site = StaticSite::start();
    let healthy = [
        ("/a.jpg", golden_image("astronaut.jpg")),
        ("/b.png", golden_image("chelsea.png")),
        ("/c.webp", as_format(image::ImageFormat::WebP)),
        ("/d.gif", as_format(image::ImageFormat::Gif)),
        ("/e.bmp", as_format(image::ImageFormat::Bmp)),
        ("/f.tiff", as_format(image::ImageFormat::Tiff)),
    ];
    for (path, bytes) in &healthy {
        site.put(*path, Reply::ok(bytes.clone()));
    }
    let jpeg = golden_image("rocket.jpg");
    site.put("/truncated.jpg", Reply::ok(jpeg[..jpeg.len() / 3].to_vec()));
    site.put("/page.jpg", Reply::ok("<html>gone</html>"));
    site.put("/error.jpg", Reply::status(500));
    site.put_sequence("/flaky.jpg", [Reply::status(500), Reply::ok(jpeg.clone())]);
    site.put("/moved.jpg", Reply::redirect("/a.jpg"));
    let pairs = vec![
        (site.url("/a.jpg"), "an astronaut"),
        (site.url("/b.png"), "a cat called Chelsea"),
        (site.url("/missing.jpg"), "nobody"),
        (site.url("/c.webp"), "the cat as WebP"),
        (site.url("/truncated.jpg"), "half a rocket"),
        (site.url("/d.gif"), "the cat as GIF"),
        (site.url("/page.jpg"), "a page"),
        (site.url("/e.bmp"), "the cat as BMP"),
        (site.url("/error.jpg"), "an error"),
        (site.url("/f.tiff"), "the cat as TIFF"),
        (site.url("/flaky.jpg"), "a rocket at the second try"),
        (site.url("/moved.jpg"), "the astronaut has moved"),
        (site.url("/a.jpg"), "   "),
        ("ftp://host/x.jpg".to_owned(), "another scheme"),
    ];
    (site, pairs)
}

struct Case {
    folder: tempfile::TempDir,
    site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let (site, pairs) = site();
        let folder = tempfile::tempdir().unwrap();
        write_pairs(&folder.path().join("pairs.parquet"), &pairs);
        Self { folder, site }
    }

    /// Runs with these settings into a folder of this name.
    fn run(&self, output: &str, settings: &[&str]) -> PathBuf {
        let (config, output) = self.config(output);
        let mut arguments = vec!["run", config.to_str().unwrap()];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        succeed(&arguments);
        output
    }

    fn config(&self, output: &str) -> (PathBuf, PathBuf) {
        let (config, output) = (
            self.folder.path().join("run.toml"),
            self.folder.path().join(output),
        );
        write_config(
            &config,
            &self.folder.path().join("pairs.parquet"),
            &output,
            ALLOW_LOOPBACK,
        );
        (config, output)
    }
}

fn key(row: usize) -> String {
    format!("00000-{row:09}")
}

#[test]
fn every_pair_is_a_sequence_or_a_failure_with_its_reason() {
    let case = Case::new();
    let output = case.run("out", &[]);
    let rows = data_rows(&output);
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(
        keys,
        [0, 1, 3, 5, 7, 9, 10, 11].map(key),
        "rows stand in input order"
    );
    let expected = [
        (2, "http_status"),
        (4, "corrupt_image"),
        (6, "not_an_image"),
        (8, "http_status"),
        (12, "empty_caption"),
        (13, "invalid_url"),
    ];
    let expected = expected.map(|(row, reason)| (key(row), reason.to_owned()));
    assert_eq!(failures(&output), expected.into_iter().collect());
    let stats: serde_json::Value =
        serde_json::from_slice(&std::fs::read(output.join("stats/part-00000.json")).unwrap()).unwrap();
    assert_eq!(stats["rows_read"], 14);
    assert_eq!(stats["pairs"], 8);
    assert_eq!(stats["failures"]["http_status"], 2);
}

#[test]
fn sequences_are_laid_out_as_the_specification_says() {
    let case = Case::new();
    let output = case.run("out", &["sequence.order=both"]);
    let rows = data_rows(&output);
    assert_eq!(rows.len(), 16);
    const TEXT: i32 = 259;
    for row in &rows {
        let codes: Vec<i32> = row
            .image_codes
            .iter()
            .map(|code| i32::from(*code) + TEXT + 2)
            .collect();
        let image = [&[TEXT][..], &codes, &[TEXT + 1]].concat();
        let text: Vec<i32> = row.caption.bytes().map(|byte| i32::from(byte) + 3).collect();
        assert_eq!(row.text_ids, text);
        let expected = match row.order.as_str() {
            "image_text" => [&image[..], &text, &[2]].concat(),
            "text_image" => [&text[..], &image, &[2]].concat(),
            other => panic!("order {other}"),
        };
        assert_eq!(row.input_ids, expected);
        assert_eq!(row.num_tokens as usize, expected.len());
        assert_eq!(row.image_len as usize, row.image_codes.len());
        assert_eq!(row.input_ids[row.image_start as usize - 1], TEXT);
        let kept: u32 = row.kept_patches.iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(kept as usize, row.image_codes.len());
    }
    assert_eq!(rows[0].size, (512, 512));
    assert_eq!(
        rows[0].sha256,
        "945df306f127a6012259cb6b4694cd1f07c49d63e21136ff595cdd99f3516028"
    );
}

#[test]
fn a_run_gives_the_same_bytes_whatever_its_batches_threads_and_concurrency() {
    let case = Case::new();
    let files_of = |output: &Path| {
        let all = files(output);
        all.into_iter()
            .filter(|(name, _)| name.ends_with(".parquet"))
            .collect::<Vec<_>>()
    };
    let first = files_of(&case.run("first", &["input.unit_rows=5"]));
    assert_eq!(first.len(), 6, "three units of two files");
    let settings = [
        ["vision.batch_size=1", "vision.threads=1", "fetch.concurrency=1"],
        ["vision.batch_size=7", "vision.threads=2", "fetch.concurrency=3"],
        ["vision.batch_size=64", "vision.threads=2", "fetch.concurrency=64"],
    ];
    for (number, settings) in settings.iter().enumerate() {
        let settings = [&settings[..], &["input.unit_rows=5"]].concat();
        assert_eq!(
            files_of(&case.run(&format!("again-{number}"), &settings)),
            first,
            "{settings:?}"
        );
    }
}

#[test]
fn a_second_run_skips_what_is_committed_and_asks_for_nothing() {
    let case = Case::new();
    let output = case.run("out", &["input.unit_rows=5"]);
    let (before, asked) = (files(&output), case.site.total_requests());
    case.run("out", &["input.unit_rows=5"]);
    assert!(files(&output) == before);
    assert_eq!(case.site.total_requests(), asked);
}

#[test]
fn units_run_one_by_one_give_what_a_whole_run_gives() {
    let case = Case::new();
    let whole = files(&case.run("whole", &["input.unit_rows=5"]));
    let (config, output) = case.config("units");
    let config = config.to_str().unwrap();
    let set = ["--set", "input.unit_rows=5"];
    succeed(&[&["plan", config][..], &set].concat());
    assert!(!output.join("data").exists(), "a plan tokenizes nothing");
    for unit in ["2", "0", "1", "1"] {
        succeed(&[&["unit", config, "--unit", unit][..], &set].concat());
    }
    let units = files(&output);
    for (name, bytes) in whole.iter().filter(|(name, _)| name.ends_with(".parquet")) {
        assert!(units.get(name) == Some(bytes), "{name}");
    }
    let output = run(&[&["unit", config, "--unit", "3"][..], &set].concat());
    assert_eq!(code(&output), 2, "{}", messages(&output));
}

#[test]
fn a_run_with_other_settings_does_not_continue_a_plan() {
    let case = Case::new();
    case.run("out", &[]);
    let (config, _) = case.config("out");
    let output = run(&["run", config.to_str().unwrap(), "--set", "sequence.bos=true"]);
    assert_eq!(code(&output), 2);
    let message = messages(&output);
    assert!(
        message.contains("sequence.bos") && message.contains("output.path"),
        "{message}"
    );
}

#[test]
fn a_file_that_two_patterns_mean_is_read_once() {
    let case = Case::new();
    let (config, output) = case.config("out");
    let input = case.folder.path().join("pairs.parquet").display().to_string();
    let paths = format!("input.paths=[{input:?}, {:?}]", input.replace("pairs", "*"));
    succeed(&["run", config.to_str().unwrap(), "--set", &paths]);
    assert_eq!(data_rows(&output).len(), 8);
}

#[test]
fn a_failure_after_the_download_says_how_often_it_was_asked_for() {
    let case = Case::new();
    let output = case.run("out", &[]);
    let attempts = program::attempts(&output);
    assert_eq!(attempts[&key(6)], 1, "the page that is no image");
    assert_eq!(attempts[&key(8)], 2, "the error that stays");
    assert_eq!(attempts[&key(12)], 0, "the row without a caption");
}

#[test]
fn an_output_elsewhere_of_a_copied_input_has_the_same_bytes() {
    let case = Case::new();
    let first = case.run("first", &[]);
    let (copy, second) = (
        case.folder.path().join("copy.parquet"),
        case.folder.path().join("second"),
    );
    std::fs::copy(case.folder.path().join("pairs.parquet"), &copy).unwrap();
    std::fs::rename(&copy, case.folder.path().join("pairs.parquet")).unwrap();
    case.run("second", &[]);
    let tables = |output: &Path| {
        let all = files(output);
        all.into_iter()
            .filter(|(name, _)| name.ends_with(".parquet"))
            .collect::<Vec<_>>()
    };
    assert!(tables(&first) == tables(&second));
}

#[test]
fn a_limit_takes_the_first_rows_only() {
    let case = Case::new();
    let (config, output) = case.config("out");
    succeed(&["run", config.to_str().unwrap(), "--limit", "4"]);
    let keys: Vec<String> = data_rows(&output).into_iter().map(|row| row.key).collect();
    assert_eq!(keys, [0, 1, 3].map(key));
    assert_eq!(failures(&output).len(), 1);
}

#[test]
fn private_addresses_are_refused_unless_the_config_allows_them() {
    let case = Case::new();
    let output = case.run("out", &["fetch.allow_private_addresses=false"]);
    assert!(data_rows(&output).is_empty());
    assert_eq!(failures(&output)[&key(0)], "blocked_address");
    assert_eq!(case.site.total_requests(), 0);
}

#[test]
fn the_columns_of_relaion_and_coyo_are_found_and_kept_columns_go_through() {
    let site = StaticSite::start();
    site.put("/b.png", Reply::ok(golden_image("chelsea.png")));
    let column = |text: &str| vec![Some(text.to_owned())];
    for names in [["url", "caption", "key"], ["url", "text", "id"]] {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("pairs.parquet"), folder.path().join("out"));
        let [url, text, key] = names;
        write_parquet(
            &input,
            &[
                (url, column(&site.url("/b.png"))),
                (text, column("a cat")),
                (key, column("cat-1")),
                ("LICENSE", column("CC0")),
            ],
        );
        let config = folder.path().join("run.toml");
        write_config(
            &config,
            &input,
            &output,
            "keep_columns = [\"LICENSE\"]\n[fetch]\nallow_private_addresses = true\nports = []",
        );
        succeed(&["run", config.to_str().unwrap()]);
        let rows = data_rows(&output);
        assert_eq!(
            (rows.len(), rows[0].key.as_str(), rows[0].caption.as_str()),
            (1, "cat-1", "a cat")
        );
        assert_eq!(program::text_column(&output, "LICENSE"), ["CC0"]);
    }
}

#[test]
fn a_stalled_body_is_a_timeout_and_holds_nobody_up() {
    let stalled = program::stalling_server();
    let site = StaticSite::start();
    site.put("/b.png", Reply::ok(golden_image("chelsea.png")));
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("pairs.parquet"), folder.path().join("out"));
    write_pairs(&input, &[(stalled.url(), "never"), (site.url("/b.png"), "a cat")]);
    let config = folder.path().join("run.toml");
    let further = "[fetch]\nallow_private_addresses = true\nports = []\ntimeout_s = 0.5\nretries = 0";
    write_config(&config, &input, &output, further);
    succeed(&["run", config.to_str().unwrap()]);
    assert_eq!(failures(&output)[&key(0)], "timeout");
    assert_eq!(data_rows(&output).len(), 1);
}
