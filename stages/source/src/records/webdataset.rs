//! WebDataset: the members of a tar that share a name up to the first dot of the file name are one sample.
//!
//! img2dataset writes `KEY.jpg` (`.png`, `.webp`), `KEY.txt` (the caption) and `KEY.json` (everything else).

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use img2tokens_schemas::FailureReason;

use super::archive::{Archive, ArchiveError, Member};
use super::{MAX_RECORD_BYTES, ReadRecords, Record};
use crate::SourceError;
use crate::draft::failure;

const IMAGE_EXTENSIONS: &[&str] = &[
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "img",
];

/// What a sample has as members of their own.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Its name: its members' path up to the first dot of the file name.
    pub(super) key: Option<String>,
    /// Its picture, the first if it has several.
    pub(super) image: Option<Bytes>,
    /// Its caption.
    pub(super) caption: Option<String>,
}

/// The samples of a tar.
pub(super) struct Samples<R> {
    input: Arc<str>,
    archive: Archive<R>,
    /// The first member of the next sample: its key, its extension, its header.
    ahead: Option<(String, String, Member)>,
    max_image_bytes: u64,
}

impl<R: Read> Samples<R> {
    pub(super) fn new(input: Arc<str>, reader: R, max_image_bytes: u64) -> Self {
        Self {
            input,
            archive: Archive::new(reader),
            ahead: None,
            max_image_bytes,
        }
    }

    /// The next member that belongs to a sample.
    fn next_named(&mut self) -> Result<Option<(String, String, Member)>, ArchiveError> {
        while let Some(member) = self.archive.next_member()? {
            if let Some((key, extension)) = key_and_extension(&member.name) {
                return Ok(Some((key, extension, member)));
            }
        }
        Ok(None)
    }

    fn next_sample(&mut self) -> Result<Option<Record>, ArchiveError> {
        let first = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.next_named()?,
        };
        let Some((key, extension, member)) = first else {
            return Ok(None);
        };
        let mut sample = Record::default();
        self.take_member(&mut sample, &extension, &member)?;
        while let Some((next_key, extension, member)) = self.next_named()? {
            if next_key != key {
                self.ahead = Some((next_key, extension, member));
                break;
            }
            self.take_member(&mut sample, &extension, &member)?;
        }
        sample.member.key = Some(key);
        Ok(Some(sample))
    }

    /// Puts a member where it belongs. One that cannot be used fails its sample, not the archive.
    fn take_member(
        &mut self,
        sample: &mut Record,
        extension: &str,
        member: &Member,
    ) -> Result<(), ArchiveError> {
        let is_image = IMAGE_EXTENSIONS.contains(&extension);
        let is_wanted = if is_image {
            sample.member.image.is_none()
        } else {
            matches!(extension, "txt" | "json")
        };
        if !is_wanted {
            return Ok(());
        }
        let most = if is_image {
            self.max_image_bytes
        } else {
            MAX_RECORD_BYTES as u64
        };
        let name = &member.name;
        let fault = if let Some(what) = member.unreadable {
            Some(failure(FailureReason::CorruptRow, format!("`{name}` is {what}")))
        } else if member.size > most {
            let detail = format!("`{name}` has {} bytes, at most {most} are allowed", member.size);
            Some(failure(FailureReason::TooLarge, detail))
        } else {
            let content = self.archive.content()?;
            sample.bytes += content.len();
            fill(sample, extension, content)
                .err()
                .map(|problem| failure(FailureReason::CorruptRow, format!("`{name}`: {problem}")))
        };
        sample.failure = sample.failure.take().or(fault);
        Ok(())
    }
}

impl<R: Read> ReadRecords for Samples<R> {
    fn next_record(&mut self) -> Result<Option<Record>, SourceError> {
        self.next_sample().map_err(|error| match error {
            ArchiveError::Io(error) => SourceError::from_io(&self.input, error),
            ArchiveError::Broken { offset, problem } => SourceError::Corrupt {
                input: self.input.to_string(),
                place: format!("byte {offset}"),
                problem,
            },
        })
    }
}

fn fill(sample: &mut Record, extension: &str, content: Vec<u8>) -> Result<(), String> {
    match extension {
        "txt" => sample.member.caption = Some(String::from_utf8(content).map_err(|error| error.to_string())?),
        "json" => sample.fields = serde_json::from_slice(&content).map_err(|error| error.to_string())?,
        _ => sample.member.image = Some(content.into()),
    }
    Ok(())
}

/// A member's sample and what it is of it; none for hidden files and those without an extension.
fn key_and_extension(path: &str) -> Option<(String, String)> {
    let path = path.trim_start_matches("./");
    let name_start = path.rfind('/').map_or(0, |slash| slash + 1);
    let (directory, name) = path.split_at(name_start);
    let (stem, extension) = name.split_once('.')?;
    (!stem.is_empty()).then(|| (format!("{directory}{stem}"), extension.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end_at_the_first_dot_of_the_file_name() {
        let split = |path| key_and_extension(path).map(|(key, extension)| format!("{key}|{extension}"));
        assert_eq!(split("000000012.jpg").as_deref(), Some("000000012|jpg"));
        assert_eq!(split("./v1.0/a.seg.PNG").as_deref(), Some("v1.0/a|seg.png"));
        assert_eq!(split("a/._b.jpg"), None);
        assert_eq!(split("a/.hidden"), None);
        assert_eq!(split("README"), None);
    }
}
