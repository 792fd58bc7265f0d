//! Sequences packed to contexts: `part-NNNNN.parquet`, rows of at most the context's length without padding, with the
//! segments that they are made of. All units fill one stream of contexts, so that only the last ones of all stay short.
//!
//! Which sequences share a context depends on all that came before, so an export that was interrupted packs from the
//! first sequence again; but files that were full by then it leaves as they are.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use img2tokens_schemas::PackedRow;
use img2tokens_sequence::PackStats;
use img2tokens_shard::{Compression, PackedConfig, PackedWriter};

use super::chunk::Sequence;
use super::flat::close;
use super::format::{SequenceWriter, Setup};
use super::journal::{Mark, Sizes, Step};
use super::staging::{FILES, open_at_end};
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
    staged: PathBuf,
    config: PackedConfig,
    /// Ids of a full file.
    size: u64,
    count: u64,
    open: Option<OpenFile>,
    /// The full files that no step has told of.
    untold: Sizes,
}

struct OpenFile {
    name: String,
    /// None if the file is there, from an earlier start.
    writer: Option<PackedWriter<BufWriter<File>>>,
    rows: u64,
}

impl Writer {
    /// Leaves the files that are there as they are.
    pub(super) fn open(setup: &Setup<'_>) -> io::Result<Self> {
        Self::with_file_size(setup, FILE_IDS)
    }

    fn with_file_size(setup: &Setup<'_>, size: u64) -> io::Result<Self> {
        let (pack, metadata) = (setup.options.packing, setup.metadata);
        let config = PackedConfig {
            compression: Compression::default(),
            packing: packing(pack),
            vocabulary: metadata.vocabulary,
            provenance: metadata.provenance.clone(),
        };
        Ok(Self {
            packer: ContextPacker::new(pack, metadata.vocabulary).map_err(io::Error::other)?,
            files: Files {
                staged: setup.staged.to_owned(),
                config,
                size,
                count: 0,
                open: None,
                untold: Sizes::new(),
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
        if let Some(writer) = &mut open.writer {
            writer.push(context).map_err(io::Error::other)?;
        }
        open.rows += 1;
        if open.rows * u64::from(self.config.packing.length) >= self.size {
            self.finish(open)
        } else {
            self.open = Some(open);
            Ok(())
        }
    }

    fn begin(&mut self) -> io::Result<OpenFile> {
        let name = format!("{FILES}/part-{:05}.parquet", self.count);
        let path = self.staged.join(&name);
        self.count += 1;
        let writer = if path.exists() {
            None
        } else {
            let file = BufWriter::new(open_at_end(&path)?);
            Some(PackedWriter::new(file, &self.config).map_err(io::Error::other)?)
        };
        Ok(OpenFile {
            name,
            writer,
            rows: 0,
        })
    }

    fn finish(&mut self, open: OpenFile) -> io::Result<()> {
        let Some(writer) = open.writer else {
            return Ok(());
        };
        close(writer.finish().map_err(io::Error::other)?)?;
        let size = std::fs::metadata(self.staged.join(&open.name))?.len();
        self.untold.insert(open.name, size);
        Ok(())
    }
}

impl SequenceWriter for Writer {
    fn write(&mut self, sequence: &Sequence<'_>, _: Mark) -> io::Result<()> {
        let (ids, _) = sequence.ids.as_chunks::<4>();
        let ids: Vec<u32> = ids.iter().map(|id| u32::from_le_bytes(*id)).collect();
        let contexts = self.packer.push(sequence.key, sequence.order, &ids);
        for context in contexts.map_err(io::Error::other)? {
            self.files.push(&context)?;
        }
        Ok(())
    }

    fn settle(&mut self, _: Mark) -> io::Result<Option<Step>> {
        let files = std::mem::take(&mut self.files.untold);
        let mark = Mark::default();
        Ok((!files.is_empty()).then_some(Step { mark, files }))
    }

    fn finish(self: Box<Self>) -> io::Result<Option<PackStats>> {
        let Self { packer, mut files } = *self;
        let (contexts, stats) = packer.finish();
        for context in contexts {
            files.push(&context)?;
        }
        if let Some(open) = files.open.take() {
            files.finish(open)?;
        }
        Ok(Some(stats))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use img2tokens_schemas::{Order, Vocabulary};
    use img2tokens_sequence::PackConfig;
    use img2tokens_shard::UnitId;
    use img2tokens_shard::read::ShardMetadata;

    use super::super::format::FormatOptions;
    use super::super::ids::IdWidth;
    use super::*;

    fn staged() -> tempfile::TempDir {
        let staged = tempfile::tempdir().unwrap();
        std::fs::create_dir(staged.path().join(FILES)).unwrap();
        staged
    }

    /// Contexts of 8 ids, files of 4 contexts.
    fn open(staged: &Path) -> Box<Writer> {
        let metadata = ShardMetadata {
            unit: UnitId(0),
            plan: String::new(),
            vocabulary: Vocabulary {
                text_size: 256,
                codebook_size: 16,
                bos: 1,
                eos: 2,
            },
            provenance: serde_json::Value::Null,
            packing: None,
        };
        let options = FormatOptions {
            packing: PackConfig {
                length: 8,
                ..PackConfig::default()
            },
            shard_size: 0,
        };
        let setup = Setup {
            staged,
            metadata: &metadata,
            options,
            width: IdWidth::Four,
        };
        Box::new(Writer::with_file_size(&setup, 32).unwrap())
    }

    /// Eight sequences to a file.
    fn write(writer: &mut Writer, sequences: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        for row in 0..sequences {
            let ids: Vec<u8> = [5, 10 + row % 200, 7, 2]
                .iter()
                .flat_map(|id| id.to_le_bytes())
                .collect();
            let sequence = Sequence {
                row: u64::from(row),
                key: &row.to_string(),
                order: Order::Text,
                tokens: 4,
                ids: &ids,
            };
            writer.write(&sequence, Mark::default()).unwrap();
            steps.extend(writer.settle(Mark::default()).unwrap());
        }
        steps
    }

    fn files(staged: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let paths = std::fs::read_dir(staged.join(FILES)).unwrap().map(Result::unwrap);
        paths
            .map(|entry| (entry.file_name().into(), std::fs::read(entry.path()).unwrap()))
            .collect()
    }

    #[test]
    fn an_interrupted_export_keeps_full_files_and_ends_as_one_that_was_not() {
        let (whole, disturbed) = (staged(), staged());
        let mut writer = open(whole.path());
        write(&mut writer, 60);
        let stats = writer.finish().unwrap();
        let steps = write(&mut open(disturbed.path()), 40);
        let told: Vec<String> = steps
            .into_iter()
            .flat_map(|step| step.files.into_keys())
            .collect();
        assert!(told.len() > 2, "{told:?}");
        for name in files(disturbed.path()).keys() {
            if !told.iter().any(|told| Path::new(told).ends_with(name)) {
                std::fs::remove_file(disturbed.path().join(FILES).join(name)).unwrap();
            }
        }
        let first = disturbed.path().join(&told[0]);
        let written = std::fs::metadata(&first).unwrap().modified().unwrap();
        let mut writer = open(disturbed.path());
        write(&mut writer, 60);
        assert_eq!(writer.finish().unwrap(), stats);
        assert!(files(disturbed.path()) == files(whole.path()));
        assert_eq!(std::fs::metadata(&first).unwrap().modified().unwrap(), written);
    }
}
