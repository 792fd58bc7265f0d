//! A walk over a JPEG's markers: what the frame is, and whether the file is whole.
//!
//! Pillow feeds libjpeg until it has seen the end-of-image marker, and calls the file truncated if the bytes run out
//! before; damage inside a scan, on the other hand, it lets pass. Decoders that take all bytes at once know nothing of
//! the difference, so it is found here (ITU T.81, annex B).

use memchr::memchr;

/// What the frame header states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Bits a sample.
    pub(crate) precision: u8,
    pub(crate) components: u8,
    /// The second byte of its marker, 0xC0 to 0xCF: which of JPEG's processes it is.
    pub(crate) process: u8,
}

/// Why a file is no whole JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MarkerError {
    #[error("the file ends before its end-of-image marker")]
    Truncated,
    #[error("a scan comes before any frame header")]
    NoFrame,
    #[error("more than one frame header")]
    SecondFrame,
    #[error("the frame header is too short")]
    ShortFrame,
    #[error("reserved marker 0xff{0:02x}")]
    Reserved(u8),
}

const TEM: u8 = 0x01;
const DHT: u8 = 0xc4;
const JPG: u8 = 0xc8;
const DAC: u8 = 0xcc;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// Walks `bytes`, which begin with a start-of-image marker, to the end-of-image marker.
pub(crate) fn walk(bytes: &[u8]) -> Result<Frame, MarkerError> {
    walk_on(bytes, |_| false)
}

/// The first frame header of `bytes`, if there is one before anything that cannot be.
pub(crate) fn first_frame(bytes: &[u8]) -> Option<Frame> {
    walk_on(bytes, |_| true).ok()
}

/// Walks to the end, or to a frame that is `enough`.
fn walk_on(bytes: &[u8], enough: impl Fn(Frame) -> bool) -> Result<Frame, MarkerError> {
    let mut frame = None;
    let mut rest = bytes.get(2..).ok_or(MarkerError::Truncated)?;
    loop {
        let marker;
        (marker, rest) = next_marker(rest).ok_or(MarkerError::Truncated)?;
        match marker {
            EOI => return frame.ok_or(MarkerError::NoFrame),
            SOI | TEM | 0xd0..=0xd7 => {}
            0x02..=0xbf => return Err(MarkerError::Reserved(marker)),
            _ => {
                let segment;
                (segment, rest) = take_segment(rest).ok_or(MarkerError::Truncated)?;
                match marker {
                    SOS if frame.is_none() => return Err(MarkerError::NoFrame),
                    DHT | JPG | DAC => {}
                    0xc0..=0xcf if frame.is_some() => return Err(MarkerError::SecondFrame),
                    0xc0..=0xcf => {
                        let found = parse_frame(marker, segment).ok_or(MarkerError::ShortFrame)?;
                        if enough(found) {
                            return Ok(found);
                        }
                        frame = Some(found);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The next marker's second byte and what follows it. Bytes before it (a scan's data, junk) are skipped: a marker is
/// 0xff and a byte that is neither 0x00 (a stuffed byte of a scan) nor 0xff (fill).
fn next_marker(mut bytes: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        let place = memchr(0xff, bytes)?;
        bytes = bytes.get(place + 1..)?;
        match bytes {
            [0x00 | 0xff, ..] => {}
            [marker, rest @ ..] => return Some((*marker, rest)),
            [] => return None,
        }
    }
}

fn take_segment(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    let (segment, rest) = bytes.split_at_checked(length.max(2))?;
    Some((segment.get(2..)?, rest))
}

fn parse_frame(process: u8, segment: &[u8]) -> Option<Frame> {
    let [precision, h1, h0, w1, w0, components, ..] = *segment else {
        return None;
    };
    let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
    Some(Frame {
        width,
        height,
        precision,
        components,
        process,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &[u8] = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x02\x00\x03\x01\x01\x11\x00";
    const SCAN: &[u8] = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x12\xff\x00\x34\xff\xd0\x56";

    fn whole() -> Vec<u8> {
        [FRAME, SCAN, b"\xff\xff\xd9"].concat()
    }

    #[test]
    fn the_frame_of_a_whole_file_is_read() {
        let frame = Frame {
            width: 3,
            height: 2,
            precision: 8,
            components: 1,
            process: 0xc0,
        };
        assert_eq!(walk(&whole()), Ok(frame));
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated() {
        let whole = whole();
        for end in 2..whole.len() {
            assert_eq!(walk(&whole[..end]), Err(MarkerError::Truncated), "cut at {end}");
        }
    }

    #[test]
    fn an_end_marker_inside_a_segment_does_not_count() {
        let bytes = [FRAME, b"\xff\xe1\x00\x06\xff\xd9\xff\xd9", SCAN].concat();
        assert_eq!(walk(&bytes), Err(MarkerError::Truncated));
    }

    #[test]
    fn what_libjpeg_takes_for_broken_is_broken() {
        assert_eq!(
            walk(&[FRAME, b"\xff\x02"].concat()),
            Err(MarkerError::Reserved(2))
        );
        assert_eq!(
            walk(&[FRAME, &FRAME[2..]].concat()),
            Err(MarkerError::SecondFrame)
        );
        assert_eq!(walk(&[b"\xff\xd8", SCAN].concat()), Err(MarkerError::NoFrame));
    }
}
