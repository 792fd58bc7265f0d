//! The formats, and what their readers expect of an id's size.

use std::io;
use std::path::Path;

use clap::ValueEnum;
use img2tokens_schemas::Order;
use img2tokens_sequence::{PackConfig, PackStats};
use img2tokens_shard::read::ShardMetadata;

use super::flat::PerOrder;
use super::ids::IdWidth;
use super::{datatrove, mds, megatron, olmo, packed};

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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

/// What a writer must know of the shards, and of what is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup<'a> {
    /// An empty folder.
    pub(super) folder: &'a Path,
    /// What the shards say of themselves.
    pub(super) metadata: &'a ShardMetadata,
    /// How sequences are packed, where they are.
    pub(super) packing: PackConfig,
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

    /// A writer of this format.
    pub(super) fn writer(self, setup: Setup<'_>, width: IdWidth) -> io::Result<Box<dyn SequenceWriter>> {
        let folder = setup.folder;
        Ok(match self {
            Self::Megatron => Box::new(PerOrder::new(folder, "bin", move |stem| {
                Ok(Box::new(megatron::Index::create(stem, width)?))
            })),
            Self::Datatrove => Box::new(PerOrder::new(folder, "ds", |stem| {
                Ok(Box::new(datatrove::DocumentEnds::create(stem)?))
            })),
            Self::Olmo => Box::new(PerOrder::new(folder, "npy", |stem| {
                Ok(Box::new(olmo::DocumentBounds::create(stem)?))
            })),
            Self::Mds => Box::new(mds::Writer::new(folder, width, mds::SIZE_LIMIT)?),
            Self::Packed => Box::new(packed::Writer::new(
                folder.to_owned(),
                setup.metadata,
                setup.packing,
            )?),
        })
    }
}

/// A sequence on its way into a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence<'a> {
    /// The pair's name.
    pub key: &'a str,
    /// Which half stands on the left.
    pub order: Order,
    /// The number of ids, at least 1.
    pub tokens: u32,
    /// The ids in the width that the writer was made for.
    pub ids: &'a [u8],
}

/// Writes a data set, sequence by sequence.
pub(super) trait SequenceWriter: Send {
    /// Adds a sequence.
    fn write(&mut self, sequence: &Sequence<'_>) -> io::Result<()>;

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
