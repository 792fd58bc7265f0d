//! `img2tokens takedown`: what is taken down is in nothing that the output is, becomes or is made into.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use img2tokens_test_support::{Reply, StaticSite};
use program::{
    code, complaint, data_rows, failure_urls, failures, files, run, succeed, test_data, write_config,
    write_parquet,
};

const PICTURES: [&str; 4] = ["astronaut.jpg", "chelsea.png", "rocket.jpg", "coffee_exif6.jpg"];
const PAIRS: usize = 10;

/// Ten pairs in units of two and both orders. Pair n has the picture n % 4; of the sixth the host is gone, of the
/// seventh the picture.
struct Case {
    folder: tempfile::TempDir,
    site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let site = StaticSite::start();
        let mut urls: Vec<String> = (0..PAIRS).map(|pair| site.url(&format!("/{pair}.jpg"))).collect();
        urls[6] = "http://gone.invalid/6.jpg".to_owned();
        for pair in (0..PAIRS).filter(|pair| ![6, 7].contains(pair)) {
            let file = test_data("golden/images").join(PICTURES[pair % 4]);
            site.put(format!("/{pair}.jpg"), Reply::ok(std::fs::read(file).unwrap()));
        }
        let case = Self {
            folder: tempfile::tempdir().unwrap(),
            site,
        };
        let column = |values: Vec<String>| values.into_iter().map(Some).collect();
        let columns = [
            ("URL", column(urls)),
            ("TEXT", column(vec!["a picture".to_owned(); PAIRS])),
            ("key", column((0..PAIRS).map(|pair| format!("k{pair}")).collect())),
        ];
        let input = case.path("pairs.parquet");
        write_parquet(&input, &columns);
        let further = "unit_rows = 2\n[sequence]\norder = \"both\"\n[fetch]\nallow_private_addresses = true\nports = []\nretries = 0";
        write_config(&case.path("run.toml"), &input, &case.output(), further);
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn output(&self) -> PathBuf {
        self.path("out")
    }

    fn run(&self, command: &[&str]) {
        let config = self.path("run.toml");
        let arguments = [
            command[0],
            config.to_str().unwrap(),
            "--set",
            "output.images=original",
        ];
        succeed(&[&arguments, &command[1..]].concat());
    }

    fn take_down(&self, list: &str) -> String {
        let file = self.path("list.txt");
        std::fs::write(&file, list).unwrap();
        let output = self.output();
        succeed(&[
            "takedown",
            output.to_str().unwrap(),
            "--list",
            file.to_str().unwrap(),
        ])
    }

    /// Starts a takedown and kills it when so many units have new stats, if it is not over by then.
    fn kill_takedown(&self, list: &str, units: usize) {
        let file = self.path("list.txt");
        std::fs::write(&file, list).unwrap();
        let mut takedown = program::program()
            .arg("takedown")
            .arg(self.output())
            .arg("--list")
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stats = |unit: usize| self.output().join(format!("stats/part-{unit:05}.json"));
        let is_revised = |unit: &usize| {
            std::fs::read_to_string(stats(*unit))
                .unwrap()
                .contains("revision")
        };
        let is_recorded = || self.output().join("takedowns").exists();
        while takedown.try_wait().unwrap().is_none() {
            if is_recorded() && (0..PAIRS / 2).filter(is_revised).count() >= units {
                takedown.kill().unwrap();
            }
            std::thread::yield_now();
        }
    }

    /// Exit code and report of `verify`.
    fn verify(&self) -> (i32, String) {
        let output = run(&["verify", self.output().to_str().unwrap()]);
        (code(&output), String::from_utf8(output.stdout).unwrap())
    }

    fn keys(&self) -> Vec<String> {
        data_rows(&self.output()).into_iter().map(|row| row.key).collect()
    }

    /// The number of sequences in an export.
    fn exported(&self, name: &str) -> String {
        let (output, destination) = (self.output(), self.path(name));
        let arguments = [
            "export",
            "mds",
            output.to_str().unwrap(),
            destination.to_str().unwrap(),
        ];
        let told = succeed(&arguments);
        let shard = std::fs::read(destination.join("shard.00000.mds")).unwrap();
        for key in ["k0image", "k1image", "k3image", "k5image"] {
            let found = shard.windows(key.len()).any(|bytes| bytes == key.as_bytes());
            assert!(!found, "{key} is exported");
        }
        told
    }

    /// A list that takes down the pairs 0, 3 and 6, and by their picture 1, 5 and 9.
    fn list(&self) -> String {
        let mut rows = data_rows(&self.output()).into_iter();
        let picture = rows.find(|row| row.key == "k9").unwrap().sha256;
        format!(
            "# by request\nkey:k0\n{}#part\n{picture}\ngone.invalid # the whole domain\nkey:nobody\n",
            self.site.url("/3.jpg")
        )
    }
}

fn bytes_of(files: &BTreeMap<String, Vec<u8>>, unit: usize) -> Vec<&Vec<u8>> {
    let part = format!("part-{unit:05}.");
    let of_unit = files.iter().filter(|(name, _)| name.contains(&part));
    of_unit.map(|(_, bytes)| bytes).collect()
}

#[test]
fn pairs_go_by_key_url_digest_and_domain_and_the_rest_stays() {
    let case = Case::new();
    case.run(&["run"]);
    let (rows, before) = (data_rows(&case.output()), files(&case.output()));
    let list = case.list();
    let told = case.take_down(&list);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        lines[0],
        "6 pairs taken down, 1 of them failed before; 5 of 5 committed shards rewritten"
    );
    assert_eq!(lines[1], "line 6: key:nobody names nothing here");
    assert!(lines[2].starts_with("5 entries recorded in takedowns/"), "{told}");

    let gone = BTreeSet::from(["k0", "k1", "k3", "k5", "k9"].map(str::to_owned));
    let kept: Vec<_> = rows.into_iter().filter(|row| !gone.contains(&row.key)).collect();
    assert_eq!(kept.len(), 6);
    assert_eq!(data_rows(&case.output()), kept);
    for (key, reason) in failures(&case.output()) {
        let expected = if key == "k7" { "http_status" } else { "taken_down" };
        assert_eq!(reason, expected, "{key}");
    }
    for (key, url) in failure_urls(&case.output()) {
        assert_eq!(url.is_some(), key == "k7", "{key}");
    }
    let (code, report) = case.verify();
    assert_eq!(code, 0, "{report}");
    let card = std::fs::read_to_string(case.output().join("README.md")).unwrap();
    assert!(card.contains("6 were taken down"), "{card}");
    assert!(case.exported("mds").starts_with("6 sequences"));

    let after = files(&case.output());
    assert!(!after.keys().any(|name| name.starts_with(".tmp")));
    let holds = |name: &str| {
        let bytes = &after[name];
        bytes.windows(12).any(|bytes| bytes == b"gone.invalid")
    };
    assert!(
        !after
            .keys()
            .any(|name| name.starts_with("takedowns") && holds(name))
    );
    for unit in 0..5 {
        assert_ne!(bytes_of(&before, unit), bytes_of(&after, unit));
    }
    let again = case.take_down(&list);
    assert!(
        again.starts_with("0 pairs taken down, 0 of them failed before; 0 of 5"),
        "{again}"
    );
    assert!(files(&case.output()) == after);
}

#[test]
fn only_the_shards_that_hold_it_are_rewritten() {
    let case = Case::new();
    case.run(&["run"]);
    let before = files(&case.output());
    case.take_down("key:k4\n");
    let after = files(&case.output());
    for unit in 0..5 {
        let is_same = bytes_of(&before, unit) == bytes_of(&after, unit);
        assert_eq!(is_same, unit != 2, "{unit}");
    }
    assert!(!case.keys().contains(&"k4".to_owned()));
}

#[test]
fn units_that_are_committed_later_leave_it_out_without_a_download() {
    let case = Case::new();
    case.run(&["unit", "--unit", "0"]);
    let picture = data_rows(&case.output())[2].sha256.clone();
    let told = case.take_down(&format!(
        "key:k2\n{}\ngone.invalid\n{picture}\n",
        case.site.url("/3.jpg")
    ));
    assert!(told.starts_with("1 pairs taken down, 0 of them"), "{told}");
    case.run(&["run"]);
    for path in ["/2.jpg", "/3.jpg"] {
        assert_eq!(case.site.requests(path), 0, "{path}");
    }
    // The picture of the pairs 1, 5 and 9 is known by its bytes only.
    assert_eq!(case.site.requests("/9.jpg"), 1);
    let keys: BTreeSet<_> = case.keys().into_iter().collect();
    assert_eq!(keys, BTreeSet::from(["k0", "k4", "k8"].map(str::to_owned)));
    let urls = failure_urls(&case.output());
    for key in ["k1", "k2", "k3", "k5", "k6", "k9"] {
        assert_eq!(failures(&case.output())[key], "taken_down");
        assert_eq!(urls[key], None, "{key}");
    }
    let (code, report) = case.verify();
    assert_eq!(code, 0, "{report}");
}

#[test]
fn a_shard_that_comes_back_is_reported_and_never_exported() {
    let case = Case::new();
    case.run(&["run"]);
    let backup = files(&case.output());
    let list = case.list();
    case.take_down(&list);
    let taken_down = files(&case.output());
    for (name, bytes) in backup {
        std::fs::write(case.output().join(name), bytes).unwrap();
    }
    assert!(case.exported("mds").starts_with("6 sequences"));
    let (code, report) = case.verify();
    assert_eq!(code, 1, "{report}");
    assert!(
        report.starts_with("data/part-00000.parquet: row 0: it was taken down and is still here"),
        "{report}"
    );
    assert!(
        report.contains("failures/part-00003.parquet: row 0: it was taken down"),
        "{report}"
    );
    // Whichever list comes next, all that was ever recorded goes.
    case.take_down("key:nobody\n");
    let again = files(&case.output());
    for (name, bytes) in taken_down {
        assert!(again[&name] == bytes, "{name}");
    }
    assert_eq!(case.verify().0, 0);
}

#[test]
fn a_takedown_that_is_killed_ends_as_one_that_nobody_disturbed() {
    let case = Case::new();
    case.run(&["run"]);
    let (backup, list) = (files(&case.output()), case.list());
    case.take_down(&list);
    let undisturbed = files(&case.output());
    for units in 0..5 {
        std::fs::remove_dir_all(case.output()).unwrap();
        for (name, bytes) in &backup {
            let file = case.output().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        }
        case.kill_takedown(&list, units);
        // A run finishes what is half in place: what is left to find are rows that nobody has looked for yet.
        case.run(&["run"]);
        let (_, report) = case.verify();
        let findings = report.lines().filter(|line| line.contains(": "));
        for finding in findings.filter(|line| !line.contains("units committed: ")) {
            assert!(
                finding.contains("was taken down and is still here"),
                "{units}: {finding}"
            );
        }
        case.take_down(&list);
        assert!(files(&case.output()) == undisturbed, "{units}");
    }
}

#[test]
fn a_list_that_cannot_be_read_changes_nothing_and_names_its_line() {
    let case = Case::new();
    case.run(&["unit", "--unit", "0"]);
    let before = files(&case.output());
    let file = case.path("list.txt");
    let md5 = "ab".repeat(16);
    for (list, expected) in [
        ("key:k0\n\nk1\n", "line 3: `k1` is no URL, domain or digest"),
        ("a.example\nhttp://\n", "line 2: `http://` is no URL"),
        (md5.as_str(), "is an MD5 digest"),
        ("# nothing\n", "it has no entry"),
    ] {
        std::fs::write(&file, list).unwrap();
        let output = case.output();
        let told = complaint(
            &[
                "takedown",
                output.to_str().unwrap(),
                "--list",
                file.to_str().unwrap(),
            ],
            2,
        );
        assert!(told.contains("list.txt") && told.contains(expected), "{told}");
        assert!(files(&case.output()) == before);
    }
    let nowhere = case.path("nowhere");
    let told = complaint(
        &[
            "takedown",
            nowhere.to_str().unwrap(),
            "--list",
            file.to_str().unwrap(),
        ],
        2,
    );
    assert!(told.contains("there is no plan.json"), "{told}");
    assert!(!Path::new(&nowhere).exists());
}
