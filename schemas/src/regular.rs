//! Files that a user or a model names: regular ones only, and no more of them than fits.
//!
//! A device has no end and a pipe may never have a beginning, so neither is opened. Links are followed.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Opens a regular file.
///
/// # Errors
/// If it is no regular file, or cannot be opened.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Before it is opened: opening a pipe waits for its writer.
    expect_regular(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

/// The bytes of a regular file of at most `most` bytes.
///
/// # Errors
/// If it is no regular file, cannot be read, or is longer: [`ErrorKind::FileTooLarge`], before anything is read.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let size = file.metadata()?.len();
    let too_large = || {
        io::Error::new(
            ErrorKind::FileTooLarge,
            format!("the file is longer than {most} bytes"),
        )
    };
    if size > most {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // Some files state no size, and one may grow.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_large());
    }
    Ok(bytes)
}

/// The same of a file of text.
///
/// # Errors
/// As [`read_regular`], and if it is not UTF-8.
pub fn read_regular_text(path: &Path, most: u64) -> io::Result<String> {
    let bytes = read_regular(path, most)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

fn expect_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let (kind, what) = if metadata.is_dir() {
        (ErrorKind::IsADirectory, "a folder")
    } else {
        (ErrorKind::InvalidInput, "a device, a pipe or a socket")
    };
    Err(io::Error::new(kind, format!("it is {what}, not a regular file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_pipes_sockets_and_folders_are_refused_unopened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [Path::new("/dev/zero"), &pipe, &link, &socket, folder.path()] {
            let error = read_regular(path, u64::MAX).unwrap_err();
            assert!(error.to_string().contains("not a regular file"), "{error}");
        }
        assert_eq!(
            read_regular(&folder.path().join("none"), 1).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }

    #[test]
    fn a_file_is_read_to_the_bound_and_not_past_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read_regular_text(&path, 4).unwrap(), "text");
        assert_eq!(
            read_regular(&path, 3).unwrap_err().kind(),
            ErrorKind::FileTooLarge
        );
        // Files of the kernel state no size.
        assert_eq!(
            read_regular(Path::new("/proc/self/status"), 16)
                .unwrap_err()
                .kind(),
            ErrorKind::FileTooLarge
        );
        // A sparse file of 20 GiB takes no memory.
        File::create(&path).unwrap().set_len(20 << 30).unwrap();
        assert_eq!(
            read_regular(&path, 1 << 20).unwrap_err().kind(),
            ErrorKind::FileTooLarge
        );
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(
            read_regular_text(&path, 4).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }
}
