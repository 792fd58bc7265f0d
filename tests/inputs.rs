//! What inputs say and how they are reached: over HTTP, with digests, and broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::{Path, PathBuf};

use img2tokens_test_support::{Reply, StaticSite};
use md5::{Digest, Md5};
use program::{
    bool_column, complaint, data_rows, failures, succeed, test_data, write_config, write_pairs, write_parquet,
};

struct Case {
    folder: tempfile::TempDir,
    site: StaticSite,
    picture: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        let site = StaticSite::start();
        let picture = std::fs::read(test_data("golden/images/chelsea.png")).unwrap();
        site.put("/cat.png", Reply::ok(picture.clone()));
        Self {
            folder: tempfile::tempdir().unwrap(),
            site,
            picture,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A config over this input with these lines, and its output.
    fn config(&self, input: &Path, further: &str) -> (String, PathBuf) {
        let (config, output) = (self.file("run.toml"), self.file("out"));
        let further = format!("{further}\nallow_private_addresses = true\nports = []\nretries = 0");
        write_config(&config, input, &output, &further);
        (config.display().to_string(), output)
    }

    /// A file of four rows of one picture: its digest, another one, none, and no digest at all.
    fn digests(&self) -> PathBuf {
        let md5: String = Md5::digest(&self.picture)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let column = |value: String| vec![Some(value); 4];
        let digests = vec![Some(md5), Some("ab".repeat(16)), None, Some("n/a".to_owned())];
        let input = self.file("pairs.parquet");
        write_parquet(
            &input,
            &[
                ("URL", column(self.site.url("/cat.png"))),
                ("TEXT", column("a cat".to_owned())),
                ("checksum", digests),
            ],
        );
        input
    }
}

fn key(row: usize) -> String {
    format!("00000-{row:09}")
}

#[test]
fn tables_behind_signed_urls_are_inputs() {
    let case = Case::new();
    write_pairs(
        &case.file("pairs.parquet"),
        &[(case.site.url("/cat.png"), "a cat")],
    );
    let parquet = std::fs::read(case.file("pairs.parquet")).unwrap();
    let csv = format!("URL,TEXT\n{},a cat\n", case.site.url("/cat.png"));
    case.site.put("/my%20data/pairs.parquet", Reply::ok(parquet));
    case.site.put("/my%20data/pairs.csv", Reply::ok(csv));
    let path = |name| case.site.url(&format!("/my%20data/{name}?sig=a*b&x=1"));
    let inputs = format!(
        "input.paths=[{:?}, {:?}]",
        path("pairs.parquet"),
        path("pairs.csv")
    );
    let (config, output) = case.config(Path::new("set"), "[fetch]");
    succeed(&["run", &config, "--set", &inputs]);
    let captions: Vec<String> = data_rows(&output).into_iter().map(|row| row.caption).collect();
    assert_eq!(captions, ["a cat", "a cat"]);
    for asked in ["/my%20data/pairs.parquet", "/my%20data/pairs.csv"] {
        let asked = case.site.last_request(asked).unwrap();
        assert_eq!(asked.query.as_deref(), Some("sig=a*b&x=1"));
    }
}

#[test]
fn a_large_file_is_asked_for_in_parts_that_end_while_its_rows_are_worked_on() {
    let case = Case::new();
    let blank = "\n".repeat(9 << 20);
    let row = |caption| format!("{},{caption}\n", case.site.url("/cat.png"));
    let csv = format!("URL,TEXT\n{}{blank}{}", row("first"), row("last"));
    case.site.put("/pairs.csv", Reply::ok(csv));
    let url = case.site.url("/pairs.csv");
    let (config, output) = case.config(Path::new(&url), "[fetch]");
    succeed(&["run", &config]);
    assert_eq!(data_rows(&output).len(), 2);
    let asked = case.site.last_request("/pairs.csv").unwrap();
    let range = asked.headers["range"].to_str().unwrap();
    let (first, last) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let bytes = last.parse::<u64>().unwrap() - first.parse::<u64>().unwrap();
    assert!(first != "0" && bytes < 8 << 20, "{range}");
}

#[test]
fn a_picture_without_the_digest_that_is_stated_of_it_fails_where_digests_are_verified() {
    let case = Case::new();
    let input = case.digests();
    let (config, output) = case.config(
        &input,
        "digest_column = \"checksum\"\n[fetch]\nverify_hash = true",
    );
    succeed(&["run", &config]);
    let keys: Vec<String> = data_rows(&output).into_iter().map(|row| row.key).collect();
    assert_eq!(keys, [key(0)]);
    let expected = [(1, "digest_mismatch"), (2, "digest_mismatch"), (3, "corrupt_row")];
    let expected = expected.map(|(row, reason)| (key(row), reason.to_owned()));
    assert_eq!(failures(&output), expected.into_iter().collect());
    let asked = case.site.requests("/cat.png");
    assert_eq!(asked, 2, "no digest to compare, no download");
}

#[test]
fn whether_pictures_have_their_digests_is_a_column_where_that_is_recorded() {
    let case = Case::new();
    let input = case.digests();
    let (config, output) = case.config(
        &input,
        "digest_column = \"checksum\"\n[fetch]\nverify_hash = \"record\"",
    );
    succeed(&["run", &config]);
    assert_eq!(
        bool_column(&output, "digest_matches"),
        [Some(true), Some(false), None, None]
    );
    assert!(failures(&output).is_empty());
    succeed(&["verify", output.to_str().unwrap()]);
}

#[test]
fn digests_that_no_column_states_cannot_be_verified() {
    let case = Case::new();
    let input = case.digests();
    let (config, output) = case.config(&input, "[fetch]\nverify_hash = \"fail\"");
    let complaint = complaint(&["run", &config], 2);
    for word in ["pairs.parquet", "input.digest_column", "fetch.verify_hash"] {
        assert!(complaint.contains(word), "{complaint}");
    }
    assert!(
        !output.join("plan.json").exists(),
        "the next try may name a column"
    );
}

#[test]
fn a_broken_file_costs_its_own_units_and_is_named_at_the_end() {
    let case = Case::new();
    let inputs = ["a-good", "b-broken", "c-good"].map(|name| case.file(&format!("{name}.parquet")));
    for input in &inputs {
        write_pairs(input, &[(case.site.url("/cat.png"), "a cat")]);
    }
    // The footer stays whole, so the plan sees nothing wrong.
    let mut bytes = std::fs::read(&inputs[1]).unwrap();
    bytes[4..40].fill(0xff);
    std::fs::write(&inputs[1], bytes).unwrap();
    let (config, output) = case.config(&case.file("*.parquet"), "[fetch]");
    for _ in 0..2 {
        let complaint = complaint(&["run", &config], 1);
        assert!(
            complaint.contains("b-broken.parquet") && !complaint.contains("good"),
            "{complaint}"
        );
        let keys: Vec<String> = data_rows(&output).into_iter().map(|row| row.key).collect();
        assert_eq!(keys, [key(0), "00002-000000000".to_owned()]);
    }
    let asked = case.site.requests("/cat.png");
    assert_eq!(asked, 2, "what is done is not done again");
}

#[test]
fn files_broken_at_their_heads_cost_themselves_and_not_the_plan() {
    let case = Case::new();
    let good = ["a-good", "h-good"].map(|name| case.file(&format!("in-{name}.parquet")));
    for input in &good {
        write_pairs(input, &[(case.site.url("/cat.png"), "a cat")]);
    }
    let table = std::fs::read(&good[0]).unwrap();
    let broken: [(&str, Vec<u8>); 6] = [
        ("in-b.tar", vec![0xee; 4096]),
        ("in-c.parquet", Vec::new()),
        ("in-d.csv", b"url,\xff\xfe\nhttp://a/,b\n".to_vec()),
        ("in-e.jsonl", b"\x00\x01\n\x02\n".to_vec()),
        ("in-f.parquet", table[..table.len() / 2].to_vec()),
        // A gzip header, and then nothing.
        ("in-g.jsonl.gz", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
    ];
    for (name, bytes) in &broken {
        std::fs::write(case.file(name), bytes).unwrap();
    }
    let (config, output) = case.config(&case.file("in-*"), "[fetch]");
    for _ in 0..2 {
        let complaint = complaint(&["run", &config], 1);
        for (name, _) in &broken {
            assert!(complaint.contains(name), "{name}: {complaint}");
        }
        assert!(!complaint.contains("good"), "{complaint}");
        let keys: Vec<String> = data_rows(&output).into_iter().map(|row| row.key).collect();
        assert_eq!(keys, [key(0), "00007-000000000".to_owned()]);
    }
    assert_eq!(case.site.requests("/cat.png"), 2);

    // Where nothing is whole there is nothing to plan.
    let (config, output) = case.config(&case.file("in-b.tar"), "[fetch]");
    std::fs::remove_dir_all(&output).unwrap();
    assert!(complaint(&["run", &config], 2).contains("in-b.tar"));
    assert!(!output.join("plan.json").exists());
}
