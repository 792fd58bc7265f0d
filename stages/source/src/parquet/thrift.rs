//! What must be known of Parquet's headers before its library takes memory by them: thrift's compact protocol, read from a
//! slice.
//!
//! The library sizes vectors and recursions by a schema's counts of children, and a buffer by a page's stated size.

use std::ops::ControlFlow;

/// How deep structs and lists may be nested.
const MAX_NESTING: u8 = 64;
/// How deep columns may be nested: the library's schema is built by recursion.
const MAX_SCHEMA_DEPTH: usize = 64;
/// The most elements of a schema, and the most row groups.
const MAX_ITEMS: usize = 1 << 17;

const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Bytes that are read from their front. Every verb gives none where they end early or are no thrift.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

/// What page header `bytes` states for the size of its page when unpacked; none if they do not hold a header.
pub(super) fn stated_page_bytes(bytes: &[u8]) -> Option<i64> {
    let mut size = None;
    let mut reader = Reader { rest: bytes };
    reader.fields(MAX_NESTING, |reader, id, kind| {
        if (id, kind) != (2, I32) {
            return ControlFlow::Continue(());
        }
        size = reader.signed();
        ControlFlow::Break(size.is_some())
    })?;
    size
}

/// Why a footer's counts cannot be believed, if they cannot.
pub(super) fn check_footer(bytes: &[u8]) -> Result<(), &'static str> {
    let mut problem = None;
    let mut reader = Reader { rest: bytes };
    let walked = reader.fields(MAX_NESTING, |reader, id, kind| match (id, kind) {
        (2, LIST) => match reader.schema() {
            Some(Ok(())) => ControlFlow::Break(true),
            Some(Err(why)) => {
                problem = Some(why);
                ControlFlow::Break(false)
            }
            None => ControlFlow::Break(false),
        },
        (4, LIST) => {
            let groups = Reader { rest: reader.rest }.list();
            if groups.is_some_and(|(_, groups)| groups > MAX_ITEMS) {
                problem = Some("it has more than 131072 row groups");
                return ControlFlow::Break(false);
            }
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    });
    match (walked, problem) {
        (_, Some(why)) => Err(why),
        (None, None) => Err("its footer is no thrift"),
        (Some(()), None) => Ok(()),
    }
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        i64::try_from(value >> 1)
            .ok()
            .map(|half| half ^ -i64::from(value & 1 == 1))
    }

    fn pass(&mut self, length: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(length).ok()?..)?;
        Some(())
    }

    /// The type of a list's items and their number, which fits into what is left.
    fn list(&mut self) -> Option<(u8, usize)> {
        let header = self.byte()?;
        let length = match header >> 4 {
            15 => usize::try_from(self.unsigned()?).ok()?,
            short => usize::from(short),
        };
        (length <= self.rest.len()).then_some((header & 0x0f, length))
    }

    /// The fields of a struct, to its end: `take` says whether it has read a field (and could), or leaves it to be passed.
    fn fields(
        &mut self,
        nesting: u8,
        mut take: impl FnMut(&mut Self, i64, u8) -> ControlFlow<bool>,
    ) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let header = self.byte()?;
            let kind = header & 0x0f;
            if kind == 0 {
                return Some(());
            }
            id = match header >> 4 {
                0 => self.signed()?,
                delta => id + i64::from(delta),
            };
            match take(self, id, kind) {
                ControlFlow::Continue(()) => self.skip(kind, nesting, false)?,
                ControlFlow::Break(true) => {}
                ControlFlow::Break(false) => return None,
            }
        }
    }

    fn skip(&mut self, kind: u8, nesting: u8, is_item: bool) -> Option<()> {
        let deeper = nesting.checked_sub(1)?;
        match kind {
            // A field's truth stands in its header.
            1 | 2 => is_item
                .then(|| self.byte())
                .map_or(Some(()), |byte| byte.map(drop)),
            3 => self.pass(1),
            4..=6 => self.unsigned().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.unsigned()?;
                self.pass(length)
            }
            LIST | 10 => {
                let (item, length) = self.list()?;
                (0..length).try_for_each(|_| self.skip(item, deeper, true))
            }
            11 => {
                let length = usize::try_from(self.unsigned()?).ok()?;
                if length == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..length).try_for_each(|_| {
                    self.skip(kinds >> 4, deeper, true)?;
                    self.skip(kinds & 0x0f, deeper, true)
                })
            }
            STRUCT => self.fields(deeper, |_, _, _| ControlFlow::Continue(())),
            13 => self.pass(16),
            _ => None,
        }
    }

    /// Walks a schema, a list of elements of which each names how many that follow are its children.
    fn schema(&mut self) -> Option<Result<(), &'static str>> {
        let (kind, length) = self.list()?;
        if length > MAX_ITEMS {
            return Some(Err("its schema has more than 131072 elements"));
        }
        if kind != STRUCT {
            return None;
        }
        // How many children each open group waits for.
        let mut open: Vec<usize> = Vec::new();
        for element in 0..length {
            let mut children = 0;
            self.fields(MAX_NESTING, |reader, id, kind| {
                if (id, kind) != (5, I32) {
                    return ControlFlow::Continue(());
                }
                let stated = reader.signed();
                children = stated.unwrap_or_default();
                ControlFlow::Break(stated.is_some())
            })?;
            let left = length - element - 1;
            let Some(children) = usize::try_from(children)
                .ok()
                .filter(|children| *children <= left)
            else {
                return Some(Err("its schema states more children than it has elements"));
            };
            if let Some(waiting) = open.last_mut() {
                *waiting -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            if open.len() > MAX_SCHEMA_DEPTH {
                return Some(Err("its columns are nested more than 64 deep"));
            }
            while open.last() == Some(&0) {
                open.pop();
            }
        }
        Some(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer whose schema has elements with these numbers of children.
    fn footer(children: &[u8]) -> Vec<u8> {
        // Field 1, version; field 2, a list of structs whose length follows.
        let mut bytes = vec![0x15, 0x02, 0x19, 0xfc, u8::try_from(children.len()).expect("few")];
        for children in children {
            // Field 5 of each: its number of children, zigzag.
            bytes.extend([0x55, children * 2, 0x00]);
        }
        bytes.push(0x00);
        bytes
    }

    #[test]
    fn a_page_header_states_its_size_wherever_the_field_stands() {
        // Type, unpacked size 300, packed size.
        assert_eq!(
            stated_page_bytes(&[0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x02, 0x00]),
            Some(300)
        );
        // A double and a nested struct before it; field numbers in full.
        let odd = [
            0x97, 0, 0, 0, 0, 0, 0, 0, 0, 0x1c, 0x11, 0x00, 0x05, 0x04, 0xd8, 0x04, 0x00,
        ];
        assert_eq!(stated_page_bytes(&odd), Some(300));
        for end in 0..7 {
            let cut = &[0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x02, 0x00][..end];
            assert_eq!(stated_page_bytes(cut), None, "{end}");
        }
    }

    #[test]
    fn schemas_that_state_more_than_they_have_or_nest_too_deep_are_refused() {
        assert_eq!(check_footer(&footer(&[2, 0, 1, 0])), Ok(()));
        assert!(check_footer(&footer(&[2, 0])).is_err());
        assert!(check_footer(&footer(&[63, 0, 0])).is_err());
        let nested: Vec<u8> = std::iter::repeat_n(1, 64).chain([0]).collect();
        assert_eq!(check_footer(&footer(&nested)), Ok(()));
        let deeper: Vec<u8> = std::iter::repeat_n(1, 65).chain([0]).collect();
        assert!(check_footer(&footer(&deeper)).is_err());
    }

    #[test]
    fn nesting_of_what_is_passed_over_is_bounded() {
        // Lists within lists.
        let mut bytes = vec![0x19];
        bytes.extend([0x19; 100_000]);
        assert!(check_footer(&bytes).is_err());
    }
}
