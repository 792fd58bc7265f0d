//! The boxes of an AVIF, as far as their parser makes more of them than their bytes.
//!
//! A property is copied for every item it belongs to, a list of samples of one size takes nine bytes whatever its length,
//! the extents of an item may name the same bytes again and again, and items are looked for in lists of others: all of
//! that is counted here, before it is parsed (ISO/IEC 14496-12, 23008-12).

/// What the boxes of a file make their parser do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Boxes {
    /// Boxes of all kinds.
    pub(crate) count: u64,
    /// Bytes of properties, each as often as it belongs to an item.
    pub(crate) property_bytes: u64,
    /// Properties, each as often as it belongs to an item.
    pub(crate) associations: u64,
    /// Bytes of the lists of items, of where they lie and of how they refer to each other.
    pub(crate) list_bytes: u64,
    /// References from item to item.
    pub(crate) references: u64,
    /// The most samples that a list states.
    pub(crate) samples: u64,
    /// Bytes of all extents of items that have more than one.
    pub(crate) extent_bytes: u64,
    property_sizes: Vec<u64>,
}

/// Boxes inside boxes inside boxes, at most.
const MAX_DEPTH: usize = 8;

impl Boxes {
    pub(crate) fn read(file: &[u8]) -> Self {
        let mut boxes = Self::default();
        boxes.walk(file, file.len() as u64, 0);
        boxes
    }

    fn walk(&mut self, mut rest: &[u8], file_length: u64, depth: usize) {
        while let Some((kind, data, next)) = split(rest) {
            self.count += 1;
            rest = next;
            match kind {
                // These have a version and flags before their boxes.
                b"meta" if depth < MAX_DEPTH => {
                    self.walk(data.get(4..).unwrap_or_default(), file_length, depth + 1);
                }
                b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"iprp" if depth < MAX_DEPTH => {
                    self.walk(data, file_length, depth + 1);
                }
                b"ipco" => {
                    let mut properties = data;
                    while let Some((_, data, next)) = split(properties) {
                        self.count += 1;
                        self.property_sizes.push(data.len() as u64);
                        properties = next;
                    }
                }
                b"ipma" => {
                    self.list_bytes += data.len() as u64;
                    let _end = self.associate(data);
                }
                b"iref" => {
                    self.list_bytes += data.len() as u64;
                    self.references += data.len() as u64 / 2;
                }
                b"iloc" => {
                    self.list_bytes += data.len() as u64;
                    let _end = self.locate(data, file_length);
                }
                b"iinf" | b"stts" | b"stsc" | b"stco" | b"co64" => self.list_bytes += data.len() as u64,
                b"stsz" => {
                    self.list_bytes += data.len() as u64;
                    let count = data.get(8..).and_then(<[u8]>::first_chunk);
                    let count = count.map_or(0, |count| u32::from_be_bytes(*count));
                    self.samples = self.samples.max(count.into());
                }
                _ => {}
            }
        }
    }

    /// Which properties belong to which items.
    fn associate(&mut self, data: &[u8]) -> Option<()> {
        let mut fields = Fields(data);
        let version = fields.number(1)?;
        let wide = fields.number(3)? & 1 == 1;
        for _ in 0..fields.number(4)? {
            fields.number(if version == 0 { 2 } else { 4 })?;
            for _ in 0..fields.number(1)? {
                let index = if wide {
                    fields.number(2)? & 0x7fff
                } else {
                    fields.number(1)? & 0x7f
                };
                let size = (index as usize)
                    .checked_sub(1)
                    .and_then(|index| self.property_sizes.get(index));
                self.associations += 1;
                self.property_bytes += size.copied().unwrap_or(0);
            }
        }
        Some(())
    }

    /// Where items lie. A length of 0 is what is left of the file.
    fn locate(&mut self, data: &[u8], file_length: u64) -> Option<()> {
        let mut fields = Fields(data);
        let version = fields.number(1)?;
        fields.number(3)?;
        let sizes = fields.number(2)?;
        let size = |shift: u32| usize::try_from(sizes >> shift & 15).unwrap_or(0);
        let (offset, length, base) = (size(12), size(8), size(4));
        let index = if version == 0 { 0 } else { size(0) };
        for _ in 0..fields.number(if version < 2 { 2 } else { 4 })? {
            fields.number(if version < 2 { 2 } else { 4 })?;
            if version > 0 {
                fields.number(2)?;
            }
            fields.number(2 + base)?;
            let extents = fields.number(2)?;
            for _ in 0..extents {
                fields.number(index + offset)?;
                let stated = fields.number(length)?;
                if extents > 1 {
                    let bytes = if stated == 0 { file_length } else { stated };
                    self.extent_bytes = self.extent_bytes.saturating_add(bytes);
                }
            }
        }
        Some(())
    }
}

/// The first box: its kind, its data, and what follows it. What is cut short is taken as far as it goes.
fn split(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (length, data) = match u32::from_be_bytes(*length) {
        0 => (bytes.len(), rest),
        1 => {
            let (length, data) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
            (length.checked_sub(8)?, data)
        }
        length => (length as usize, rest),
    };
    let (data, next) = data
        .split_at_checked(length.checked_sub(8)?)
        .unwrap_or((data, &[]));
    Some((kind, data, next))
}

/// Big-endian numbers one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// A number of this many bytes, of which those beyond eight fall off.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (field, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(
            field
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32 + 8).to_be_bytes()[..], kind, data].concat()
    }

    #[test]
    fn properties_count_as_often_as_they_belong_to_an_item() {
        let properties = [boxed(b"colr", &[0; 100]), boxed(b"ispe", &[0; 12])].concat();
        // Version and flags, two items: the first has both properties, the second the first.
        let items = [0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 2, 1, 0x82, 0, 2, 1, 1];
        let iprp = [boxed(b"ipco", &properties), boxed(b"ipma", &items)].concat();
        let meta = [vec![0; 4], boxed(b"iprp", &iprp)].concat();
        let boxes = Boxes::read(&boxed(b"meta", &meta));
        assert_eq!(
            (boxes.associations, boxes.property_bytes, boxes.count),
            (3, 212, 6)
        );
    }

    #[test]
    fn extents_and_samples_are_counted_whatever_the_file_has() {
        // Offsets and lengths of four bytes, one item of three extents, the last to the end of the file.
        let mut iloc = vec![0, 0, 0, 0, 0x44, 0, 0, 1, 0, 1, 0, 0, 0, 3];
        for length in [1000_u32, 2000, 0] {
            iloc.extend([0; 4]);
            iloc.extend(length.to_be_bytes());
        }
        let stsz = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0xff, 0, 0];
        let file = [
            boxed(b"meta", &[vec![0; 4], boxed(b"iloc", &iloc)].concat()),
            boxed(b"moov", &boxed(b"trak", &boxed(b"stsz", &stsz))),
        ]
        .concat();
        let boxes = Boxes::read(&file);
        assert_eq!(boxes.extent_bytes, 3000 + file.len() as u64);
        assert_eq!(boxes.samples, 0xff_0000);
    }
}
