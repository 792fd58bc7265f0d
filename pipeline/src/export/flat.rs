//! Ids back to back in a file an order, with a sidecar that says where each document ends.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use img2tokens_schemas::Order;
use img2tokens_sequence::PackStats;

use super::chunk::Sequence;
use super::format::SequenceWriter;
use super::ids::IdWidth;
use super::journal::{Mark, Sizes, Step};
use super::staging::{FILES, open_at_end};

/// A format of this kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlatFormat {
    /// The suffix of the ids' file.
    pub(super) ids: &'static str,
    /// The suffix of the sidecar.
    pub(super) sidecar: &'static str,
    /// Writes the sidecar of documents of these lengths, stored in this width.
    pub(super) write_sidecar: fn(&Lengths, IdWidth, &mut dyn Write) -> io::Result<()>,
}

/// The length in tokens of every document of a file, in its order. They are spooled while the ids are written, and a
/// sidecar is made of them at the end: so it is a function of them, however often the export was interrupted.
#[derive(Debug)]
pub(super) struct Lengths {
    spool: PathBuf,
}

impl Lengths {
    /// How many documents there are.
    pub(super) fn count(&self) -> io::Result<u64> {
        Ok(std::fs::metadata(&self.spool)?.len() / 4)
    }

    /// Reads them from the first on.
    pub(super) fn iter(&self) -> io::Result<impl Iterator<Item = io::Result<u32>> + use<>> {
        let mut spool = BufReader::new(File::open(&self.spool)?);
        Ok(std::iter::from_fn(move || {
            let mut length = [0; 4];
            match spool.read_exact(&mut length) {
                Ok(()) => Some(Ok(u32::from_le_bytes(length))),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => None,
                Err(error) => Some(Err(error)),
            }
        }))
    }

    /// Lengths for a test, spooled into a folder.
    #[cfg(test)]
    pub(super) fn spooled(folder: &Path, lengths: &[u32]) -> Self {
        let spool = folder.join("spool");
        let bytes: Vec<u8> = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
        std::fs::write(&spool, bytes).unwrap();
        Self { spool }
    }
}

/// Writes `ORDER.IDS` and `ORDER.SIDECAR` for each order that occurs, so that trainers can blend them by weight. An
/// order that does not occur has no files: no reader can map an empty one.
pub(super) struct PerOrder {
    staged: PathBuf,
    format: FlatFormat,
    width: IdWidth,
    files: Vec<(Order, Flat)>,
}

/// The files of an order, open at their ends.
struct Flat {
    ids: Spooled,
    lengths: Spooled,
    has_changed: bool,
}

/// A file by its name in the staged folder.
struct Spooled {
    name: String,
    file: BufWriter<File>,
}

impl PerOrder {
    /// Goes on with the files that are there.
    pub(super) fn open(staged: &Path, format: FlatFormat, width: IdWidth) -> io::Result<Self> {
        let mut writer = Self {
            staged: staged.to_owned(),
            format,
            width,
            files: Vec::new(),
        };
        for order in Order::ALL {
            if staged.join(lengths_name(order)).exists() {
                writer.open_order(order)?;
            }
        }
        Ok(writer)
    }

    fn open_order(&mut self, order: Order) -> io::Result<&mut Flat> {
        let open = |name: String| {
            let file = BufWriter::new(open_at_end(&self.staged.join(&name))?);
            io::Result::Ok(Spooled { name, file })
        };
        let flat = Flat {
            ids: open(format!("{FILES}/{order}.{}", self.format.ids))?,
            lengths: open(lengths_name(order))?,
            has_changed: false,
        };
        Ok(&mut self.files.push_mut((order, flat)).1)
    }

    fn write_sidecar(&self, order: Order) -> io::Result<()> {
        let name = format!("{FILES}/{order}.{}", self.format.sidecar);
        let lengths = Lengths {
            spool: self.staged.join(lengths_name(order)),
        };
        let mut sidecar = BufWriter::new(File::create_new(self.staged.join(name))?);
        (self.format.write_sidecar)(&lengths, self.width, &mut sidecar)?;
        close(sidecar)
    }
}

fn lengths_name(order: Order) -> String {
    format!("{order}.lengths")
}

impl Flat {
    fn write(&mut self, sequence: &Sequence<'_>) -> io::Result<()> {
        self.has_changed = true;
        self.ids.file.write_all(sequence.ids)?;
        self.lengths.file.write_all(&sequence.tokens.to_le_bytes())
    }

    fn settle(&mut self, sizes: &mut Sizes) -> io::Result<()> {
        if std::mem::take(&mut self.has_changed) {
            for Spooled { name, file } in [&mut self.ids, &mut self.lengths] {
                file.flush()?;
                file.get_ref().sync_data()?;
                sizes.insert(name.clone(), file.get_ref().metadata()?.len());
            }
        }
        Ok(())
    }
}

impl SequenceWriter for PerOrder {
    fn write(&mut self, sequence: &Sequence<'_>, _: Mark) -> io::Result<()> {
        let open = self.files.iter().position(|(order, _)| *order == sequence.order);
        match open {
            Some(at) => self.files[at].1.write(sequence),
            None => self.open_order(sequence.order)?.write(sequence),
        }
    }

    fn settle(&mut self, mark: Mark) -> io::Result<Option<Step>> {
        let mut files = Sizes::new();
        for (_, flat) in &mut self.files {
            flat.settle(&mut files)?;
        }
        Ok(Some(Step { mark, files }))
    }

    fn finish(mut self: Box<Self>) -> io::Result<Option<PackStats>> {
        for (_, flat) in &mut self.files {
            flat.settle(&mut Sizes::new())?;
        }
        for (order, _) in &self.files {
            self.write_sidecar(*order)?;
        }
        Ok(None)
    }
}

/// Writes out what is buffered and waits until the disk has it.
pub(super) fn close(file: BufWriter<File>) -> io::Result<()> {
    file.into_inner()?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: FlatFormat = FlatFormat {
        ids: "ids",
        sidecar: "lengths",
        write_sidecar: |lengths, _, sidecar| {
            for length in lengths.iter()? {
                write!(sidecar, "{} of {} ", length?, lengths.count()?)?;
            }
            Ok(())
        },
    };

    fn write(writer: &mut PerOrder, order: Order, ids: &[u8]) {
        let sequence = Sequence {
            row: 0,
            key: "k",
            order,
            tokens: ids.len() as u32 / 2,
            ids,
        };
        writer.write(&sequence, Mark::default()).unwrap();
    }

    #[test]
    fn a_writer_that_goes_on_ends_with_the_files_of_one_that_was_not_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let staged = folder.path();
        std::fs::create_dir(staged.join(FILES)).unwrap();
        let open = || PerOrder::open(staged, ENDS, IdWidth::Two).unwrap();
        let mut writer = open();
        write(&mut writer, Order::Text, &[1, 0]);
        write(&mut writer, Order::ImageText, &[2, 0, 3, 0]);
        let step = writer.settle(Mark::default()).unwrap().unwrap();
        let sizes = [
            ("files/image_text.ids", 4),
            ("files/text.ids", 2),
            ("image_text.lengths", 4),
            ("text.lengths", 4),
        ];
        assert_eq!(
            step.files,
            sizes.map(|(name, size)| (name.to_owned(), size)).into()
        );
        drop(writer);
        let mut writer = Box::new(open());
        write(&mut writer, Order::Text, &[4, 0, 5, 0]);
        let step = writer.settle(Mark::default()).unwrap().unwrap();
        assert_eq!(
            step.files.len(),
            2,
            "an order that has not changed is not told again"
        );
        writer.finish().unwrap();
        let read = |name: &str| std::fs::read(staged.join(FILES).join(name)).unwrap();
        assert_eq!(read("text.ids"), [1, 0, 4, 0, 5, 0]);
        assert_eq!(read("image_text.ids"), [2, 0, 3, 0]);
        assert_eq!(read("text.lengths"), b"1 of 2 2 of 2 ");
        assert_eq!(read("image_text.lengths"), b"2 of 1 ");
        assert!(!staged.join(FILES).join("text_image.ids").exists());
    }
}
