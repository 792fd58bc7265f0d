//! Good pairs, hostile ones among them, and runs over both.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::confined::{self, Ended};
use crate::make;
use crate::program::{DataRow, data_rows, failures, files, write_config};

/// Good pairs before and after the hostile ones.
const GOOD_AROUND: usize = 4;
/// The bound on what one picture may take, in bytes, which the documentation promises.
pub const PICTURE_BYTES: u64 = 1 << 30;
/// What a run of the nano model takes without any picture that is large, in bytes, with room for allocators to differ.
pub const BASE_BYTES: u64 = 384 << 20;
/// Seconds of processor time in which a run over the good pairs alone ends, wherever the tests run.
pub const BASE_CPU_S: f64 = 10.0;

/// What may become of a picture when it gives a sequence after all.
pub const SEQUENCE: &str = "sequence";

/// A picture that means harm.
pub struct Hostile {
    /// The key of its pair.
    pub key: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
    /// What may become of it: [`SEQUENCE`] or reasons of failures.
    pub allowed: &'static [&'static str],
}

/// The folder of a test: its input and output lie in it, and a victim that nobody may touch.
pub struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    /// An empty one, but for the victim.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("victim")).unwrap();
        std::fs::write(folder.path().join("victim/precious"), "untouched").unwrap();
        Self { folder }
    }

    /// The same, with `pairs.parquet` of the good pairs in it.
    pub fn of_good_pairs() -> Self {
        let scene = Self::new();
        scene.write_pairs(&[]);
        scene
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The output of runs.
    pub fn output(&self) -> PathBuf {
        self.path("out")
    }

    /// Writes `pairs.parquet`: good pairs, the hostile ones, more good pairs.
    pub fn write_pairs(&self, hostile: &[Hostile]) {
        let good = |number: usize| (format!("good-{number}"), make::good_picture(number));
        let mut rows: Vec<(String, Vec<u8>)> = (0..GOOD_AROUND).map(good).collect();
        rows.extend(hostile.iter().map(|one| (one.key.to_owned(), one.bytes.clone())));
        rows.extend((GOOD_AROUND..2 * GOOD_AROUND).map(good));
        write_rows(&self.path("pairs.parquet"), &rows);
    }

    /// The config of a run over this input in the folder.
    pub fn config_over(&self, input: &str) -> String {
        let config = self.path("run.toml");
        write_config(&config, &self.path(input), &self.output(), "unit_rows = 5\n");
        config.to_str().unwrap().to_owned()
    }

    /// The config of a run over `pairs.parquet`.
    pub fn config(&self) -> String {
        self.config_over("pairs.parquet")
    }

    /// Runs over `pairs.parquet` with these further arguments.
    pub fn run(&self, further: &[&str]) -> Ended {
        confined::run(&[&["run", &self.config()][..], further].concat())
    }

    /// Runs a command over the output.
    pub fn of_output(&self, command: &str, further: &[&str]) -> Ended {
        confined::run(&[&[command, self.output().to_str().unwrap()][..], further].concat())
    }

    /// Asserts that what lies beside the output is as it was.
    #[track_caller]
    pub fn expect_victim_untouched(&self) {
        let found = files(&self.path("victim"));
        let expected = BTreeMap::from([("precious".to_owned(), b"untouched".to_vec())]);
        assert_eq!(found, expected, "the victim was touched");
    }

    /// Asserts that the good pairs are all there, as they are when nobody means harm, and gives what became of the
    /// others: [`SEQUENCE`] or the reason, by key.
    #[track_caller]
    pub fn expect_good_pairs(&self) -> BTreeMap<String, String> {
        let mut ends = failures(&self.output());
        let (good, others): (Vec<_>, Vec<_>) = data_rows(&self.output())
            .into_iter()
            .partition(|row| row.key.starts_with("good-"));
        assert!(
            good == *undisturbed(),
            "the good pairs have other rows than without the hostile ones"
        );
        for row in others {
            let before = ends.insert(row.key, SEQUENCE.to_owned());
            assert_eq!(before, None, "a pair ends once");
        }
        ends
    }
}

/// Runs over good pairs with these among them, and asserts what must hold whatever they are: the run is done, each of
/// them ended in one of the ways that it may, and the good pairs are as ever. Then tells what it took.
#[track_caller]
pub fn run_among_good(hostile: &[Hostile], further: &[&str]) -> Ended {
    let scene = Scene::new();
    scene.write_pairs(hostile);
    let ended = scene.run(further);
    ended.expect_code(0);
    let ends = scene.expect_good_pairs();
    for one in hostile {
        let end = ends.get(one.key).map_or("nothing", String::as_str);
        assert!(
            one.allowed.contains(&end),
            "{}: {end} is none of {:?}",
            one.key,
            one.allowed
        );
    }
    assert_eq!(ends.len(), hostile.len(), "{ends:?}");
    scene.expect_victim_untouched();
    ended
}

/// What a run over the good pairs alone leaves.
fn undisturbed() -> &'static Vec<DataRow> {
    static ROWS: OnceLock<Vec<DataRow>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let scene = Scene::of_good_pairs();
        scene
            .run(&[])
            .expect_code(0)
            .expect_peak_below(BASE_BYTES)
            .expect_cpu_below(BASE_CPU_S);
        let rows = data_rows(&scene.output());
        assert_eq!(rows.len(), 2 * GOOD_AROUND);
        rows
    })
}

/// Writes a table of keys and embedded pictures.
pub fn write_rows(file: &Path, rows: &[(String, Vec<u8>)]) {
    let keys = rows.iter().map(|(key, _)| key);
    let pictures = rows.iter().map(|(_, bytes)| bytes.as_slice());
    let captions = rows.iter().map(|_| "a picture");
    let columns: [(&str, ArrayRef); 3] = [
        ("key", Arc::new(StringArray::from_iter_values(keys))),
        ("image", Arc::new(BinaryArray::from_iter_values(pictures))),
        ("caption", Arc::new(StringArray::from_iter_values(captions))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
