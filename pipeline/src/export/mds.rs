//! MosaicML Streaming's MDS, version 2, as `streaming/base/format/mds/` reads it.
//!
//! A shard is `u32` n, `u32[n + 1]` absolute offsets, the layout as JSON, and the samples: a `u32` size for each column
//! (none has a fixed one), then the columns' bodies in the order of their names. `index.json` lists the shards.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use img2tokens_sequence::PackStats;
use serde::Serialize;

use super::chunk::Sequence;
use super::flat::close;
use super::format::SequenceWriter;
use super::ids::IdWidth;
use super::journal::{Mark, Sizes, Step};
use super::staging::{FILES, open_at_end};

const VERSION: u8 = 2;

/// What every shard says of its samples.
#[derive(Debug, Clone, Serialize)]
struct Layout {
    column_encodings: [&'static str; 3],
    column_names: [&'static str; 3],
    column_sizes: [Option<u32>; 3],
    compression: Option<&'static str>,
    format: &'static str,
    hashes: [&'static str; 0],
    size_limit: u32,
    version: u8,
}

#[derive(Debug, Serialize)]
struct ShardEntry {
    #[serde(flatten)]
    layout: Layout,
    raw_data: RawData,
    samples: u32,
    zip_data: Option<RawData>,
}

#[derive(Debug, Serialize)]
struct RawData {
    basename: String,
    bytes: u64,
    hashes: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct IndexFile {
    shards: Vec<ShardEntry>,
    version: u8,
}

/// Writes `shard.NNNNN.mds` and `index.json`. One shard is held in memory; it can be gone on from each that is full.
pub(super) struct Writer {
    staged: PathBuf,
    layout: Layout,
    /// The layout as it stands in every shard.
    layout_json: Vec<u8>,
    /// Shards written.
    shards: u64,
    /// Of these, the sizes of those that no step has told of.
    untold: Sizes,
    /// Of the shard at hand: what stands before it, the samples back to back, and where each of them ends.
    begun: Mark,
    samples: Vec<u8>,
    ends: Vec<u64>,
}

impl Writer {
    /// Goes on after the shards that are there.
    pub(super) fn open(staged: &Path, width: IdWidth, size_limit: u32) -> io::Result<Self> {
        let ids = match width {
            IdWidth::Two => "ndarray:uint16",
            IdWidth::Four => "ndarray:uint32",
        };
        let layout = Layout {
            column_encodings: [ids, "str", "str"],
            column_names: ["input_ids", "key", "order"],
            column_sizes: [None; 3],
            compression: None,
            format: "mds",
            hashes: [],
            size_limit,
            version: VERSION,
        };
        let shards = (0..).take_while(|shard| staged.join(name_of(*shard)).exists());
        Ok(Self {
            layout_json: serde_json::to_vec(&layout)?,
            layout,
            shards: shards.count() as u64,
            staged: staged.to_owned(),
            untold: Sizes::new(),
            begun: Mark::default(),
            samples: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Writes the shard at hand and begins the next.
    fn write_shard(&mut self) -> io::Result<()> {
        let count = u32::try_from(self.ends.len()).map_err(io::Error::other)?;
        let first = self.header_size(u64::from(count));
        let name = name_of(self.shards);
        let mut file = BufWriter::new(open_at_end(&self.staged.join(&name))?);
        file.write_all(&count.to_le_bytes())?;
        for end in [0].iter().chain(&self.ends) {
            let offset = u32::try_from(first + end).map_err(io::Error::other)?;
            file.write_all(&offset.to_le_bytes())?;
        }
        file.write_all(&self.layout_json)?;
        file.write_all(&self.samples)?;
        close(file)?;
        self.untold.insert(name, first + self.samples.len() as u64);
        self.shards += 1;
        self.samples.clear();
        self.ends.clear();
        Ok(())
    }

    /// The bytes before the samples in a shard of so many.
    fn header_size(&self, samples: u64) -> u64 {
        4 + 4 * (samples + 1) + self.layout_json.len() as u64
    }

    /// The size of the shard at hand if a sample of `size` bytes came to it.
    fn size_with(&self, size: usize) -> u64 {
        self.header_size(self.ends.len() as u64 + 1) + (self.samples.len() + size) as u64
    }

    /// What the index says of a shard that is written.
    fn entry(&self, shard: u64) -> io::Result<ShardEntry> {
        let mut file = File::open(self.staged.join(name_of(shard)))?;
        let mut samples = [0; 4];
        file.read_exact(&mut samples)?;
        Ok(ShardEntry {
            layout: self.layout.clone(),
            raw_data: RawData {
                basename: basename_of(shard),
                bytes: file.metadata()?.len(),
                hashes: BTreeMap::new(),
            },
            samples: u32::from_le_bytes(samples),
            zip_data: None,
        })
    }
}

fn basename_of(shard: u64) -> String {
    format!("shard.{shard:05}.mds")
}

fn name_of(shard: u64) -> String {
    format!("{FILES}/{}", basename_of(shard))
}

impl SequenceWriter for Writer {
    fn write(&mut self, sequence: &Sequence<'_>, mark: Mark) -> io::Result<()> {
        let shape = shape_of(sequence.tokens);
        let (key, order) = (sequence.key.as_bytes(), sequence.order.name().as_bytes());
        let columns = [shape.len() + sequence.ids.len(), key.len(), order.len()];
        let size = 4 * columns.len() + columns.iter().sum::<usize>();
        if !self.ends.is_empty() && self.size_with(size) > u64::from(self.layout.size_limit) {
            self.write_shard()?;
        }
        if self.ends.is_empty() {
            self.begun = mark;
        }
        for column in columns {
            let column = u32::try_from(column).map_err(io::Error::other)?;
            self.samples.extend_from_slice(&column.to_le_bytes());
        }
        for body in [&shape, sequence.ids, key, order] {
            self.samples.extend_from_slice(body);
        }
        self.ends.push(self.samples.len() as u64);
        Ok(())
    }

    fn settle(&mut self, _: Mark) -> io::Result<Option<Step>> {
        let files = std::mem::take(&mut self.untold);
        let mark = self.begun;
        Ok((!files.is_empty()).then_some(Step { mark, files }))
    }

    fn finish(mut self: Box<Self>) -> io::Result<Option<PackStats>> {
        if !self.ends.is_empty() {
            self.write_shard()?;
        }
        let shards = (0..self.shards).map(|shard| self.entry(shard));
        let index = IndexFile {
            shards: shards.collect::<io::Result<_>>()?,
            version: VERSION,
        };
        let mut file = BufWriter::new(File::create_new(self.staged.join(FILES).join("index.json"))?);
        serde_json::to_writer(&mut file, &index)?;
        close(file).map(|()| None)
    }
}

/// What stands before the values of an `ndarray` of one dimension: a byte, `1 << 2` for the one dimension plus 0, 1 or 2
/// for a length of 1, 2 or 4 bytes, and the length.
fn shape_of(length: u32) -> Vec<u8> {
    const ONE_DIMENSION: u8 = 1 << 2;
    if let Ok(length) = u8::try_from(length) {
        return vec![ONE_DIMENSION, length];
    }
    match u16::try_from(length) {
        Ok(length) => [&[ONE_DIMENSION | 1][..], &length.to_le_bytes()].concat(),
        Err(_) => [&[ONE_DIMENSION | 2][..], &length.to_le_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use img2tokens_schemas::Order;

    const KEYS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

    /// Writes sequences of these keys from the first on; the writer has told of its shards after each.
    fn write(writer: &mut Writer, keys: &[&str], first: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for (row, key) in keys.iter().enumerate().skip(first) {
            let sequence = Sequence {
                row: row as u64,
                key,
                order: Order::ImageText,
                tokens: 2,
                ids: &[1, 0, 2, 0],
            };
            let mark = Mark {
                row: row as u64,
                ..Mark::default()
            };
            writer.write(&sequence, mark).unwrap();
            steps.extend(writer.settle(mark).unwrap());
        }
        steps
    }

    fn staged() -> tempfile::TempDir {
        let staged = tempfile::tempdir().unwrap();
        std::fs::create_dir(staged.path().join(FILES)).unwrap();
        staged
    }

    fn open(staged: &tempfile::TempDir, size_limit: u32) -> Box<Writer> {
        Box::new(Writer::open(staged.path(), IdWidth::Two, size_limit).unwrap())
    }

    fn files(staged: &tempfile::TempDir) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(staged.path().join(FILES)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, std::fs::read(path).unwrap())
            })
            .collect()
    }

    #[test]
    fn the_shape_takes_the_least_bytes() {
        assert_eq!(shape_of(255), [4, 255]);
        assert_eq!(shape_of(256), [5, 0, 1]);
        assert_eq!(shape_of(65_536), [6, 0, 0, 1, 0]);
    }

    #[test]
    fn a_sample_is_sizes_then_bodies_by_column_name() {
        let staged = staged();
        let mut writer = open(&staged, 1 << 26);
        write(&mut writer, &["k1"], 0);
        writer.finish().unwrap();
        let bytes = &files(&staged)["shard.00000.mds"];
        let expected = b"\x06\0\0\0\x02\0\0\0\x0a\0\0\0\x04\x02\x01\0\x02\0k1image_text";
        assert!(bytes.ends_with(expected));
        let offset = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(offset(0), 1);
        assert_eq!(
            (offset(4), offset(8)),
            (bytes.len() - expected.len(), bytes.len())
        );
        let layout: serde_json::Value = serde_json::from_slice(&bytes[12..offset(4)]).unwrap();
        assert_eq!(layout["column_encodings"][0], "ndarray:uint16");
    }

    #[test]
    fn no_shard_exceeds_the_limit_and_the_index_counts_what_they_hold() {
        let staged = staged();
        let mut writer = open(&staged, 400);
        write(&mut writer, &KEYS, 0);
        writer.finish().unwrap();
        let files = files(&staged);
        let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let shards = index["shards"].as_array().unwrap();
        assert!(shards.len() > 1, "{index}");
        let counts = shards.iter().map(|shard| shard["samples"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), 7);
        for shard in shards {
            let size = files[shard["raw_data"]["basename"].as_str().unwrap()].len();
            assert!(size <= 400 && shard["raw_data"]["bytes"] == size, "{shard}");
        }
    }

    #[test]
    fn a_writer_that_goes_on_from_any_full_shard_ends_with_the_same_files() {
        let (whole, keys) = (staged(), KEYS.repeat(4));
        let mut writer = open(&whole, 400);
        let steps = write(&mut writer, &keys, 0);
        writer.finish().unwrap();
        assert!(steps.len() > 1);
        for (at, step) in steps.iter().enumerate() {
            let disturbed = staged();
            write(&mut open(&disturbed, 400), &keys, 0);
            for later in steps.iter().skip(at + 1).flat_map(|step| step.files.keys()) {
                std::fs::remove_file(disturbed.path().join(later)).unwrap();
            }
            let mut writer = open(&disturbed, 400);
            write(&mut writer, &keys, step.mark.row as usize);
            writer.finish().unwrap();
            assert_eq!(files(&disturbed), files(&whole), "{step:?}");
        }
    }
}
