//! A pickle machine that executes nothing (Python's `pickletools` describes the opcodes; `torch.save` writes protocol
//! 2). Objects live on a heap and refer to each other by index, so a hostile pickle can neither build a structure that
//! overflows the stack when walked or dropped, nor more of it than its own length pays for.

use std::collections::HashMap;

/// A value on the machine's stack: small, and copied freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    /// A class or function, by its module and name. It is never looked up.
    Global(&'a str, &'a str),
    /// A tuple or list: its place in [`Heap::sequences`].
    Sequence(usize),
    /// A dictionary: its place in [`Heap::dictionaries`].
    Dictionary(usize),
    /// What a persistent id stands for, here the value of the id itself: its place in [`Heap::persistent`].
    Persistent(usize),
    /// What calling something with a tuple of arguments would give: its place in [`Heap::calls`].
    Call(usize),
    /// A value of no interest (a float, bytes).
    Opaque,
}

/// A pickle's result and all it refers to.
#[derive(Debug, Default)]
pub(super) struct Heap<'a> {
    pub sequences: Vec<Vec<Value<'a>>>,
    pub dictionaries: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub persistent: Vec<Value<'a>>,
    pub calls: Vec<(Value<'a>, Value<'a>)>,
    pub result: Option<Value<'a>>,
}

/// Why a pickle cannot be read, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// It ends too early.
    #[error("the pickle ends at byte {0}, within an instruction or before its end")]
    Truncated(usize),
    /// An instruction that files of weights do not have.
    #[error("instruction {opcode:#04x} at byte {at} is not one that files of weights have")]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Where it stands.
        at: usize,
    },
    /// An instruction finds something else on the stack, or in the memo, than it needs.
    #[error("the instruction at byte {0} does not fit what stands before it")]
    Operand(usize),
    /// Text that is not UTF-8, or a number that is none.
    #[error("the text or number at byte {0} is none")]
    Literal(usize),
}

/// Runs a pickle.
pub(super) fn load(bytes: &[u8]) -> Result<Heap<'_>, PickleError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        heap: Heap::default(),
    };
    while machine.heap.result.is_none() {
        machine.step()?;
    }
    Ok(machine.heap)
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// The stack's heights at each MARK.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    heap: Heap<'a>,
}

impl<'a> Machine<'a> {
    fn step(&mut self) -> Result<(), PickleError> {
        let at = self.at;
        let [opcode] = self.array::<1>()?;
        match opcode {
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'K' | b'M' | b'J' | 0x8a => self.integer(opcode)?,
            b'G' => {
                self.array::<8>()?;
                self.stack.push(Value::Opaque);
            }
            b'X' | b'U' | b'T' | 0x8c | b'B' | b'C' => self.text(opcode)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Global(module, name));
            }
            b'(' => self.marks.push(self.stack.len()),
            b')' | b']' => self.push_sequence(Vec::new()),
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84), at)?;
                self.push_sequence(items);
            }
            b't' | b'l' => {
                let items = self.pop_to_mark(at)?;
                self.push_sequence(items);
            }
            b'}' => {
                self.stack.push(Value::Dictionary(self.heap.dictionaries.len()));
                self.heap.dictionaries.push(Vec::new());
            }
            b'a' | b'e' | b's' | b'u' => self.extend(opcode, at)?,
            b'q' | b'r' | b'h' | b'j' => self.memo(opcode, at)?,
            b'Q' => {
                let id = self.pop(at)?;
                self.stack.push(Value::Persistent(self.heap.persistent.len()));
                self.heap.persistent.push(id);
            }
            b'R' | 0x81 => self.call(at)?,
            // BUILD sets an object's state: that of a dictionary of weights is metadata.
            b'b' | b'0' => drop(self.pop(at)?),
            0x80 => drop(self.array::<1>()?),
            b'.' => self.heap.result = Some(self.pop(at)?),
            opcode => return Err(PickleError::Opcode { opcode, at }),
        }
        Ok(())
    }

    /// Integers: one byte, two bytes, four bytes signed, or a length and as many bytes.
    fn integer(&mut self, opcode: u8) -> Result<(), PickleError> {
        let at = self.at;
        let value = match opcode {
            b'K' => i64::from(self.array::<1>()?[0]),
            b'M' => i64::from(u16::from_le_bytes(self.array()?)),
            b'J' => i64::from(i32::from_le_bytes(self.array()?)),
            _ => {
                let [length] = self.array::<1>()?;
                let digits = self.take(usize::from(length))?;
                if digits.len() > 8 {
                    return Err(PickleError::Literal(at));
                }
                let negative = digits.last().is_some_and(|high| high & 0x80 != 0);
                let start: i64 = if negative { -1 } else { 0 };
                digits
                    .iter()
                    .rev()
                    .fold(start, |value, digit| value << 8 | i64::from(*digit))
            }
        };
        self.stack.push(Value::Int(value));
        Ok(())
    }

    /// Text, or bytes (which are of no interest), after their length of one or four bytes.
    fn text(&mut self, opcode: u8) -> Result<(), PickleError> {
        let at = self.at;
        let length = match opcode {
            b'X' | b'T' | b'B' => u32::from_le_bytes(self.array()?) as usize,
            _ => usize::from(self.array::<1>()?[0]),
        };
        let bytes = self.take(length)?;
        let value = match opcode {
            b'X' | 0x8c => Value::Text(std::str::from_utf8(bytes).map_err(|_| PickleError::Literal(at))?),
            _ => Value::Opaque,
        };
        self.stack.push(value);
        Ok(())
    }

    /// APPEND, APPENDS, SETITEM, SETITEMS: what stands on top goes into what stands below.
    fn extend(&mut self, opcode: u8, at: usize) -> Result<(), PickleError> {
        let items = match opcode {
            b'a' => self.pop_many(1, at)?,
            b's' => self.pop_many(2, at)?,
            _ => self.pop_to_mark(at)?,
        };
        match (opcode, self.stack.last()) {
            (b'a' | b'e', Some(Value::Sequence(place))) => {
                self.heap
                    .sequences
                    .get_mut(*place)
                    .ok_or(PickleError::Operand(at))?
                    .extend(items);
            }
            (b's' | b'u', Some(Value::Dictionary(place))) => {
                let (pairs, []) = items.as_chunks::<2>() else {
                    return Err(PickleError::Operand(at));
                };
                let dictionary = self
                    .heap
                    .dictionaries
                    .get_mut(*place)
                    .ok_or(PickleError::Operand(at))?;
                dictionary.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            // An object that is not a dictionary and takes items all the same: of no interest.
            (_, Some(Value::Call(_) | Value::Opaque)) => {}
            _ => return Err(PickleError::Operand(at)),
        }
        Ok(())
    }

    /// BINPUT, LONG_BINPUT, BINGET, LONG_BINGET.
    fn memo(&mut self, opcode: u8, at: usize) -> Result<(), PickleError> {
        let place = match opcode {
            b'q' | b'h' => u32::from(self.array::<1>()?[0]),
            _ => u32::from_le_bytes(self.array()?),
        };
        if matches!(opcode, b'q' | b'r') {
            let top = self.stack.last().ok_or(PickleError::Operand(at))?;
            self.memo.insert(place, *top);
        } else {
            self.stack
                .push(*self.memo.get(&place).ok_or(PickleError::Operand(at))?);
        }
        Ok(())
    }

    /// REDUCE, NEWOBJ: noted, not done. An empty `OrderedDict` is the one object that is made, as it then is filled.
    fn call(&mut self, at: usize) -> Result<(), PickleError> {
        let (arguments, callee) = (self.pop(at)?, self.pop(at)?);
        if callee == Value::Global("collections", "OrderedDict") {
            self.stack.push(Value::Dictionary(self.heap.dictionaries.len()));
            self.heap.dictionaries.push(Vec::new());
        } else {
            self.stack.push(Value::Call(self.heap.calls.len()));
            self.heap.calls.push((callee, arguments));
        }
        Ok(())
    }

    fn push_sequence(&mut self, items: Vec<Value<'a>>) {
        self.stack.push(Value::Sequence(self.heap.sequences.len()));
        self.heap.sequences.push(items);
    }

    fn pop(&mut self, at: usize) -> Result<Value<'a>, PickleError> {
        self.stack.pop().ok_or(PickleError::Operand(at))
    }

    fn pop_many(&mut self, count: usize, at: usize) -> Result<Vec<Value<'a>>, PickleError> {
        let rest = self
            .stack
            .len()
            .checked_sub(count)
            .ok_or(PickleError::Operand(at))?;
        Ok(self.stack.split_off(rest))
    }

    fn pop_to_mark(&mut self, at: usize) -> Result<Vec<Value<'a>>, PickleError> {
        let mark = self
            .marks
            .pop()
            .filter(|mark| *mark <= self.stack.len())
            .ok_or(PickleError::Operand(at))?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let end = self
            .at
            .checked_add(length)
            .ok_or(PickleError::Truncated(self.at))?;
        let taken = self
            .bytes
            .get(self.at..end)
            .ok_or(PickleError::Truncated(self.bytes.len()))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], PickleError> {
        self.take(SIZE)?
            .try_into()
            .map_err(|_| PickleError::Truncated(self.at))
    }

    /// Text up to a line's end.
    fn line(&mut self) -> Result<&'a str, PickleError> {
        let (at, rest) = (self.at, self.bytes.get(self.at..).unwrap_or_default());
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or(PickleError::Truncated(self.bytes.len()))?;
        let line = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| PickleError::Literal(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_of_every_length_are_read() {
        // pickle.dumps((1, 300, -2, 2**40, -(2**40)), 2)
        let pickle =
            b"\x80\x02(K\x01M,\x01J\xfe\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x06\x00\x00\x00\x00\x00\xfftq\x00.";
        let expected = [1, 300, -2, 1 << 40, -(1 << 40)].map(Value::Int);
        assert_eq!(load(pickle).unwrap().sequences[0], expected);
    }

    #[test]
    fn an_instruction_of_no_use_here_is_named() {
        // `i` is INST: it makes an object of a class.
        assert_eq!(
            load(b"\x80\x02(ios\nsystem\n.").err(),
            Some(PickleError::Opcode { opcode: b'i', at: 3 })
        );
    }

    #[test]
    fn a_call_is_noted_and_not_made() {
        let heap = load(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.").unwrap();
        assert_eq!(heap.calls, [(Value::Global("os", "system"), Value::Sequence(0))]);
        assert_eq!(heap.sequences, [[Value::Text("true")]]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(load(&bytes));
        }

        #[test]
        fn no_sequence_of_known_instructions_makes_it_panic(
            opcodes in proptest::collection::vec(proptest::sample::select(&b"NKM()]tl}aesuqhQRb0.\x85\x86\x87\x88"[..]), 0..300)
        ) {
            drop(load(&opcodes));
        }
    }
}
