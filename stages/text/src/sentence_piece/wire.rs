//! Protobuf's wire format, as far as a model file needs it.

use super::ModelError;

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// An integer, a bool or an enum.
    Varint(u64),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
    /// A float's bits.
    Fixed32(u32),
    /// A double's bits: of no use here.
    Fixed64,
}

/// The fields of a message, in the order of the file: number and value.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), ModelError> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(len)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Value::Fixed32(
                    bytes
                        .iter()
                        .rev()
                        .fold(0, |bits, byte| bits << 8 | u32::from(*byte)),
                )
            }
            _ => return Err(ModelError::Wire("a field has an unknown wire type")),
        };
        Ok((tag >> 3, value))
    }

    fn varint(&mut self) -> Result<u64, ModelError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { break };
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ModelError::Wire("a number has no end"))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], ModelError> {
        let (taken, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len))
            .ok_or(ModelError::Wire("it ends amid a field"))?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), ModelError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_message_are_read_as_the_encoding_guide_writes_them() {
        // `08 96 01` is field 1 = 150, `12 07 74657374696e67` field 2 = "testing": the guide's own examples.
        let message = [
            0x08, 0x96, 0x01, 0x12, 7, b't', b'e', b's', b't', b'i', b'n', b'g', 0x1d, 0, 0, 0x80, 0x3f,
        ];
        let fields: Vec<_> = Fields::new(&message).map(Result::unwrap).collect();
        let one = 1.0_f32.to_bits();
        assert_eq!(
            fields,
            [
                (1, Value::Varint(150)),
                (2, Value::Bytes(b"testing")),
                (3, Value::Fixed32(one))
            ]
        );
    }

    #[test]
    fn a_message_that_ends_amid_a_field_is_refused_once() {
        for broken in [
            &[0x12, 7, b't'][..],
            &[0x08],
            &[0xff; 11],
            &[0x0b],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ] {
            let fields: Vec<_> = Fields::new(broken).collect();
            assert!(
                matches!(fields.as_slice(), [Err(ModelError::Wire(_))]),
                "{fields:?}"
            );
        }
    }
}
