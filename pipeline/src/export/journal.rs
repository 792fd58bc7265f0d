//! How far an export under way is, beside what it has written: a line says what is exported, and each further one up to
//! which sequence everything is in the files, and how long they are.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Exported;

/// A place in the stream of all sequences: what stands before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Whole units.
    pub(super) units: u64,
    /// Rows of the data file of the unit after them.
    pub(super) row: u64,
    /// Sequences, over all of that.
    pub(super) sequences: u64,
    /// Ids in them.
    pub(super) tokens: u64,
}

/// Files by name, relative to the staged folder, with their sizes in bytes.
pub(super) type Sizes = BTreeMap<String, u64>;

/// What was brought to the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    /// All sequences before it are in the files.
    pub(super) mark: Mark,
    /// Those that have changed since the last step.
    pub(super) files: Sizes,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Step(Step),
    /// All files are complete and about to get their names.
    Done(Exported),
}

/// What an earlier start has told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// How far it came.
    pub(super) mark: Mark,
    /// All files up to there.
    pub(super) files: Sizes,
    /// If it came to the end, what it exported.
    pub(super) done: Option<Exported>,
}

/// An open journal. What is added is on the disk when the call returns.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
}

impl Journal {
    /// A new one. `header` is the line that says what is exported.
    pub(super) fn create(path: &Path, header: &str) -> io::Result<Self> {
        let mut journal = Self {
            file: File::create_new(path)?,
        };
        journal.write_line(header)?;
        Ok(journal)
    }

    /// Goes on with the one at `path`; none if there is none or it is of another export. A line that was cut off, and
    /// what follows it, never happened.
    pub(super) fn resume(path: &Path, header: &str) -> io::Result<Option<(Self, Told)>> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => return Ok(None),
            _ => {}
        }
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut lines = BufReader::new(&file);
        let mut line = Vec::new();
        lines.read_until(b'\n', &mut line)?;
        if line.strip_suffix(b"\n") != Some(header.as_bytes()) {
            return Ok(None);
        }
        let mut told = Told::default();
        let mut whole = line.len() as u64;
        loop {
            line.clear();
            lines.read_until(b'\n', &mut line)?;
            match line.strip_suffix(b"\n").map(serde_json::from_slice) {
                // Only a name that an export gives: no way out of the staged folder.
                Some(Ok(Line::Step(step))) if !step.files.keys().all(|name| is_ours(name)) => {
                    return Ok(None);
                }
                Some(Ok(Line::Step(step))) => {
                    told.mark = step.mark;
                    told.files.extend(step.files);
                }
                Some(Ok(Line::Done(exported))) => told.done = Some(exported),
                Some(Err(_)) | None => break,
            }
            whole += line.len() as u64;
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Some((Self { file }, told)))
    }

    /// Adds what was brought to the disk.
    pub(super) fn step(&mut self, step: Step) -> io::Result<()> {
        self.write_line(&serde_json::to_string(&Line::Step(step))?)
    }

    /// Adds that all is there.
    pub(super) fn done(&mut self, exported: Exported) -> io::Result<()> {
        self.write_line(&serde_json::to_string(&Line::Done(exported))?)
    }

    fn write_line(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.file.sync_data()
    }
}

/// Whether it is the plain name of a file, in the staged folder or in that of the files to come.
fn is_ours(name: &str) -> bool {
    let leaf = name.strip_prefix("files/").unwrap_or(name);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    !leaf.starts_with('.') && !leaf.is_empty() && leaf.bytes().all(|byte| is_plain(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(units: u64, files: &[(&str, u64)]) -> Step {
        Step {
            mark: Mark {
                units,
                ..Mark::default()
            },
            files: files
                .iter()
                .map(|(name, size)| ((*name).to_owned(), *size))
                .collect(),
        }
    }

    #[test]
    fn it_tells_the_last_mark_and_the_last_size_of_every_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path, "{}").unwrap();
        journal.step(step(1, &[("a", 1), ("b", 7)])).unwrap();
        journal.step(step(2, &[("a", 3)])).unwrap();
        drop(journal);
        let (_, told) = Journal::resume(&path, "{}").unwrap().unwrap();
        assert_eq!(told.mark.units, 2);
        assert_eq!(told.files, step(0, &[("a", 3), ("b", 7)]).files);
        assert_eq!(told.done, None);
        assert!(Journal::resume(&path, "{1}").unwrap().is_none());
        assert!(
            Journal::resume(&folder.path().join("none"), "{}")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_line_that_was_cut_off_anywhere_never_happened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path, "{}").unwrap();
        journal.step(step(1, &[("a", 1)])).unwrap();
        let before = std::fs::read(&path).unwrap();
        journal.step(step(2, &[("a", 3)])).unwrap();
        let after = std::fs::read(&path).unwrap();
        for cut in before.len()..after.len() {
            std::fs::write(&path, &after[..cut]).unwrap();
            let (mut journal, told) = Journal::resume(&path, "{}").unwrap().unwrap();
            assert_eq!((told.mark.units, told.files["a"]), (1, 1), "{cut}");
            journal.step(step(2, &[("a", 3)])).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), after);
        }
    }
}
