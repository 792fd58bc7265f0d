//! Ids as bytes.

/// How an id is stored, little endian. No id is negative, so that four bytes are its `i32` and its `u32` alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdWidth {
    Two,
    Four,
}

impl IdWidth {
    /// The size of an id in bytes.
    pub(super) const fn bytes(self) -> u64 {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Adds the bytes of `ids` to `bytes`. Two bytes need a vocabulary of at most 2^16 ids.
    ///
    /// # Errors
    /// The first id that is not below `vocabulary_size`.
    pub(super) fn encode(self, ids: &[i32], vocabulary_size: u32, bytes: &mut Vec<u8>) -> Result<(), i32> {
        let is_known = |id: i32| u32::try_from(id).is_ok_and(|id| id < vocabulary_size);
        if let Some(unknown) = ids.iter().find(|id| !is_known(**id)) {
            return Err(*unknown);
        }
        match self {
            Self::Two => bytes.extend(ids.iter().flat_map(|id| (*id as u16).to_le_bytes())),
            Self::Four => bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_little_endian_in_either_width() {
        let mut bytes = Vec::new();
        IdWidth::Two.encode(&[1, 48_385], 48_386, &mut bytes).unwrap();
        IdWidth::Four.encode(&[70_000], 70_001, &mut bytes).unwrap();
        assert_eq!(bytes, [0x01, 0x00, 0x01, 0xbd, 0x70, 0x11, 0x01, 0x00]);
    }

    #[test]
    fn an_id_outside_the_vocabulary_is_told() {
        let mut bytes = Vec::new();
        assert_eq!(IdWidth::Two.encode(&[0, 48_386], 48_386, &mut bytes), Err(48_386));
        assert_eq!(IdWidth::Four.encode(&[5, -1], 70_000, &mut bytes), Err(-1));
    }
}
