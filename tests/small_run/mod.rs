//! A small run: pairs over a site of three pictures, one of four missing, in units of four pairs.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use img2tokens_test_support::{Reply, StaticSite};

use crate::program::{self, files, program, test_data, write_config, write_pairs};

/// Pairs in a unit.
pub const UNIT_ROWS: usize = 4;

/// The input, the site it names, and a folder for outputs.
pub struct SmallRun {
    folder: tempfile::TempDir,
    /// The pictures' server.
    pub site: StaticSite,
}

impl SmallRun {
    /// So many units.
    pub fn new(units: usize) -> Self {
        let site = StaticSite::start();
        for name in ["astronaut.jpg", "chelsea.png", "rocket.jpg"] {
            site.put(format!("/{name}"), Reply::ok(picture(name)));
        }
        let run = Self {
            folder: tempfile::tempdir().unwrap(),
            site,
        };
        let names = ["astronaut.jpg", "chelsea.png", "rocket.jpg", "missing.jpg"];
        let urls = (0..units * UNIT_ROWS).map(|pair| run.site.url(&format!("/{}", names[pair % 4])));
        run.write_input("pairs.parquet", urls);
        run
    }

    /// Writes a table of pairs over these URLs into the folder.
    pub fn write_input(&self, name: &str, urls: impl Iterator<Item = String>) {
        let pairs: Vec<(String, &str)> = urls.map(|url| (url, "a picture")).collect();
        write_pairs(&self.path(name), &pairs);
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The config of a run into the folder `output`.
    pub fn config(&self, output: &str) -> String {
        self.config_over(output, &self.path("pairs.parquet"))
    }

    /// The same over another input.
    pub fn config_over(&self, output: &str, input: &Path) -> String {
        let config = self.path(&format!("{output}.toml"));
        let further = format!(
            "unit_rows = {UNIT_ROWS}\n[fetch]\nallow_private_addresses = true\nports = []\nconcurrency = 4"
        );
        // Another run may be reading it.
        if !config.exists() {
            write_config(&config, input, &self.path(output), &further);
        }
        config.to_str().unwrap().to_owned()
    }

    /// Runs to the end, and returns where.
    pub fn run(&self, output: &str, further: &[&str]) -> PathBuf {
        let config = self.config(output);
        program::succeed(&[&["run", &config][..], further].concat());
        self.path(output)
    }

    /// The one line that a run which fails with this code says.
    pub fn complaint(&self, output: &str, further: &[&str], code: i32) -> String {
        let config = self.config(output);
        program::complaint(&[&["run", &config][..], further].concat(), code)
    }

    /// A run that goes on by itself.
    pub fn start(&self, output: &str, further: &[&str]) -> Child {
        self.command(output, further).spawn().unwrap()
    }

    /// The same before it is started, with its messages to be read.
    pub fn command(&self, output: &str, further: &[&str]) -> Command {
        let mut command = program();
        command
            .args(["run", &self.config(output)])
            .args(further)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }
}

/// The bytes of a golden picture.
pub fn picture(name: &str) -> Vec<u8> {
    std::fs::read(test_data("golden/images").join(name)).unwrap()
}

/// The tables of an output with their bytes.
pub fn tables(output: &Path) -> BTreeMap<String, Vec<u8>> {
    let all = files(output).into_iter();
    all.filter(|(name, _)| name.ends_with(".parquet") && !name.starts_with("replaced/"))
        .collect()
}

/// Asserts that two outputs have the same tables. (Whole files in a failed assertion's message would help nobody.)
pub fn expect_equal(output: &Path, whole: &Path) {
    let (output, whole) = (tables(output), tables(whole));
    assert_eq!(
        output.keys().collect::<Vec<_>>(),
        whole.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &whole {
        assert!(output.get(name) == Some(bytes), "{name} differs");
    }
}

/// Asserts that nothing is wrong with an output.
pub fn expect_sound(output: &Path) {
    let report = program::succeed(&["verify", output.to_str().unwrap()]);
    assert!(report.contains("0 found wrong"), "{report}");
}

/// The numbers of the committed units.
pub fn committed(output: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(output.join("stats")).into_iter().flatten();
    let mut units: Vec<u64> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name[5..10].parse().unwrap())
        .collect();
    units.sort_unstable();
    units
}
