//! WebDataset samples into a tar under Zstandard.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use tar::{Archive, Builder, Header};

use super::ImageSample;
use super::name::sample_name;

/// What is stored is compressed already; only captions and headers shrink.
const LEVEL: i32 = 1;

/// Writes samples. The same samples give the same bytes: headers hold no clock and no user.
pub struct ImageArchive<W: Write> {
    tar: Builder<zstd::Encoder<'static, W>>,
}

impl<W: Write> ImageArchive<W> {
    /// An empty archive.
    ///
    /// # Errors
    /// If the compressor cannot be set up.
    pub fn new(file: W) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self {
            tar: Builder::new(encoder),
        })
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, sample: &ImageSample<'_>) -> io::Result<()> {
        let name = sample_name(sample.key);
        let fields = serde_json::to_vec(&sample.fields())?;
        let extension = sample.image.extension;
        self.member(&format!("{name}.{extension}"), sample.image.bytes)?;
        self.member(&format!("{name}.txt"), sample.image.caption.as_bytes())?;
        self.member(&format!("{name}.json"), &fields)
    }

    /// Adds the samples of another archive in their order, but for those of these names.
    pub(super) fn copy_without(&mut self, archive: impl Read, left_out: &HashSet<String>) -> io::Result<()> {
        let mut archive = Archive::new(zstd::Decoder::new(archive)?);
        for member in archive.entries()? {
            let mut member = member?;
            let name = member.path()?.to_string_lossy().into_owned();
            let sample = name.split('.').next().unwrap_or_default();
            if !left_out.contains(sample) {
                let mut content = Vec::new();
                member.read_to_end(&mut content)?;
                self.member(&name, &content)?;
            }
        }
        Ok(())
    }

    fn member(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.tar.append_data(&mut header, name, content)
    }

    /// Writes the end mark and gives the file back.
    ///
    /// # Errors
    /// If the end cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.tar.into_inner()?.finish()
    }
}
