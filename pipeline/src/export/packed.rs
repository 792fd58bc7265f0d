//! Sequences packed to contexts: `part-NNNNN.parquet`, rows of at most the context's length without padding, with the
//! segments that they are made of. All units fill one stream of contexts, so that only the last ones of all stay short.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use img2tokens_schemas::PackedRow;
use img2tokens_sequence::{PackConfig, PackStats};
use img2tokens_shard::read::ShardMetadata;
use img2tokens_shard::{Compression, PackedConfig, PackedWriter};

use super::flat::close;
use super::format::{Sequence, SequenceWriter};
use crate::packing::{ContextPacker, packing};

/// Ids of a full file: of contexts of 2,048 ids, 65,536 rows.
const FILE_IDS: u64 = 1 << 27;

/// Packs what comes and writes contexts as they are done. Memory: the open contexts and a row group.
pub(super) struct Writer {
    packer: ContextPacker,
    files: Files,
}

/// The files so far, the last of them open.
struct Files {
    folder: PathBuf,
    config: PackedConfig,
    count: u64,
    open: Option<OpenFile>,
}

struct OpenFile {
    writer: PackedWriter<BufWriter<File>>,
    rows: u64,
}

impl Writer {
    /// Of sequences from shards like that of `metadata`.
    pub(super) fn new(folder: PathBuf, metadata: &ShardMetadata, pack: PackConfig) -> io::Result<Self> {
        let config = PackedConfig {
            compression: Compression::default(),
            packing: packing(pack),
            vocabulary: metadata.vocabulary,
            provenance: metadata.provenance.clone(),
        };
        Ok(Self {
            packer: ContextPacker::new(pack, metadata.vocabulary).map_err(io::Error::other)?,
            files: Files {
                folder,
                config,
                count: 0,
                open: None,
            },
        })
    }
}

impl Files {
    fn push(&mut self, context: &PackedRow) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        open.writer.push(context).map_err(io::Error::other)?;
        open.rows += 1;
        if open.rows * u64::from(self.config.packing.length) >= FILE_IDS {
            open.finish()
        } else {
            self.open = Some(open);
            Ok(())
        }
    }

    fn begin(&mut self) -> io::Result<OpenFile> {
        let file = File::create_new(self.folder.join(format!("part-{:05}.parquet", self.count)))?;
        self.count += 1;
        let writer = PackedWriter::new(BufWriter::new(file), &self.config).map_err(io::Error::other)?;
        Ok(OpenFile { writer, rows: 0 })
    }
}

impl OpenFile {
    fn finish(self) -> io::Result<()> {
        close(self.writer.finish().map_err(io::Error::other)?)
    }
}

impl SequenceWriter for Writer {
    fn write(&mut self, sequence: &Sequence<'_>) -> io::Result<()> {
        let (ids, _) = sequence.ids.as_chunks::<4>();
        let ids: Vec<u32> = ids.iter().map(|id| u32::from_le_bytes(*id)).collect();
        let contexts = self.packer.push(sequence.key, sequence.order, &ids);
        for context in contexts.map_err(io::Error::other)? {
            self.files.push(&context)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Option<PackStats>> {
        let Self { packer, mut files } = *self;
        let (contexts, stats) = packer.finish();
        for context in contexts {
            files.push(&context)?;
        }
        files.open.map_or(Ok(()), OpenFile::finish)?;
        Ok(Some(stats))
    }
}
