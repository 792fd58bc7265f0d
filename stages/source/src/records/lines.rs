//! A stream of bytes cut into records: lines, or lines whose quoted fields may hold line breaks.
//!
//! What a record is depends on the bytes alone, never on how they arrive, so that counting and reading agree.

use std::io::{self, ErrorKind, Read};

use super::MAX_RECORD_BYTES;

/// The most line breaks within one record's quotes. A caption has a few; a quote that nobody meant to open would take
/// whatever follows. So no line is looked at more often than this, and no more are lost to a stray pair of quotes.
const MAX_QUOTED_BREAKS: usize = 256;
const FILL_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One record: where it begins in the (decompressed) file, and its bytes without the line break, or what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) offset: u64,
    pub(super) bytes: Result<&'a [u8], &'static str>,
}

impl Piece<'_> {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.map_or(0, <[u8]>::len)
    }
}

/// Cuts records. Blank lines are none. A record that is too long, or whose quote never closes, costs one line: reading
/// goes on after its first line break.
pub(super) struct Splitter<R> {
    reader: R,
    /// What was read and not yet given out begins at `start`, which is `offset` in the file.
    buffer: Vec<u8>,
    start: usize,
    offset: u64,
    ended: bool,
    /// Quotes count, and fields are separated by this.
    delimiter: Option<u8>,
}

/// Where a reader of delimited fields is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote within quotes: the field's end, or half of an escaped quote.
    Closing,
}

impl State {
    /// The state after one more character that ends no record.
    pub(super) fn step(self, char: char, delimiter: char) -> Self {
        match (self, char) {
            (Self::Quoted, '"') => Self::Closing,
            (Self::Quoted, _) | (Self::Closing | Self::FieldStart, '"') => Self::Quoted,
            (_, char) if char == delimiter => Self::FieldStart,
            _ => Self::Plain,
        }
    }
}

/// Where a scan for the end of a record has got to.
struct Scan {
    state: State,
    quoted_breaks: usize,
}

/// A record found in the buffer: how much of the buffer it takes, and how much of that is content.
struct Found {
    consumed: usize,
    content: Result<usize, &'static str>,
}

impl<R: Read> Splitter<R> {
    /// Cuts what `reader` gives, which begins at `offset` of the file and at the beginning of a record. With a
    /// delimiter, quotes count.
    pub(super) fn new(reader: R, offset: u64, delimiter: Option<u8>) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            offset,
            ended: false,
            delimiter,
        }
    }

    /// The next record.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.skip_blank_lines()?;
        let offset = self.offset;
        let Some(found) = self.find()? else {
            return Ok(None);
        };
        let start = self.start;
        self.consume(found.consumed);
        let bytes = found.content.map(|length| {
            let line = self.buffer.get(start..start + length).unwrap_or_default();
            line.strip_suffix(b"\r").unwrap_or(line)
        });
        Ok(Some(Piece { offset, bytes }))
    }

    fn find(&mut self) -> io::Result<Option<Found>> {
        let mut scan = Scan {
            state: State::FieldStart,
            quoted_breaks: 0,
        };
        let mut scanned = 0;
        while scanned <= MAX_RECORD_BYTES {
            let pending = self.pending();
            let end = pending.len().min(MAX_RECORD_BYTES + 1);
            if let Some(length) = end_of_record(
                pending.get(scanned..end).unwrap_or_default(),
                &mut scan,
                self.delimiter,
            ) {
                if scan.state == State::Quoted {
                    break;
                }
                return Ok(Some(Found {
                    consumed: scanned + length + 1,
                    content: Ok(scanned + length),
                }));
            }
            scanned = end;
            if self.ended {
                break;
            }
            if scanned <= MAX_RECORD_BYTES {
                self.fill()?;
            }
        }
        if scanned == 0 {
            return Ok(None);
        }
        if scan.state != State::Quoted && scanned <= MAX_RECORD_BYTES {
            // The last line, without a break.
            return Ok(Some(Found {
                consumed: scanned,
                content: Ok(scanned),
            }));
        }
        let problem = match scan.state {
            State::Quoted => "a quoted field is not closed, or holds more than 256 line breaks",
            _ => "the record is longer than 1 MiB",
        };
        Ok(Some(Found {
            consumed: self.rest_of_line()?,
            content: Err(problem),
        }))
    }

    /// How much of the buffer the line takes that begins here, its break included; what does not fit is passed over.
    fn rest_of_line(&mut self) -> io::Result<usize> {
        loop {
            if let Some(length) = self.pending().iter().position(|byte| *byte == b'\n') {
                return Ok(length + 1);
            }
            self.consume(self.pending().len());
            if self.ended {
                return Ok(0);
            }
            self.fill()?;
        }
    }

    fn skip_blank_lines(&mut self) -> io::Result<()> {
        loop {
            while self.pending().len() < BYTE_ORDER_MARK.len() && !self.ended {
                self.fill()?;
            }
            match self.pending() {
                [b'\n', ..] => self.consume(1),
                [b'\r', b'\n', ..] => self.consume(2),
                pending if self.offset == 0 && pending.starts_with(BYTE_ORDER_MARK) => {
                    self.consume(BYTE_ORDER_MARK.len());
                }
                _ => return Ok(()),
            }
        }
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn consume(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + FILL_BYTES, 0);
        let read = loop {
            match self
                .reader
                .read(self.buffer.get_mut(length..).unwrap_or_default())
            {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer
            .truncate(length + read.as_ref().map_or(0, |read| *read));
        self.ended = read? == 0;
        Ok(())
    }
}

/// The place of the line break that ends the record, or of the one too many within quotes, if it is in `bytes`.
fn end_of_record(bytes: &[u8], scan: &mut Scan, delimiter: Option<u8>) -> Option<usize> {
    let Some(delimiter) = delimiter else {
        return bytes.iter().position(|byte| *byte == b'\n');
    };
    bytes.iter().position(|byte| {
        if *byte == b'\n' {
            if scan.state != State::Quoted || scan.quoted_breaks == MAX_QUOTED_BREAKS {
                return true;
            }
            scan.quoted_breaks += 1;
        }
        scan.state = scan.state.step(char::from(*byte), char::from(delimiter));
        false
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes a few at a time.
    struct Dripping<'a>(&'a [u8], usize);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn cut(bytes: &[u8], delimiter: Option<u8>, step: usize) -> Vec<(u64, Result<Vec<u8>, &'static str>)> {
        let mut lines = Splitter::new(Dripping(bytes, step), 0, delimiter);
        let mut pieces = Vec::new();
        while let Some(piece) = lines.next().expect("no I/O error") {
            pieces.push((piece.offset, piece.bytes.map(<[u8]>::to_vec)));
        }
        pieces
    }

    #[test]
    fn quoted_line_breaks_belong_to_the_record() {
        let pieces = cut(
            b"\xef\xbb\xbfa,b\r\n\r\n\"1\n2\",\"say \"\"\n\"\"\"\nx\"y,z",
            Some(b','),
            100,
        );
        let expected: Vec<(u64, Result<Vec<u8>, &str>)> = vec![
            (3, Ok(b"a,b".to_vec())),
            (10, Ok(b"\"1\n2\",\"say \"\"\n\"\"\"".to_vec())),
            (28, Ok(b"x\"y,z".to_vec())),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn a_quote_that_never_closes_costs_one_line() {
        let pieces = cut(b"a,\"b\nc,d\ne,f\n", Some(b','), 100);
        assert_eq!(pieces.len(), 3);
        assert!(pieces[0].1.is_err());
        assert_eq!(pieces[1], (5, Ok(b"c,d".to_vec())));
        assert_eq!(pieces[2], (9, Ok(b"e,f".to_vec())));
    }

    #[test]
    fn a_quote_that_never_closes_is_given_up_after_as_many_lines_as_a_record_may_have() {
        // Every line opens a quote, and the next one closes it and opens another.
        let bytes = "x\"y,\"\n".repeat(200_000);
        let mut lines = Splitter::new(Dripping(bytes.as_bytes(), 6), 0, Some(b','));
        for line in 0..10 {
            assert!(lines.next().expect("reads").expect("a record").bytes.is_err());
            let taken = bytes.len() - lines.reader.0.len();
            assert!(
                taken <= 6 * (line + MAX_QUOTED_BREAKS + 2),
                "line {line}: {taken} bytes"
            );
        }
    }

    #[test]
    fn quotes_hold_as_many_line_breaks_as_allowed_and_not_one_more() {
        let record = |breaks| format!("a,\"{}\"\nb,c\n", "\n".repeat(breaks));
        let pieces = cut(record(MAX_QUOTED_BREAKS).as_bytes(), Some(b','), 100);
        assert!(pieces.len() == 2 && pieces[0].1.is_ok());
        let pieces = cut(record(MAX_QUOTED_BREAKS + 1).as_bytes(), Some(b','), 100);
        assert!(pieces[0].1.is_err());
        assert_eq!(pieces.last().expect("records").1, Ok(b"b,c".to_vec()));
    }

    #[test]
    fn a_line_that_is_too_long_costs_one_record_and_no_memory() {
        let mut bytes = vec![b'x'; 3 * MAX_RECORD_BYTES];
        bytes.extend_from_slice(b"\nnext\n");
        for delimiter in [None, Some(b',')] {
            let mut lines = Splitter::new(bytes.as_slice(), 0, delimiter);
            assert!(lines.next().expect("reads").expect("a record").bytes.is_err());
            assert_eq!(
                lines.next().expect("reads").expect("a record").bytes,
                Ok(b"next".as_slice())
            );
            assert!(lines.next().expect("reads").is_none());
            assert!(lines.buffer.capacity() < 2 * MAX_RECORD_BYTES + 2 * FILL_BYTES);
        }
    }

    proptest! {
        #[test]
        fn records_do_not_depend_on_how_the_bytes_arrive(
            text in "[ab,\"\n\r]{0,60}", step in 1_usize..8,
        ) {
            for delimiter in [None, Some(b',')] {
                let pieces = cut(text.as_bytes(), delimiter, step);
                prop_assert_eq!(&pieces, &cut(text.as_bytes(), delimiter, 1000));
                // Reading may begin at any record, as units do.
                for (at, (offset, _)) in pieces.iter().enumerate() {
                    let rest = cut(&text.as_bytes()[usize::try_from(*offset).expect("small")..], delimiter, step);
                    prop_assert_eq!(rest.len(), pieces.len() - at);
                }
            }
        }
    }
}
