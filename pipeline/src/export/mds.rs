//! MosaicML Streaming's MDS, version 2, as `streaming/base/format/mds/` reads it.
//!
//! A shard is `u32` n, `u32[n + 1]` absolute offsets, the layout as JSON, and the samples: a `u32` size for each column
//! (none has a fixed one), then the columns' bodies in the order of their names. `index.json` lists the shards.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use img2tokens_sequence::PackStats;
use serde::Serialize;

use super::flat::close;
use super::format::{Sequence, SequenceWriter};
use super::ids::IdWidth;

/// The size that a shard does not exceed in bytes, unless a single sample does: the default of the format's own writer.
pub(super) const SIZE_LIMIT: u64 = 1 << 26;
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
    size_limit: u64,
    version: u8,
}

#[derive(Debug, Serialize)]
struct ShardEntry {
    #[serde(flatten)]
    layout: Layout,
    raw_data: RawData,
    samples: usize,
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

/// Writes `shard.NNNNN.mds` and `index.json`. One shard is held in memory.
pub(super) struct Writer {
    folder: PathBuf,
    layout: Layout,
    /// The layout as it stands in every shard.
    layout_json: Vec<u8>,
    shards: Vec<ShardEntry>,
    /// Of the shard at hand: the samples back to back, and where each of them ends.
    samples: Vec<u8>,
    ends: Vec<u64>,
}

impl Writer {
    pub(super) fn new(folder: &Path, width: IdWidth, size_limit: u64) -> io::Result<Self> {
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
        Ok(Self {
            folder: folder.to_owned(),
            layout_json: serde_json::to_vec(&layout)?,
            layout,
            shards: Vec::new(),
            samples: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Writes the shard at hand and begins the next.
    fn write_shard(&mut self) -> io::Result<()> {
        let count = u32::try_from(self.ends.len()).map_err(io::Error::other)?;
        let first = self.header_size(u64::from(count));
        let basename = format!("shard.{:05}.mds", self.shards.len());
        let mut file = BufWriter::new(File::create_new(self.folder.join(&basename))?);
        file.write_all(&count.to_le_bytes())?;
        for end in [0].iter().chain(&self.ends) {
            let offset = u32::try_from(first + end).map_err(io::Error::other)?;
            file.write_all(&offset.to_le_bytes())?;
        }
        file.write_all(&self.layout_json)?;
        file.write_all(&self.samples)?;
        close(file)?;
        self.shards.push(ShardEntry {
            layout: self.layout.clone(),
            raw_data: RawData {
                basename,
                bytes: first + self.samples.len() as u64,
                hashes: BTreeMap::new(),
            },
            samples: self.ends.len(),
            zip_data: None,
        });
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
}

impl SequenceWriter for Writer {
    fn write(&mut self, sequence: &Sequence<'_>) -> io::Result<()> {
        let shape = shape_of(sequence.tokens);
        let (key, order) = (sequence.key.as_bytes(), sequence.order.name().as_bytes());
        let columns = [shape.len() + sequence.ids.len(), key.len(), order.len()];
        let size = 4 * columns.len() + columns.iter().sum::<usize>();
        if !self.ends.is_empty() && self.size_with(size) > self.layout.size_limit {
            self.write_shard()?;
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

    fn finish(mut self: Box<Self>) -> io::Result<Option<PackStats>> {
        if !self.ends.is_empty() {
            self.write_shard()?;
        }
        let mut file = BufWriter::new(File::create_new(self.folder.join("index.json"))?);
        let index = IndexFile {
            shards: self.shards,
            version: VERSION,
        };
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

    fn write(folder: &Path, size_limit: u64, keys: &[&str]) -> serde_json::Value {
        let mut writer = Box::new(Writer::new(folder, IdWidth::Two, size_limit).unwrap());
        for key in keys {
            let sequence = Sequence {
                key,
                order: Order::ImageText,
                tokens: 2,
                ids: &[1, 0, 2, 0],
            };
            writer.write(&sequence).unwrap();
        }
        writer.finish().unwrap();
        serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap()
    }

    #[test]
    fn the_shape_takes_the_least_bytes() {
        assert_eq!(shape_of(255), [4, 255]);
        assert_eq!(shape_of(256), [5, 0, 1]);
        assert_eq!(shape_of(65_536), [6, 0, 0, 1, 0]);
    }

    #[test]
    fn a_sample_is_sizes_then_bodies_by_column_name() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), SIZE_LIMIT, &["k1"]);
        let bytes = std::fs::read(folder.path().join("shard.00000.mds")).unwrap();
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
        let folder = tempfile::tempdir().unwrap();
        let limit = 400;
        let index = write(folder.path(), limit, &["a", "b", "c", "d", "e", "f", "g"]);
        let shards = index["shards"].as_array().unwrap();
        assert!(shards.len() > 1, "{index}");
        let counts = shards.iter().map(|shard| shard["samples"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), 7);
        for shard in shards {
            let file = folder
                .path()
                .join(shard["raw_data"]["basename"].as_str().unwrap());
            let size = std::fs::metadata(file).unwrap().len();
            assert!(size <= limit && shard["raw_data"]["bytes"] == size, "{shard}");
        }
    }
}
