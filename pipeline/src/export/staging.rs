//! The destination: written under a hidden name beside it, and there whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::journal::{Journal, Mark, Sizes, Step, Told};
use super::{ExportError, Exported};

/// Within the staged folder, the one that is to become the destination.
pub(super) const FILES: &str = "files";
/// Beside it, the journal. What else lies there is of use only while the export is under way.
const JOURNAL: &str = "journal";

/// A folder under way, `.NAME.export` beside the destination NAME. If it is dropped or its process killed before it is
/// published, the next start goes on from its last step.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
    staged: PathBuf,
    journal: Journal,
    start: Mark,
    /// Whether there is something to go on from.
    is_worth_keeping: bool,
    /// A lock on the staged folder, so that two exports do not write into it at once.
    _lock: File,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Begun {
    /// All, or what is left of it.
    UnderWay(Staging),
    /// Nothing: an earlier start came to its end, and was killed before it could say so.
    Done(Exported),
}

impl Staging {
    /// Begins a folder that is to become `folder`, or goes on with what an earlier start has left, if `header` is its
    /// header, too: a line that says what is exported. What is left of anything else is removed.
    ///
    /// # Errors
    /// If `folder` holds anything, another process is writing it, or the file system refuses.
    pub(super) fn begin(folder: &Path, header: &str) -> Result<Begun, ExportError> {
        let write = |error| ExportError::write(folder)(error);
        let occupied = ExportError::Occupied {
            folder: folder.to_owned(),
        };
        let folder = &std::path::absolute(folder).map_err(write)?;
        let staged = staged_name(folder).map_err(write)?;
        let is_occupied = is_occupied(folder).map_err(write)?;
        if is_occupied && !staged.exists() {
            return Err(occupied);
        }
        fs::create_dir_all(&staged).map_err(write)?;
        if !is_folder(&staged) {
            let linked =
                io::Error::other("the hidden folder beside it is a link, which is not followed; remove it");
            return Err(ExportError::write(&staged)(linked));
        }
        let lock = lock(&staged, folder)?;
        let left = Journal::resume(&staged.join(JOURNAL), header).map_err(write)?;
        if is_occupied {
            return match left.and_then(|(_, told)| told.done) {
                Some(exported) if !staged.join(FILES).exists() => {
                    fs::remove_dir_all(&staged).map_err(write)?;
                    Ok(Begun::Done(exported))
                }
                _ => Err(occupied),
            };
        }
        let mut resumed = None;
        if let Some((journal, told)) = left
            && restore(&staged, &told.files).map_err(write)?
        {
            resumed = Some((journal, told));
        }
        let (journal, told) = match resumed {
            Some(resumed) => resumed,
            None => (begin_anew(&staged, header).map_err(write)?, Told::default()),
        };
        Ok(Begun::UnderWay(Self {
            folder: folder.clone(),
            staged,
            journal,
            start: told.mark,
            is_worth_keeping: told != Told::default(),
            _lock: lock,
        }))
    }

    /// Where to go on.
    pub(super) const fn start(&self) -> Mark {
        self.start
    }

    /// Where to write: into [`FILES`] what the destination will hold.
    pub(super) fn path(&self) -> &Path {
        &self.staged
    }

    /// The name that it will have.
    pub(super) fn destination(&self) -> &Path {
        &self.folder
    }

    /// Takes down what is on the disk by now.
    pub(super) fn record(&mut self, step: Step) -> Result<(), ExportError> {
        self.journal
            .step(step)
            .map_err(ExportError::write(&self.folder))?;
        self.is_worth_keeping = true;
        Ok(())
    }

    /// Removes everything.
    pub(super) fn discard(mut self) {
        self.is_worth_keeping = false;
    }

    /// Gives the folder its name, at one stroke.
    pub(super) fn publish(mut self, exported: Exported) -> Result<(), ExportError> {
        let files = self.staged.join(FILES);
        let mut rename = || {
            File::open(&files)?.sync_all()?;
            self.journal.done(exported)?;
            fs::rename(&files, &self.folder)?;
            sync_folder_of(&self.folder)
        };
        rename().map_err(ExportError::write(&self.folder))?;
        self.discard();
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_worth_keeping {
            let _ = fs::remove_dir_all(&self.staged);
        }
    }
}

/// Opens a file of the staged folder at its end. Where there is none it is made, and its name is on the disk when this
/// returns.
pub(super) fn open_at_end(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if is_new {
        sync_folder_of(path)?;
    }
    Ok(file)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn lock(staged: &Path, folder: &Path) -> Result<File, ExportError> {
    let lock = File::open(staged).map_err(ExportError::write(folder))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(ExportError::Busy {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(ExportError::write(folder)(error)),
    }
}

/// Brings the folder to where it was when these were its files; `false` if that cannot be, since some of them are gone.
fn restore(staged: &Path, sizes: &Sizes) -> io::Result<bool> {
    let is_there = |(name, size): (&String, &u64)| {
        fs::symlink_metadata(staged.join(name)).is_ok_and(|found| found.is_file() && found.len() >= *size)
    };
    if !is_folder(&staged.join(FILES)) || !sizes.iter().all(is_there) {
        return Ok(false);
    }
    for prefix in [String::new(), format!("{FILES}/")] {
        for entry in fs::read_dir(staged.join(&prefix))? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let is_folder_of_files = name == FILES;
            if !is_folder_of_files && !entry.file_type()?.is_file() {
                // A link or folder is none of ours; to begin anew removes it without following it.
                return Ok(false);
            }
            match sizes.get(&name) {
                Some(size) => OpenOptions::new()
                    .write(true)
                    .open(entry.path())?
                    .set_len(*size)?,
                None if name == FILES || name == JOURNAL => {}
                None => fs::remove_file(entry.path())?,
            }
        }
    }
    Ok(true)
}

/// Whether it is a folder itself, and no link to one.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn begin_anew(staged: &Path, header: &str) -> io::Result<Journal> {
    for entry in fs::read_dir(staged)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::create_dir(staged.join(FILES))?;
    let journal = Journal::create(&staged.join(JOURNAL), header)?;
    File::open(staged)?.sync_all()?;
    Ok(journal)
}

fn staged_name(folder: &Path) -> io::Result<PathBuf> {
    let name = folder
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no name"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".export");
    Ok(folder.with_file_name(hidden))
}

fn is_occupied(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn begin(folder: &Path) -> Staging {
        match Staging::begin(folder, "{}").unwrap() {
            Begun::UnderWay(staging) => staging,
            Begun::Done(exported) => panic!("{exported:?}"),
        }
    }

    fn add(staging: &Staging, name: &str, text: &str) {
        let mut file = open_at_end(&staging.path().join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

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

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn nothing_has_the_final_name_until_it_is_published() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        let staging = begin(&folder);
        add(&staging, "files/file", "text");
        add(&staging, "spool", "of no use later");
        assert!(!folder.exists());
        staging.publish(Exported::default()).unwrap();
        assert_eq!(fs::read(folder.join("file")).unwrap(), b"text");
        assert_eq!((count(&folder), count(&root.path().join("a"))), (1, 1));
    }

    #[test]
    fn an_attempt_without_a_step_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        drop(begin(&root.path().join("b")));
        assert_eq!(count(root.path()), 0);
    }

    #[test]
    fn the_next_attempt_goes_on_from_the_last_step() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("b");
        let mut staging = begin(&folder);
        add(&staging, "files/file", "text");
        add(&staging, "spool", "12");
        staging
            .record(step(3, &[("files/file", 4), ("spool", 2)]))
            .unwrap();
        add(&staging, "files/file", " and half a row");
        add(&staging, "files/other", "half");
        add(&staging, "rest", "half");
        drop(staging);
        let staging = begin(&folder);
        assert_eq!(staging.start().units, 3);
        add(&staging, "files/file", "s");
        assert_eq!(count(staging.path()), 3, "files, journal and spool");
        staging.publish(Exported::default()).unwrap();
        assert_eq!(fs::read(folder.join("file")).unwrap(), b"texts");
        assert_eq!((count(&folder), count(root.path())), (1, 1));
    }

    #[test]
    fn what_is_left_of_another_export_or_lacks_a_file_is_begun_anew() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("b");
        let leave = || {
            let mut staging = begin(&folder);
            add(&staging, "files/file", "text");
            staging.record(step(3, &[("files/file", 4)])).unwrap();
            staging.path().to_owned()
        };
        let staged = leave();
        assert!(matches!(
            Staging::begin(&folder, "{\"other\":1}").unwrap(),
            Begun::UnderWay(staging) if staging.start() == Mark::default() && count(&staging.path().join(FILES)) == 0
        ));
        leave();
        fs::write(staged.join("files/file"), "tex").unwrap();
        assert_eq!(begin(&folder).start(), Mark::default());
        fs::create_dir_all(staged.join("folder")).unwrap();
        fs::write(staged.join("half"), "text").unwrap();
        begin(&folder).publish(Exported::default()).unwrap();
        assert_eq!((count(&folder), count(root.path())), (0, 1));
    }

    #[test]
    fn one_that_was_killed_while_it_cleared_up_is_done() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("b");
        let exported = Exported {
            sequences: 7,
            ..Exported::default()
        };
        let mut staging = begin(&folder);
        add(&staging, "files/file", "text");
        staging.journal.done(exported).unwrap();
        staging.is_worth_keeping = true;
        let staged = staging.path().to_owned();
        drop(staging);
        fs::rename(staged.join(FILES), &folder).unwrap();
        assert!(matches!(
            Staging::begin(&folder, "{\"other\":1}"),
            Err(ExportError::Occupied { .. })
        ));
        let begun = Staging::begin(&folder, "{}").unwrap();
        assert!(matches!(begun, Begun::Done(found) if found == exported));
        assert!(!staged.exists() && folder.join("file").exists());
    }

    #[test]
    fn two_attempts_at_once_and_full_folders_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("b");
        let first = begin(&folder);
        assert!(matches!(
            Staging::begin(&folder, "{}"),
            Err(ExportError::Busy { .. })
        ));
        first.publish(Exported::default()).unwrap();
        fs::write(folder.join("file"), "text").unwrap();
        assert!(matches!(
            Staging::begin(&folder, "{}"),
            Err(ExportError::Occupied { .. })
        ));
    }
}
