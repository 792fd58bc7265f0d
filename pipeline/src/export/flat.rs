//! Ids back to back in a file an order, with a sidecar that says where each document ends.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use img2tokens_schemas::Order;
use img2tokens_sequence::PackStats;

use super::format::{Sequence, SequenceWriter};

/// What a format keeps beside the ids.
pub(super) trait Sidecar: Send {
    /// Adds a document of so many tokens.
    fn add(&mut self, tokens: u32) -> io::Result<()>;

    /// Completes the file.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Makes the sidecar of the files `STEM.*`.
type OpenSidecar = Box<dyn Fn(&Path) -> io::Result<Box<dyn Sidecar>> + Send>;

/// Writes `ORDER.SUFFIX` and its sidecar for each order that occurs, so that trainers can blend them by weight. An order
/// that does not occur has no files: no reader can map an empty one.
pub(super) struct PerOrder {
    folder: PathBuf,
    suffix: &'static str,
    open_sidecar: OpenSidecar,
    files: Vec<(Order, Flat)>,
}

struct Flat {
    ids: BufWriter<File>,
    sidecar: Box<dyn Sidecar>,
}

impl PerOrder {
    pub(super) fn new(
        folder: &Path,
        suffix: &'static str,
        open_sidecar: impl Fn(&Path) -> io::Result<Box<dyn Sidecar>> + Send + 'static,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            suffix,
            open_sidecar: Box::new(open_sidecar),
            files: Vec::new(),
        }
    }

    fn open(&self, order: Order) -> io::Result<Flat> {
        let stem = self.folder.join(order.name());
        Ok(Flat {
            ids: BufWriter::new(File::create_new(stem.with_extension(self.suffix))?),
            sidecar: (self.open_sidecar)(&stem)?,
        })
    }
}

impl Flat {
    fn write(&mut self, sequence: &Sequence<'_>) -> io::Result<()> {
        self.ids.write_all(sequence.ids)?;
        self.sidecar.add(sequence.tokens)
    }
}

impl SequenceWriter for PerOrder {
    fn write(&mut self, sequence: &Sequence<'_>) -> io::Result<()> {
        if let Some((_, flat)) = self.files.iter_mut().find(|(order, _)| *order == sequence.order) {
            return flat.write(sequence);
        }
        let mut flat = self.open(sequence.order)?;
        flat.write(sequence)?;
        self.files.push((sequence.order, flat));
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Option<PackStats>> {
        for (_, flat) in self.files {
            close(flat.ids)?;
            flat.sidecar.finish()?;
        }
        Ok(None)
    }
}

/// Writes out what is buffered and waits until the disk has it.
pub(super) fn close(file: BufWriter<File>) -> io::Result<()> {
    file.into_inner()?.sync_all()
}
