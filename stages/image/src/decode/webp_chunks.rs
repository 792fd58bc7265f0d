//! The chunks of a WebP: which streams its first frame is made of.

/// The streams that the first frame is decoded from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Streams<'a> {
    pub(crate) lossy: Option<&'a [u8]>,
    pub(crate) lossless: Option<&'a [u8]>,
    pub(crate) alpha: Option<&'a [u8]>,
    /// They are those of the first frame of an animation.
    pub(crate) animated: bool,
    /// The sides that the frame states, in an animation.
    pub(crate) frame: Option<(u32, u32)>,
    /// Chunks in the file.
    pub(crate) chunks: u64,
}

/// Bytes of a frame's header, before its chunks.
const FRAME_HEADER: usize = 16;
/// Bytes of RIFF's header.
const FILE_HEADER: usize = 12;
/// The bit of an extended header's flags that says animation.
const ANIMATION: u8 = 2;

impl<'a> Streams<'a> {
    /// Finds them in a whole file, as the decoder does: the first chunk of a kind counts.
    pub(crate) fn find(bytes: &'a [u8]) -> Option<Self> {
        let mut streams = Self::default();
        let mut frame = None;
        for (kind, data) in Chunks(bytes.get(FILE_HEADER..)?) {
            streams.chunks += 1;
            match kind {
                b"VP8X" if streams.chunks == 1 => {
                    streams.animated = data.first().is_some_and(|flags| flags & ANIMATION != 0);
                }
                b"ANMF" => frame = frame.or(Some(data)),
                _ => streams.keep(kind, data),
            }
        }
        if streams.animated {
            let frame = frame?;
            let side = |place: usize| {
                let [low, middle, high] = *frame.get(place..)?.first_chunk()?;
                Some(u32::from_le_bytes([low, middle, high, 0]) + 1)
            };
            streams = Self {
                animated: true,
                frame: Some((side(6)?, side(9)?)),
                chunks: streams.chunks,
                ..Self::default()
            };
            for (kind, data) in Chunks(frame.get(FRAME_HEADER..)?).take(2) {
                // What follows alpha is taken for a lossy stream whatever it is called.
                let kind = if streams.alpha.is_some() { b"VP8 " } else { kind };
                streams.keep(kind, data);
                if streams.alpha.is_none() {
                    break;
                }
            }
        } else if streams.lossless.is_some() {
            (streams.lossy, streams.alpha) = (None, None);
        }
        Some(streams)
    }

    fn keep(&mut self, kind: &[u8; 4], data: &'a [u8]) {
        let slot = match kind {
            b"VP8 " => &mut self.lossy,
            b"VP8L" => &mut self.lossless,
            b"ALPH" => &mut self.alpha,
            _ => return,
        };
        *slot = slot.or(Some(data));
    }

    /// The sides in the lossy stream's own header, for which the decoder allocates whatever the file states elsewhere.
    pub(crate) fn lossy_sides(&self) -> Option<(u32, u32)> {
        let [w0, w1, h0, h1] = *self.lossy?.get(6..)?.first_chunk()?;
        let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3fff);
        Some((side([w0, w1]), side([h0, h1])))
    }

    /// The sides in the lossless stream's own header.
    pub(crate) fn lossless_sides(&self) -> Option<(u32, u32)> {
        let word = u32::from_le_bytes(*self.lossless?.get(1..)?.first_chunk()?);
        Some(((word & 0x3fff) + 1, (word >> 14 & 0x3fff) + 1))
    }
}

/// Chunks one after the other: four letters, a length, data, a byte to make it even. The last may be cut short.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.0.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        self.0 = rest.get(length.next_multiple_of(2)..).unwrap_or_default();
        Some((kind, rest.get(..length).unwrap_or(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let padding = if data.len() % 2 == 1 { &b"\0"[..] } else { b"" };
        [kind, &(data.len() as u32).to_le_bytes()[..], data, padding].concat()
    }

    #[test]
    fn the_first_frame_of_an_animation_is_looked_for_inside_it() {
        let frame = [
            &b"\0\0\0\0\0\0\x04\0\0\x02\0\0\0\0\0\0"[..],
            &chunk(b"ALPH", b"abc"),
            &chunk(b"odd ", b"lossy"),
        ]
        .concat();
        let file = [
            &b"RIFF\0\0\0\0WEBP"[..],
            &chunk(b"VP8X", &[ANIMATION, 0, 0, 0]),
            &chunk(b"VP8L", b"elsewhere"),
            &chunk(b"ANMF", &frame),
            &chunk(b"ANMF", b""),
        ]
        .concat();
        let streams = Streams::find(&file).unwrap();
        let expected = Streams {
            lossy: Some(b"lossy"),
            lossless: None,
            alpha: Some(b"abc"),
            animated: true,
            frame: Some((5, 3)),
            chunks: 4,
        };
        assert_eq!(streams, expected);
    }
}
