//! A run that is killed or stopped goes on to the same bytes as one that nobody disturbed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use img2tokens_test_support::{Reply, StaticSite};
use program::{files, program, succeed, test_data, write_config, write_pairs};

const PAIRS: usize = 48;
const UNITS: usize = 12;
const KEEP_IMAGES: [&str; 2] = ["--set", "output.images=resized"];

/// Pairs over a few pictures, some of them missing, in units of four.
struct Case {
    folder: tempfile::TempDir,
    site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let site = StaticSite::start();
        for name in ["astronaut.jpg", "chelsea.png", "rocket.jpg"] {
            let bytes = std::fs::read(test_data("golden/images").join(name)).unwrap();
            site.put(format!("/{name}"), Reply::ok(bytes));
        }
        let names = ["astronaut.jpg", "chelsea.png", "rocket.jpg", "missing.jpg"];
        let pairs: Vec<(String, &str)> = (0..PAIRS)
            .map(|pair| (site.url(&format!("/{}", names[pair % 4])), "a picture"))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        write_pairs(&folder.path().join("pairs.parquet"), &pairs);
        let case = Self { folder, site };
        for output in ["whole", "disturbed"] {
            let further = "unit_rows = 4\n[fetch]\nallow_private_addresses = true\nports = []";
            write_config(
                &case.path(&format!("{output}.toml")),
                &case.path("pairs.parquet"),
                &case.path(output),
                further,
            );
        }
        case
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Runs undisturbed.
    fn run(&self, output: &str) {
        let config = self.path(&format!("{output}.toml"));
        succeed(&[&["run", config.to_str().unwrap()], &KEEP_IMAGES[..]].concat());
    }

    fn start(&self, output: &str) -> Child {
        let config = self.path(&format!("{output}.toml"));
        program()
            .arg("run")
            .arg(config)
            .args(KEEP_IMAGES)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Blocks until the output has at least this many commit markers, or the run is over.
    fn wait_for_units(&self, output: &str, units: usize, run: &mut Child) {
        while committed(&self.path(output)) < units && run.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
    }
}

fn committed(output: &Path) -> usize {
    std::fs::read_dir(output.join("stats")).map_or(0, Iterator::count)
}

/// The tables and archives of an output, and its other files' names without those that tell of time.
fn tables(output: &Path) -> BTreeMap<String, Vec<u8>> {
    let all = files(output).into_iter();
    all.map(|(name, bytes)| {
        if name.ends_with(".parquet") || name.ends_with(".tar.zst") {
            (name, bytes)
        } else {
            (name, Vec::new())
        }
    })
    .collect()
}

/// Nothing lost, doubled or left over. (Whole files in a failed assertion's message would help nobody.)
fn expect_equal(disturbed: &Path, whole: &Path) {
    let (disturbed, whole) = (tables(disturbed), tables(whole));
    assert_eq!(
        disturbed.keys().collect::<Vec<_>>(),
        whole.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &whole {
        assert!(disturbed.get(name) == Some(bytes), "{name} differs");
    }
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_bytes_of_an_undisturbed_one() {
    let case = Case::new();
    case.run("whole");
    let mut kills = 0;
    for units in (1..UNITS).step_by(2) {
        let mut run = case.start("disturbed");
        case.wait_for_units("disturbed", units, &mut run);
        kills += usize::from(run.try_wait().unwrap().is_none());
        let _ = run.kill();
        run.wait().unwrap();
    }
    assert!(kills > 0, "no run lived long enough to be killed");
    case.run("disturbed");
    assert_eq!(committed(&case.path("disturbed")), UNITS);
    assert_eq!(
        tables(&case.path("disturbed")),
        tables(&case.path("whole")),
        "nothing lost, doubled or left over"
    );
    let report = succeed(&["verify", case.path("disturbed").to_str().unwrap()]);
    assert!(report.contains("0 found wrong"), "{report}");
    assert!(case.site.total_requests() > PAIRS);
}

#[test]
fn two_runs_at_once_on_one_output_end_with_the_bytes_of_one() {
    let case = Case::new();
    case.run("whole");
    let mut runs = [case.start("disturbed"), case.start("disturbed")];
    for run in &mut runs {
        assert!(run.wait().unwrap().success());
    }
    expect_equal(&case.path("disturbed"), &case.path("whole"));
}

#[test]
fn two_runs_that_share_the_units_and_are_killed_again_and_again_end_with_the_bytes_of_one() {
    let case = Case::new();
    case.run("whole");
    let mut kills = 0;
    for units in (2..UNITS).step_by(3) {
        let mut runs = [case.start("disturbed"), case.start("disturbed")];
        for (run, units) in runs.iter_mut().zip([units, units + 1]) {
            case.wait_for_units("disturbed", units, run);
            kills += usize::from(run.try_wait().unwrap().is_none());
            let _ = run.kill();
            run.wait().unwrap();
        }
    }
    assert!(kills > 1, "no run lived long enough to be killed");
    case.run("disturbed");
    expect_equal(&case.path("disturbed"), &case.path("whole"));
    let report = succeed(&["verify", case.path("disturbed").to_str().unwrap()]);
    assert!(report.contains("0 found wrong"), "{report}");
}

#[test]
fn a_stopped_run_says_so_exits_with_75_and_leaves_only_whole_units() {
    let case = Case::new();
    let mut run = case.start("disturbed");
    case.wait_for_units("disturbed", 1, &mut run);
    let stopped = std::process::Command::new("kill")
        .args(["-TERM", &run.id().to_string()])
        .status()
        .unwrap();
    let messages: Vec<String> = BufReader::new(run.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .collect();
    let ended = run.wait().unwrap();
    if stopped.success() && ended.code() != Some(0) {
        assert_eq!(ended.code(), Some(75), "{messages:?}");
        assert!(
            messages
                .iter()
                .any(|line| line.contains("run the same command again")),
            "{messages:?}"
        );
    }
    let report = succeed(&["verify", case.path("disturbed").to_str().unwrap()]);
    assert!(report.contains("0 found wrong"), "{report}");
    case.run("disturbed");
    assert_eq!(committed(&case.path("disturbed")), UNITS);
}
