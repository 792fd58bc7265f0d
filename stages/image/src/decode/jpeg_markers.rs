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
    /// Of each of the first four components.
    pub(crate) parts: [Component; 4],
}

/// What the frame header states of a component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Component {
    id: u8,
    /// Its samples are as many as these times the least, across and down: 1 to 4.
    pub(crate) across: u8,
    pub(crate) down: u8,
}

impl Frame {
    pub(crate) const fn is_progressive(&self) -> bool {
        matches!(self.process, 0xc2 | 0xca)
    }

    pub(crate) const fn is_arithmetic(&self) -> bool {
        matches!(self.process, 0xc9 | 0xca)
    }

    /// The components that the file has.
    pub(crate) fn parts(&self) -> &[Component] {
        self.parts
            .get(..usize::from(self.components))
            .unwrap_or(&self.parts)
    }

    /// The most samples, across and down, that a component has for one that has least.
    pub(crate) fn most(&self) -> (u64, u64) {
        let most = |side: fn(&Component) -> u8| self.parts().iter().map(side).max().unwrap_or(1).max(1);
        (most(|part| part.across).into(), most(|part| part.down).into())
    }

    /// Units of all components, across and down, that cover the picture.
    fn units(&self) -> (u64, u64) {
        let (across, down) = self.most();
        let count = |side: u16, most: u64| u64::from(side).div_ceil(8 * most);
        (count(self.width, across), count(self.height, down))
    }

    /// Blocks of 8 x 8 samples of a component.
    pub(crate) fn blocks(&self, part: &Component) -> u64 {
        let (across, down) = self.units();
        across * u64::from(part.across) * down * u64::from(part.down)
    }

    /// Blocks of all components.
    pub(crate) fn all_blocks(&self) -> u64 {
        self.parts().iter().map(|part| self.blocks(part)).sum()
    }

    /// Pixels, with those that fill up the last units.
    pub(crate) fn padded_pixels(&self) -> u64 {
        let ((across, down), (wide, high)) = (self.units(), self.most());
        across * wide * 8 * down * high * 8
    }
}

/// What a walk over all markers finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Walked {
    pub(crate) frame: Option<Frame>,
    pub(crate) scans: u64,
    /// Blocks that the scans pass over, each as often as a scan does.
    pub(crate) visits: u64,
    /// Coefficients of these blocks.
    pub(crate) coefficients: u64,
    /// Bytes of comments and of what applications put into the file.
    pub(crate) metadata: u64,
    pub(crate) segments: u64,
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
const APP0: u8 = 0xe0;
const COM: u8 = 0xfe;

/// Walks `bytes`, which begin with a start-of-image marker, to the end-of-image marker.
pub(crate) fn walk(bytes: &[u8]) -> Result<(Frame, Walked), MarkerError> {
    let mut walked = Walked::default();
    walked.on(bytes)?;
    Ok((walked.frame.ok_or(MarkerError::NoFrame)?, walked))
}

/// Walks bytes that may be cut short, for decoders that take these too.
pub(crate) fn survey(bytes: &[u8]) -> Result<Walked, MarkerError> {
    let mut walked = Walked::default();
    match walked.on(bytes) {
        Ok(()) | Err(MarkerError::Truncated) => Ok(walked),
        Err(error) => Err(error),
    }
}

impl Walked {
    fn on(&mut self, bytes: &[u8]) -> Result<(), MarkerError> {
        let mut rest = bytes.get(2..).ok_or(MarkerError::Truncated)?;
        loop {
            let marker;
            (marker, rest) = next_marker(rest).ok_or(MarkerError::Truncated)?;
            self.segments += 1;
            match marker {
                EOI => return Ok(()),
                SOI | TEM | 0xd0..=0xd7 => {}
                0x02..=0xbf => return Err(MarkerError::Reserved(marker)),
                _ => {
                    let segment;
                    (segment, rest) = take_segment(rest).ok_or(MarkerError::Truncated)?;
                    match marker {
                        SOS => self.scan(segment).ok_or(MarkerError::NoFrame)?,
                        DHT | JPG | DAC => {}
                        0xc0..=0xcf if self.frame.is_some() => return Err(MarkerError::SecondFrame),
                        0xc0..=0xcf => {
                            let frame = parse_frame(marker, segment);
                            self.frame = Some(frame.ok_or(MarkerError::ShortFrame)?);
                        }
                        APP0..=COM => self.metadata += segment.len() as u64,
                        _ => {}
                    }
                }
            }
        }
    }

    /// Counts a scan: how many components, each with its number and tables, then the band of coefficients.
    fn scan(&mut self, segment: &[u8]) -> Option<()> {
        let frame = self.frame?;
        self.scans += 1;
        let count = usize::from(segment.first().copied().unwrap_or(0));
        let selectors = segment.get(1..).unwrap_or_default();
        let named = selectors.chunks(2).take(count).filter_map(<[u8]>::first);
        let part = |id: &u8| frame.parts().iter().find(|part| part.id == *id);
        let visits: u64 = named.filter_map(part).map(|part| frame.blocks(part)).sum();
        let band = match selectors.get(2 * count..) {
            Some([first, last, ..]) if first <= last => u64::from(last - first).min(63) + 1,
            _ => 64,
        };
        self.visits += visits;
        self.coefficients += visits * band;
        Some(())
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
    let mut parts = [Component::default(); 4];
    let stated = segment.get(6..).unwrap_or_default().chunks_exact(3);
    for (part, stated) in parts.iter_mut().zip(stated) {
        let [id, factors, _] = *stated else {
            return None;
        };
        *part = Component {
            id,
            across: (factors >> 4).clamp(1, 4),
            down: (factors & 15).clamp(1, 4),
        };
    }
    Some(Frame {
        width,
        height,
        precision,
        components,
        process,
        parts,
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
            parts: [
                Component {
                    id: 1,
                    across: 1,
                    down: 1,
                },
                Component::default(),
                Component::default(),
                Component::default(),
            ],
        };
        let walked = Walked {
            frame: Some(frame),
            scans: 1,
            visits: 1,
            coefficients: 64,
            metadata: 0,
            segments: 4,
        };
        assert_eq!(walk(&whole()), Ok((frame, walked)));
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
