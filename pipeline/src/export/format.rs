//! The formats, and what their readers expect of an id's size.

use std::io;
use std::path::Path;

use clap::ValueEnum;
use img2tokens_sequence::{PackConfig, PackStats};
use img2tokens_shard::read::ShardMetadata;
use serde::Serialize;
use serde_json::json;

use super::chunk::Sequence;
use super::flat::PerOrder;
use super::ids::IdWidth;
use super::journal::{Mark, Step};
use super::{datatrove, mds, megatron, olmo, packed};

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Megatron-LM: ORDER.bin and ORDER.idx
    Megatron,
    /// datatrove and nanotron: ORDER.ds and ORDER.ds.index
    Datatrove,
    /// OLMo-core: ORDER.npy (bare ids, no NumPy header) and ORDER.csv.gz
    Olmo,
    /// MosaicML Streaming: shard.NNNNN.mds and index.json
    Mds,
    /// Parquet of contexts of one length, each of many sequences: part-NNNNN.parquet
    Packed,
}

/// What can be asked of a format.
#[derive(Debug, Clone, Copy)]
pub struct FormatOptions {
    /// Of [`Format::Packed`]: how sequences are packed.
    pub packing: PackConfig,
    /// Of [`Format::Mds`]: the size in bytes that a shard does not exceed, unless a single sample does.
    pub shard_size: u32,
}

/// What a writer must know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup<'a> {
    /// Where it writes: into [`super::staging::FILES`] what readers will see, and beside it what it needs meanwhile. What
    /// is there already is of the same export, up to where its steps say.
    pub(super) staged: &'a Path,
    /// What the shards say of themselves.
    pub(super) metadata: &'a ShardMetadata,
    /// What was asked for.
    pub(super) options: FormatOptions,
    /// The width of ids.
    pub(super) width: IdWidth,
}

impl Format {
    /// The width that the format's reader takes from the size of the vocabulary, unless it is told another:
    /// Megatron-LM's `DType.optimal_dtype` has two bytes below 65,500; OLMo-core's `NumpyDatasetConfig.get_dtype` and
    /// datatrove's `token_size` while the greatest id fits. MDS names its type; packed columns are `int32`.
    pub(super) const fn id_width(self, vocabulary_size: u32) -> IdWidth {
        let most = match self {
            Self::Megatron => 65_499,
            Self::Datatrove | Self::Olmo | Self::Mds => 1 << 16,
            Self::Packed => 0,
        };
        if vocabulary_size <= most {
            IdWidth::Two
        } else {
            IdWidth::Four
        }
    }

    /// Those of the options that change what this format's files hold.
    pub(super) fn settings(self, options: &FormatOptions) -> serde_json::Value {
        match self {
            Self::Megatron | Self::Datatrove | Self::Olmo => json!({}),
            Self::Mds => json!({ "shard_size": options.shard_size }),
            Self::Packed => json!(options.packing),
        }
    }

    /// A writer of this format.
    pub(super) fn writer(self, setup: Setup<'_>) -> io::Result<Box<dyn SequenceWriter>> {
        let flat = |format| PerOrder::open(setup.staged, format, setup.width);
        Ok(match self {
            Self::Megatron => Box::new(flat(megatron::FORMAT)?),
            Self::Datatrove => Box::new(flat(datatrove::FORMAT)?),
            Self::Olmo => Box::new(flat(olmo::FORMAT)?),
            Self::Mds => {
                let size_limit = setup.options.shard_size;
                Box::new(mds::Writer::open(setup.staged, setup.width, size_limit)?)
            }
            Self::Packed => Box::new(packed::Writer::open(&setup)?),
        })
    }
}

/// Writes a data set, sequence by sequence. What it writes is a function of the sequences alone, whatever the steps.
pub(super) trait SequenceWriter: Send {
    /// Adds a sequence. `mark` stands before it.
    fn write(&mut self, sequence: &Sequence<'_>, mark: Mark) -> io::Result<()>;

    /// Brings what was written to the disk, as far as the format's files can be gone on with, and says how far that is;
    /// `mark` stands after all sequences. None if that is no further than it was.
    fn settle(&mut self, mark: Mark) -> io::Result<Option<Step>>;

    /// Completes the files and makes sure that they are on the disk. Says what packing came to, if it was done.
    fn finish(self: Box<Self>) -> io::Result<Option<PackStats>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bytes_are_used_as_long_as_the_reader_expects_them() {
        let width = |format: Format, size| format.id_width(size).bytes();
        assert_eq!(width(Format::Megatron, 65_499), 2);
        assert_eq!(width(Format::Megatron, 65_500), 4);
        for format in [Format::Datatrove, Format::Olmo, Format::Mds] {
            assert_eq!(width(format, 65_536), 2);
            assert_eq!(width(format, 65_537), 4);
        }
    }
}
