//! `img2tokens export`: each format is read back by a reader written here from the format's description, and holds what
//! the shards hold.
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
    DataRow, code, data_rows, files, messages, run, succeed, test_data, write_config, write_pairs,
};

/// Pictures of the golden set, tokenized in both orders into several shards.
struct Case {
    folder: tempfile::TempDir,
    rows: Vec<DataRow>,
}

impl Case {
    fn new(settings: &[&str]) -> Self {
        let site = StaticSite::start();
        let folder = tempfile::tempdir().unwrap();
        let pictures = ["astronaut.jpg", "chelsea.png", "rocket.jpg"];
        let captions = ["an astronaut", "a cat", "a rocket that flies"];
        let pairs: Vec<(String, &str)> = std::iter::zip(pictures, captions)
            .map(|(picture, caption)| {
                let path = format!("/{picture}");
                let bytes = std::fs::read(test_data("golden/images").join(picture)).unwrap();
                site.put(&path, Reply::ok(bytes));
                (site.url(&path), caption)
            })
            .collect();
        let (input, config) = (
            folder.path().join("pairs.parquet"),
            folder.path().join("run.toml"),
        );
        write_pairs(&input, &pairs);
        let output = folder.path().join("out");
        let further = "unit_rows = 2\n[fetch]\nallow_private_addresses = true\nports = []";
        write_config(&config, &input, &output, further);
        let mut arguments = vec!["run", config.to_str().unwrap()];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        succeed(&arguments);
        let rows = data_rows(&output);
        assert!(!rows.is_empty());
        Self { folder, rows }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exports the output to a folder of this name.
    fn export(&self, format: &str, name: &str) -> PathBuf {
        let (output, destination) = (self.path("out"), self.path(name));
        let message = succeed(&[
            "export",
            format,
            output.to_str().unwrap(),
            destination.to_str().unwrap(),
        ]);
        assert!(
            message.starts_with(&format!("{} sequences", self.rows.len())),
            "{message}"
        );
        destination
    }

    /// The ids of the rows in this order.
    fn ids(&self, order: &str) -> Vec<Vec<i32>> {
        let rows = self.rows.iter().filter(|row| row.order == order);
        rows.map(|row| row.input_ids.clone()).collect()
    }
}

const ORDERS: [&str; 2] = ["image_text", "text_image"];

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().collect()
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

/// Takes little-endian numbers off the front of bytes.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk::<N>().expect("the file is long enough");
        self.0 = rest;
        *taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }
}

/// The nano model's vocabulary takes two bytes an id.
fn ids_of(bytes: &[u8]) -> Vec<i32> {
    assert!(bytes.len().is_multiple_of(2));
    let (ids, _) = bytes.as_chunks::<2>();
    ids.iter().map(|id| i32::from(u16::from_le_bytes(*id))).collect()
}

/// Cuts the ids of a file at the documents' ends, given in tokens.
fn cut(bytes: &[u8], ends: &[u64]) -> Vec<Vec<i32>> {
    let ids = ids_of(bytes);
    assert_eq!(ends.last().copied(), Some(ids.len() as u64));
    let starts = [0].into_iter().chain(ends.iter().copied());
    std::iter::zip(starts, ends)
        .map(|(start, end)| ids[start as usize..*end as usize].to_vec())
        .collect()
}

#[test]
fn megatron_files_hold_each_order_apart_and_the_index_finds_every_sequence() {
    let case = Case::new(&["sequence.order=both"]);
    let folder = case.export("megatron", "megatron");
    assert_eq!(
        names(&folder),
        [
            "image_text.bin",
            "image_text.idx",
            "text_image.bin",
            "text_image.idx"
        ]
    );
    for order in ORDERS {
        let (bin, idx) = (
            read(&folder, &format!("{order}.bin")),
            read(&folder, &format!("{order}.idx")),
        );
        let mut idx = Cursor(&idx);
        assert_eq!(&idx.bytes::<9>(), b"MMIDIDX\0\0");
        assert_eq!(idx.u64(), 1, "version");
        assert_eq!(idx.bytes::<1>(), [8], "u16");
        let (sequences, documents) = (idx.u64(), idx.u64());
        assert_eq!(documents, sequences + 1);
        let lengths: Vec<u32> = (0..sequences).map(|_| idx.u32()).collect();
        let offsets: Vec<u64> = (0..sequences).map(|_| idx.u64()).collect();
        let starts: Vec<u64> = (0..documents).map(|_| idx.u64()).collect();
        assert!(idx.0.is_empty(), "no further section");
        assert_eq!(starts, (0..=sequences).collect::<Vec<_>>());
        let found: Vec<Vec<i32>> = std::iter::zip(offsets, lengths)
            .map(|(offset, length)| ids_of(&bin[offset as usize..][..length as usize * 2]))
            .collect();
        assert_eq!(found, case.ids(order));
        assert_eq!(bin.len(), found.iter().map(|ids| ids.len() * 2).sum::<usize>());
    }
}

#[test]
fn an_order_that_does_not_occur_has_no_files() {
    let case = Case::new(&["sequence.order=text_image"]);
    let folder = case.export("megatron", "megatron");
    assert_eq!(names(&folder), ["text_image.bin", "text_image.idx"]);
}

#[test]
fn datatrove_files_end_documents_where_the_index_says() {
    let case = Case::new(&["sequence.order=both"]);
    let folder = case.export("datatrove", "datatrove");
    assert_eq!(
        names(&folder),
        [
            "image_text.ds",
            "image_text.ds.index",
            "text_image.ds",
            "text_image.ds.index"
        ]
    );
    for order in ORDERS {
        let index = read(&folder, &format!("{order}.ds.index"));
        let (ends, rest) = index.as_chunks::<8>();
        assert!(rest.is_empty());
        let ends: Vec<u64> = ends.iter().map(|end| u64::from_le_bytes(*end)).collect();
        assert_eq!(
            cut(&read(&folder, &format!("{order}.ds")), &ends),
            case.ids(order)
        );
    }
}

#[test]
fn olmo_files_are_bare_ids_and_bounds_of_documents() {
    let case = Case::new(&["sequence.order=both"]);
    let folder = case.export("olmo", "olmo");
    assert_eq!(
        names(&folder),
        [
            "image_text.csv.gz",
            "image_text.npy",
            "text_image.csv.gz",
            "text_image.npy"
        ]
    );
    for order in ORDERS {
        let bounds = read(&folder, &format!("{order}.csv.gz"));
        let bounds = std::io::read_to_string(flate2::read::GzDecoder::new(&bounds[..])).unwrap();
        let (mut last, mut ends) = (0, Vec::new());
        for line in bounds.lines() {
            let (start, end) = line.split_once(',').unwrap();
            assert_eq!(start.parse::<u64>().unwrap(), last, "documents adjoin");
            last = end.parse().unwrap();
            ends.push(last);
        }
        assert_eq!(
            cut(&read(&folder, &format!("{order}.npy")), &ends),
            case.ids(order)
        );
    }
}

#[test]
fn mds_shards_hold_ids_key_and_order_of_every_row() {
    let case = Case::new(&["sequence.order=both"]);
    let folder = case.export("mds", "mds");
    assert_eq!(names(&folder), ["index.json", "shard.00000.mds"]);
    let index: serde_json::Value = serde_json::from_slice(&read(&folder, "index.json")).unwrap();
    let shard = read(&folder, "shard.00000.mds");
    let layout = serde_json::json!({
        "column_encodings": ["ndarray:uint16", "str", "str"],
        "column_names": ["input_ids", "key", "order"],
        "column_sizes": [null, null, null],
        "compression": null,
        "format": "mds",
        "hashes": [],
        "size_limit": 67_108_864,
        "version": 2,
    });
    let mut entry = layout.clone();
    entry["raw_data"] =
        serde_json::json!({"basename": "shard.00000.mds", "bytes": shard.len(), "hashes": {}});
    entry["samples"] = case.rows.len().into();
    entry["zip_data"] = serde_json::Value::Null;
    assert_eq!(index, serde_json::json!({"shards": [entry], "version": 2}));

    let mut head = Cursor(&shard);
    let samples = head.u32() as usize;
    assert_eq!(samples, case.rows.len());
    let offsets: Vec<usize> = (0..=samples).map(|_| head.u32() as usize).collect();
    let config = &shard[4 * (samples + 2)..offsets[0]];
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(config).unwrap(),
        layout
    );
    assert_eq!(offsets[samples], shard.len());
    for (bounds, row) in std::iter::zip(offsets.windows(2), &case.rows) {
        let mut sample = Cursor(&shard[bounds[0]..bounds[1]]);
        let [ids, key, order] = [sample.u32(), sample.u32(), sample.u32()].map(|size| size as usize);
        assert_eq!(ids + key + order, sample.0.len());
        let (ids, text) = sample.0.split_at(ids);
        let values = match ids {
            [4, _, values @ ..] | [5, _, _, values @ ..] => ids_of(values),
            other => panic!("{other:?} is no vector of u16"),
        };
        let length = match ids {
            [4, length, ..] => usize::from(*length),
            [5, low, high, ..] => usize::from(u16::from_le_bytes([*low, *high])),
            other => panic!("{other:?} is no vector of u16"),
        };
        assert_eq!(length, values.len());
        assert_eq!(values, row.input_ids);
        assert_eq!(text.split_at(key), (row.key.as_bytes(), row.order.as_bytes()));
    }
}

#[test]
fn an_export_is_a_function_of_the_shards_and_never_overwrites() {
    let case = Case::new(&["sequence.order=both"]);
    for format in ["megatron", "datatrove", "olmo", "mds"] {
        let first = case.export(format, &format!("{format}-1"));
        let second = case.export(format, &format!("{format}-2"));
        assert!(files(&first) == files(&second), "{format}");
        let before = files(&first);
        let arguments = [
            "export",
            format,
            &case.path("out").display().to_string(),
            &first.display().to_string(),
        ];
        let output = run(&arguments);
        assert_eq!(code(&output), 2, "{}", messages(&output));
        assert!(messages(&output).contains("not empty"), "{}", messages(&output));
        assert!(files(&first) == before, "{format}");
    }
}

#[test]
fn what_is_left_of_something_else_is_in_nobodys_way() {
    let case = Case::new(&["sequence.order=both"]);
    let half = case.path(".dest.export");
    std::fs::create_dir(&half).unwrap();
    for name in ["image_text.bin", "journal", "rest"] {
        std::fs::write(half.join(name), "half of it").unwrap();
    }
    let folder = case.export("megatron", "dest");
    assert!(!half.exists());
    assert_eq!(files(&folder), files(&case.export("megatron", "other")));
}

#[test]
fn a_broken_shard_fails_the_export_until_it_is_whole_again() {
    let case = Case::new(&[]);
    let shard = case.path("out/data/part-00001.parquet");
    let whole = std::fs::read(&shard).unwrap();
    for (broken, said) in [(Some(&whole[..whole.len() / 2]), "part-00001"), (None, "missing")] {
        match broken {
            Some(bytes) => std::fs::write(&shard, bytes).unwrap(),
            None => std::fs::remove_file(&shard).unwrap(),
        }
        let (output, destination) = (case.path("out"), case.path("dest"));
        let output = run(&[
            "export",
            "mds",
            output.to_str().unwrap(),
            destination.to_str().unwrap(),
        ]);
        assert_eq!(code(&output), 1, "{}", messages(&output));
        assert!(messages(&output).contains(said), "{}", messages(&output));
        assert!(!destination.exists());
    }
    std::fs::write(&shard, &whole).unwrap();
    assert_eq!(
        files(&case.export("mds", "dest")),
        files(&case.export("mds", "other"))
    );
    assert!(!case.path(".dest.export").exists());
}

#[test]
fn an_unknown_format_and_an_output_without_shards_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let (output, destination) = (folder.path().join("out"), folder.path().join("dest"));
    let (output, destination) = (output.to_str().unwrap(), destination.to_str().unwrap());
    for (format, said) in [("tfrecord", "megatron"), ("megatron", "no unit is committed")] {
        let ended = run(&["export", format, output, destination]);
        assert_eq!(code(&ended), 2);
        assert!(messages(&ended).contains(said), "{}", messages(&ended));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
