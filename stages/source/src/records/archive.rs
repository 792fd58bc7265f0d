//! A tar as a stream of members, with a bound on everything that a header can ask for.
//!
//! Headers are parsed by the `tar` crate; its archive reader is not used because it reads long names and PAX records
//! whole, however long they say they are.

use std::io::{self, Read};

use tar::{EntryType, Header};

const BLOCK_BYTES: u64 = 512;
/// The longest member name, and the most that PAX records may take.
const MAX_EXTENSION_BYTES: u64 = 64 << 10;
/// How many extension headers may come before one member.
const MAX_EXTENSIONS: usize = 8;

/// A member's header.
#[derive(Debug)]
pub(super) struct Member {
    /// Its path.
    pub(super) name: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// What it is if it is no plain file: a link, a device, a sparse file.
    pub(super) unreadable: Option<&'static str>,
}

/// What is wrong with an archive, and where in it (in bytes, decompressed).
#[derive(Debug)]
pub(super) enum ArchiveError {
    Io(io::Error),
    Broken { offset: u64, problem: String },
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads members one after the other.
pub(super) struct Archive<R> {
    reader: R,
    offset: u64,
    /// Where the next header begins.
    next_header: u64,
    /// Where the content of the current member ends.
    content_end: u64,
    /// The end was seen: whatever follows is none of the archive.
    ended: bool,
}

/// What extension headers say of the member that follows.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            offset: 0,
            next_header: 0,
            content_end: 0,
            ended: false,
        }
    }

    /// The next member that is no directory, or none at the end. What was not read of the one before is passed
    /// over.
    pub(super) fn next_member(&mut self) -> Result<Option<Member>, ArchiveError> {
        let mut extensions = Extensions::default();
        let mut seen = 0;
        while let Some(header) = self.header()? {
            let size = header
                .entry_size()
                .map_err(|error| self.broken(&error.to_string()))?;
            let kind = header.entry_type();
            let is_extension = kind.is_gnu_longname() || kind.is_gnu_longlink() || is_pax(kind);
            let size = if is_extension {
                size
            } else {
                extensions.size.unwrap_or(size)
            };
            self.begin_content(size)?;
            if is_extension {
                seen += 1;
                if seen > MAX_EXTENSIONS {
                    return Err(self.broken("too many extension headers before one member"));
                }
                self.extend(&mut extensions, kind, size)?;
                continue;
            }
            if kind.is_gnu_sparse() {
                return Err(self.broken("sparse members are not supported"));
            }
            if !kind.is_dir() {
                return Ok(Some(member(&header, extensions, size)));
            }
            (extensions, seen) = (Extensions::default(), 0);
        }
        Ok(None)
    }

    /// The content of the current member.
    pub(super) fn content(&mut self) -> Result<Vec<u8>, ArchiveError> {
        let length = self.content_end.saturating_sub(self.offset);
        let mut content = Vec::new();
        let read = self.reader.by_ref().take(length).read_to_end(&mut content)? as u64;
        self.offset += read;
        match read == length {
            true => Ok(content),
            false => Err(self.broken("it ends within a member")),
        }
    }

    /// The next header; none at the end: a block of zeros, or no more bytes, as a writer leaves it that was killed between
    /// two members.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        let distance = self.next_header.saturating_sub(self.offset);
        let passed = io::copy(&mut self.reader.by_ref().take(distance), &mut io::sink())?;
        self.offset += passed;
        if passed < distance {
            return Err(self.broken("it ends within a member"));
        }
        let mut block = [0; BLOCK_BYTES as usize];
        let mut read = 0;
        while let Some(rest) = block.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) if read == 0 => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(0) => return Err(self.broken("it ends within a header")),
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.offset += BLOCK_BYTES;
        if block.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        match header.cksum() {
            Ok(stated) if stated == checksum(&block) => Ok(Some(header)),
            _ => Err(self.broken("no tar header, or its checksum is wrong")),
        }
    }

    fn begin_content(&mut self, size: u64) -> Result<(), ArchiveError> {
        let ends = self
            .offset
            .checked_add(size)
            .zip(size.checked_next_multiple_of(BLOCK_BYTES));
        let next = ends.and_then(|(end, padded)| Some((end, self.offset.checked_add(padded)?)));
        let Some((content_end, next_header)) = next else {
            return Err(self.broken("a member's size is out of range"));
        };
        (self.content_end, self.next_header) = (content_end, next_header);
        Ok(())
    }

    fn extend(
        &mut self,
        extensions: &mut Extensions,
        kind: EntryType,
        size: u64,
    ) -> Result<(), ArchiveError> {
        if kind.is_gnu_longlink() || kind.is_pax_global_extensions() {
            return Ok(());
        }
        if size > MAX_EXTENSION_BYTES {
            return Err(self.broken("an extension header is longer than 64 KiB"));
        }
        let mut content = self.content()?;
        if kind.is_gnu_longname() {
            content.truncate(
                content
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(content.len()),
            );
            extensions.name = Some(content);
            return Ok(());
        }
        for record in tar::PaxExtensions::new(&content) {
            let record = record.map_err(|error| self.broken(&error.to_string()))?;
            match record.key_bytes() {
                b"path" => extensions.name = Some(record.value_bytes().to_vec()),
                b"size" => {
                    let size = record.value().ok().and_then(|size| size.parse().ok());
                    extensions.size = Some(size.ok_or_else(|| self.broken("a member's size is no number"))?);
                }
                key if key.starts_with(b"GNU.sparse") => extensions.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn broken(&self, problem: &str) -> ArchiveError {
        ArchiveError::Broken {
            offset: self.offset,
            problem: problem.to_owned(),
        }
    }
}

fn is_pax(kind: EntryType) -> bool {
    kind.is_pax_local_extensions() || kind.is_pax_global_extensions()
}

fn member(header: &Header, extensions: Extensions, size: u64) -> Member {
    let name = extensions
        .name
        .unwrap_or_else(|| header.path_bytes().into_owned());
    let kind = header.entry_type();
    let unreadable = match kind {
        _ if extensions.sparse => Some("a sparse file"),
        EntryType::Regular | EntryType::Continuous => None,
        EntryType::Link | EntryType::Symlink => Some("a link"),
        _ => Some("no plain file"),
    };
    Member {
        name: String::from_utf8_lossy(&name).into_owned(),
        size,
        unreadable,
    }
}

/// The sum of a header's bytes, its checksum field counted as blanks.
fn checksum(block: &[u8]) -> u32 {
    block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum()
}
