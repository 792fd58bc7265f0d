//! Compressed files as streams, within bounds.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::Compression;

const BUFFER_BYTES: usize = 64 << 10;
/// The largest window of a Zstandard frame that is made room for, as a power of two: 128 MiB, its library's own bound.
const MAX_WINDOW_LOG: u32 = 27;
/// How many times its size a file may unpack to. Tables and pictures reach a few dozen.
const MAX_RATIO: u64 = 1_024;
/// What may be unpacked from any file.
const FREE_BYTES: u64 = 64 << 20;

/// What `raw` holds, unpacked. It ends with an error where a file unpacks to more than anything worth reading does: as
/// many rows would fail as a few bytes can repeat.
pub(crate) fn unpack(
    raw: impl Read + Send + 'static,
    compression: Option<Compression>,
) -> io::Result<Box<dyn Read + Send>> {
    let Some(compression) = compression else {
        // Tar headers are small.
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, raw)));
    };
    let packed = Arc::new(AtomicU64::new(0));
    let raw = Counted {
        reader: raw,
        bytes: Arc::clone(&packed),
    };
    let reader: Box<dyn Read + Send> = match compression {
        Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, raw))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::new(raw)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok(Box::new(Bounded {
        reader,
        packed,
        bytes: 0,
    }))
}

/// Counts what is read.
struct Counted<R> {
    reader: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Ends where too much comes of too little.
struct Bounded {
    reader: Box<dyn Read + Send>,
    packed: Arc<AtomicU64>,
    bytes: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes += read as u64;
        let packed = self.packed.load(Ordering::Relaxed);
        if self.bytes > FREE_BYTES.max(packed.saturating_mul(MAX_RATIO)) {
            return Err(io::Error::other(format!(
                "it unpacks to more than {MAX_RATIO} times its size, {} bytes from {packed}",
                self.bytes
            )));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of `bytes` zeros, `frames` of them.
    fn zeros(bytes: usize, frames: usize) -> Vec<u8> {
        zstd::encode_all(vec![0; bytes].as_slice(), 3)
            .expect("packs")
            .repeat(frames)
    }

    fn unpacked(packed: Vec<u8>) -> io::Result<u64> {
        let mut reader = unpack(io::Cursor::new(packed), Some(Compression::Zstd))?;
        io::copy(&mut reader, &mut io::sink())
    }

    #[test]
    fn a_file_that_unpacks_to_a_thousand_times_its_size_ends_soon() {
        assert_eq!(unpacked(zeros(32 << 20, 1)).expect("little enough"), 32 << 20);
        let error = unpacked(zeros(32 << 20, 8)).expect_err("too much");
        assert!(error.to_string().contains("1024 times its size"), "{error}");
    }

    #[test]
    fn a_window_of_gigabytes_is_refused_before_it_is_made_room_for() {
        // Magic number, a descriptor without checksum or size, a window of 2^31 bytes, an empty last block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
        assert!(unpacked(frame.to_vec()).is_err());
        let small = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3, 0x01, 0x00, 0x00];
        assert_eq!(unpacked(small.to_vec()).expect("a window of a mebibyte"), 0);
    }
}
