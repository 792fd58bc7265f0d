//! JPEG tables that the strips or tiles of a TIFF share, each said once.
//!
//! The decoder reads them anew for every strip, so that a megabyte of tables before a thousand strips takes minutes.
//! Of tables that replace each other only the last has an effect (ITU T.81, annex B.2.4): it is kept alone.

/// Bytes of tables that are left as they are: all that a baseline file can have, four times over.
pub(crate) const FEW: usize = 8192;

const DQT: u8 = 0xdb;
const DHT: u8 = 0xc4;
const DRI: u8 = 0xdd;

/// The same tables without those that are replaced by later ones, or nothing where they are no tables.
pub(crate) fn last_ones(tables: &[u8]) -> Option<Vec<u8>> {
    let mut kept: Vec<(u8, u8, &[u8])> = Vec::new();
    let mut rest = tables.strip_prefix(b"\xff\xd8")?;
    loop {
        let [0xff, marker, behind @ ..] = rest else {
            return None;
        };
        if *marker == 0xd9 {
            break;
        }
        let length = usize::from(u16::from_be_bytes(*behind.first_chunk()?));
        let (segment, next) = behind.split_at_checked(length)?;
        rest = next;
        let mut segment = segment.get(2..)?;
        while let Some(head) = segment.first() {
            let size = match *marker {
                DQT => 1 + (64 << (head >> 4 & 1)),
                DHT => {
                    let counts = segment.get(1..17)?;
                    17 + counts.iter().map(|count| usize::from(*count)).sum::<usize>()
                }
                _ => segment.len(),
            };
            let (table, next) = segment.split_at_checked(size)?;
            segment = next;
            let slot = match *marker {
                DQT => head & 15,
                DHT => *head,
                DRI => 0,
                // Comments and the like have no effect on the strips.
                _ => continue,
            };
            kept.retain(|(other, place, _)| (*other, *place) != (*marker, slot));
            kept.push((*marker, slot, table));
        }
    }
    let mut compact = b"\xff\xd8".to_vec();
    for (marker, _, table) in kept {
        compact.extend([0xff, marker]);
        compact.extend((table.len() as u16 + 2).to_be_bytes());
        compact.extend(table);
    }
    compact.extend(b"\xff\xd9");
    Some(compact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_table_of_a_slot_is_kept_and_all_others_go() {
        let huffman = |slot: u8, value: u8| {
            let mut table = vec![0xff, DHT, 0, 20, slot];
            table.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, value]);
            table
        };
        let comment = b"\xff\xfe\0\x04hi".to_vec();
        let tables =
            |parts: &[Vec<u8>]| [b"\xff\xd8".to_vec(), parts.concat(), b"\xff\xd9".to_vec()].concat();
        let many = tables(&[huffman(0, 1), comment, huffman(0x10, 2), huffman(0, 3)]);
        assert_eq!(last_ones(&many), Some(tables(&[huffman(0x10, 2), huffman(0, 3)])));
        assert_eq!(last_ones(&many[..many.len() - 3]), None);
    }
}
