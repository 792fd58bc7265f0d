//! What a TIFF's strips and tiles may cost: its directory can name the same bytes from any number of them.

use std::io::Cursor;
use std::ops::Range;

use tiff::TiffError;
use tiff::decoder::{ChunkType, Decoder};
use tiff::tags::{CompressionMethod, Tag};

use super::jpeg_markers;

/// The sides of a tile are multiples of this (TIFF 6.0, section 15).
const TILE_UNIT: u32 = 16;
/// Samples of a pixel, and so planes, that have strips or tiles of their own.
const MAX_PLANES: u64 = 8;

/// Why the strips or tiles are not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChunkError {
    #[error("the strips or tiles cannot be found")]
    Tags(#[from] TiffError),
    #[error("{found} strips or tiles for {width} x {height} pixels")]
    TooMany { found: usize, width: u32, height: u32 },
    #[error("a JPEG in a strip or tile is broken")]
    Jpeg(#[from] jpeg_markers::MarkerError),
    #[error("the strips or tiles are longer than the file together")]
    Overlap,
    #[error("a strip or tile outside the file")]
    Outside,
    #[error("a JPEG of {width} x {height} pixels in a strip or tile of {chunk_width} x {chunk_height}")]
    LargeJpeg {
        width: u16,
        height: u16,
        chunk_width: u32,
        chunk_height: u32,
    },
}

/// Where the strips or tiles of the first page lie in the file, once it is sure that reading all of them costs no more
/// than a file and an image of these sizes should.
///
/// # Errors
/// [`ChunkError`]
pub(crate) fn admitted(
    bytes: &[u8],
    reader: &mut Decoder<Cursor<&[u8]>>,
) -> Result<Vec<Range<usize>>, ChunkError> {
    let (width, height) = reader.dimensions()?;
    let (offsets, lengths, most) = match reader.get_chunk_type() {
        ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts, u64::from(height)),
        ChunkType::Tile => {
            let across = u64::from(width.div_ceil(TILE_UNIT));
            let down = u64::from(height.div_ceil(TILE_UNIT));
            (Tag::TileOffsets, Tag::TileByteCounts, across * down)
        }
    };
    let offsets = reader.get_tag_u64_vec(offsets)?;
    if offsets.len() as u64 > most * MAX_PLANES {
        let found = offsets.len();
        return Err(ChunkError::TooMany { found, width, height });
    }
    let lengths = reader.get_tag_u64_vec(lengths)?;
    let together = lengths
        .iter()
        .try_fold(0, |sum: u64, length| sum.checked_add(*length));
    if together.is_none_or(|together| together > bytes.len() as u64) {
        return Err(ChunkError::Overlap);
    }
    let chunk = |(offset, length): (&u64, &u64)| {
        let (start, end) = (*offset, offset.checked_add(*length)?);
        (end <= bytes.len() as u64).then_some(start as usize..end as usize)
    };
    let chunks: Option<Vec<_>> = offsets.iter().zip(&lengths).map(chunk).collect();
    let chunks = chunks.ok_or(ChunkError::Outside)?;
    let compression = reader.find_tag_unsigned::<u16>(Tag::Compression)?;
    if compression == Some(CompressionMethod::ModernJPEG.to_u16()) {
        let (chunk_width, chunk_height) = reader.chunk_dimensions();
        for chunk in &chunks {
            let Some(frame) = jpeg_markers::survey(bytes.get(chunk.clone()).unwrap_or_default())?.frame
            else {
                continue;
            };
            if u32::from(frame.width) > chunk_width || u32::from(frame.height) > chunk_height {
                return Err(ChunkError::LargeJpeg {
                    width: frame.width,
                    height: frame.height,
                    chunk_width,
                    chunk_height,
                });
            }
        }
    }
    Ok(chunks)
}
