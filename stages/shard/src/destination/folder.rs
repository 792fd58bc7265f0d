//! Folders of an output on a file system, held open: what lies in them is reached by the open folder, so that no link in
//! an output is followed, whoever puts one there and when. The root itself may be a link: the user named it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::name::OutputName;

/// Where a file or folder should be there is something else.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is a link, pipe, socket, device or folder where a regular file is due, or no folder where one is due; remove it"
)]
pub(crate) struct Irregular;

/// An open folder of an output.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// The folder that holds what `name` names; none if it is not there.
    pub(super) fn of(root: &Path, name: &OutputName) -> io::Result<Option<Self>> {
        let Some(mut folder) = Self::root(root)? else {
            return Ok(None);
        };
        for part in name.split().0 {
            match folder.inner(part)? {
                Some(inner) => folder = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(folder))
    }

    /// The same, made if it is not there.
    pub(super) fn make(root: &Path, name: &OutputName) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        let mut folder = Self::root(root)?.ok_or(io::ErrorKind::NotFound)?;
        for part in name.split().0 {
            match rustix::fs::mkdirat(&folder.0, part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = folder.inner(part)?.ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(folder)
    }

    fn root(root: &Path) -> io::Result<Option<Self>> {
        let root = if root.as_os_str().is_empty() {
            Path::new(".")
        } else {
            root
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if_there(rustix::fs::open(root, flags, Mode::empty()).map(Self))
    }

    /// A folder in this one; none if there is none.
    pub(super) fn inner(&self, name: &str) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Err(irregular()),
            opened => if_there(opened.map(Self)),
        }
    }

    /// What is known of a name in this folder, of a link and not of what it leads to; none if it is not there.
    pub(super) fn stat(&self, name: &str) -> io::Result<Option<Stat>> {
        if_there(rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Opens a regular file; none if there is none. It is looked at before it is opened, since to open a device may do
    /// something, and once more when it is open.
    pub(super) fn open(&self, name: &str, flags: OFlags) -> io::Result<Option<File>> {
        if self.stat(name)?.is_some_and(|stat| !is_regular(&stat)) {
            return Err(irregular());
        }
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666)) {
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => Err(irregular()),
            opened => {
                let file = if_there(opened)?.map(File::from);
                match file {
                    Some(file) if !file.metadata()?.is_file() => Err(irregular()),
                    file => Ok(file),
                }
            }
        }
    }

    /// The names in this folder. One that is not UTF-8 is none of ours.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            match entry?.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    /// Moves a regular file of this folder into another, over what may be there; `false` if there is none.
    pub(super) fn rename(&self, name: &str, to: &Self, new_name: &str) -> io::Result<bool> {
        if !self.stat(name)?.is_some_and(|stat| is_regular(&stat)) {
            return Ok(false);
        }
        Ok(if_there(rustix::fs::renameat(&self.0, name, &to.0, new_name))?.is_some())
    }

    /// Removes a name that is no folder.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        if_there(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())).map(|_| ())
    }

    /// Removes a folder in this one.
    pub(super) fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// A name is on the disk once its folder is.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }
}

pub(super) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, Irregular)
}

fn if_there<T>(result: rustix::io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn open(root: &Path, name: &str) -> io::Result<Option<File>> {
        let name = OutputName::of(name).unwrap();
        match Folder::of(root, &name)? {
            Some(folder) => folder.open(name.split().1, OFlags::RDONLY),
            None => Ok(None),
        }
    }

    #[test]
    fn only_regular_files_are_opened_and_no_link_below_the_root_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        std::fs::create_dir_all(real.join("data/folder")).unwrap();
        std::fs::write(real.join("data/file"), "text").unwrap();
        symlink(outside.path(), real.join("stats")).unwrap();
        symlink(outside.path().join("secret"), real.join("data/link")).unwrap();
        symlink("nowhere", real.join("data/dangling")).unwrap();
        symlink("/dev/zero", real.join("data/device")).unwrap();
        let pipe = real.join("data/pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(real.join("data/socket")).unwrap();
        let root = folder.path().join("root");
        symlink(&real, &root).unwrap();
        assert!(open(&root, "data/file").unwrap().is_some());
        assert!(open(&root, "data/none").unwrap().is_none());
        assert!(open(&root, "none/none").unwrap().is_none());
        for name in [
            "data/link",
            "data/dangling",
            "data/device",
            "data/pipe",
            "data/socket",
            "data/folder",
            "stats/secret",
            "data/file/x",
        ] {
            let error = open(&root, name).unwrap_err();
            assert!(
                error
                    .get_ref()
                    .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Irregular>),
                "{name}: {error}"
            );
        }
    }
}
