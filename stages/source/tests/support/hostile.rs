//! Files that lie of themselves, made small: what they state would take gigabytes, hours or the stack.
//!
//! Each function gives a file's bytes; nothing here reads what it made. Tables have the columns `url` and `caption`.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

const PAIRS: &str = "message m { required binary url (UTF8); required binary caption (UTF8); }";
/// Encodings as a page's header numbers them.
const PLAIN: i64 = 0;
const DELTA_LENGTH: i64 = 6;
const DELTA: i64 = 7;
const DICTIONARY: i64 = 8;

/// A thrift varint.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn signed(value: i64) -> Vec<u8> {
    varint(((value << 1) ^ (value >> 63)) as u64)
}

/// Fields 1, 2, .. of a struct, all i32, and its end.
fn ints(values: &[i64]) -> Vec<u8> {
    let fields = values
        .iter()
        .flat_map(|value| [vec![0x15], signed(*value)].concat());
    fields.chain([0]).collect()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 19).expect("packs")
}

/// A page of any kind (0: of data, 2: a dictionary) that states `stated` bytes when unpacked.
fn page(kind: i64, stated: i64, packed: &[u8], detail: &[u8]) -> Vec<u8> {
    let mut bytes = ints(&[kind, stated, packed.len() as i64]);
    bytes.pop();
    bytes.push(if kind == 0 { 0x2c } else { 0x4c });
    bytes.extend(detail);
    bytes.push(0);
    bytes.extend(packed);
    bytes
}

/// A page of data whose values are `body`.
pub fn data_page(values: i64, encoding: i64, body: &[u8]) -> Vec<u8> {
    page(
        0,
        body.len() as i64,
        &packed(body),
        &ints(&[values, encoding, 3, 3]),
    )
}

/// A dictionary of plain values.
pub fn dictionary_page(values: i64, body: &[u8]) -> Vec<u8> {
    page(2, body.len() as i64, &packed(body), &ints(&[values, PLAIN]))
}

/// A plain byte array: its length and its bytes.
pub fn plain(value: &[u8]) -> Vec<u8> {
    [&(value.len() as u32).to_le_bytes(), value].concat()
}

/// A table of one row group with `rows` rows, every column of which is these pages; its footer states one byte each.
pub fn table(schema: &str, rows: i64, pages: &[Vec<u8>], has_dictionary: bool) -> Vec<u8> {
    let body = pages.concat();
    let schema = Arc::new(SchemaDescriptor::new(Arc::new(
        parse_message_type(schema).expect("a schema"),
    )));
    let first = 4;
    let column = |number| {
        let data = first + pages.first().filter(|_| has_dictionary).map_or(0, Vec::len) as i64;
        ColumnChunkMetaData::builder(schema.column(number))
            .set_encodings(vec![Encoding::PLAIN])
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_num_values(rows)
            .set_total_uncompressed_size(1)
            .set_total_compressed_size(body.len() as i64)
            .set_data_page_offset(data)
            .set_dictionary_page_offset(has_dictionary.then_some(first))
            .build()
            .expect("a column chunk")
    };
    let group = RowGroupMetaData::builder(Arc::clone(&schema))
        .set_num_rows(rows)
        .set_total_byte_size(1)
        .set_column_metadata((0..schema.num_columns()).map(column).collect())
        .build()
        .expect("a row group");
    let file = FileMetaData::new(2, rows, None, None, schema, None);
    let metadata = ParquetMetaDataBuilder::new(file).add_row_group(group).build();
    let mut bytes = [b"PAR1".as_slice(), &body].concat();
    ParquetMetaDataWriter::new(&mut bytes, &metadata)
        .finish()
        .expect("a footer");
    bytes
}

fn pairs(rows: i64, pages: &[Vec<u8>], has_dictionary: bool) -> Vec<u8> {
    table(PAIRS, rows, pages, has_dictionary)
}

/// Every row names the one value of a dictionary, which has `bytes` bytes.
pub fn long_value_in_a_dictionary(rows: i64, bytes: usize) -> Vec<u8> {
    let dictionary = dictionary_page(1, &plain(&vec![b'a'; bytes]));
    let indices = [vec![1], varint((rows as u64) << 1), vec![0]].concat();
    pairs(rows, &[dictionary, data_page(rows, DICTIONARY, &indices)], true)
}

/// Each row is a page of its own, of one value of `bytes` bytes.
pub fn a_large_page_a_row(rows: i64, bytes: usize) -> Vec<u8> {
    let large = data_page(1, PLAIN, &plain(&vec![b'a'; bytes]));
    pairs(rows, &vec![large; rows as usize], false)
}

/// A page that states `stated` bytes and has a few.
pub fn page_that_states(stated: i64) -> Vec<u8> {
    let body = packed(&plain(b"http://a/"));
    pairs(1, &[page(0, stated, &body, &ints(&[1, PLAIN, 3, 3]))], false)
}

/// A dictionary that states `values` values and has one.
pub fn dictionary_that_states(values: i64) -> Vec<u8> {
    let dictionary = dictionary_page(values, &plain(b"http://a/"));
    pairs(1, &[dictionary, data_page(1, DICTIONARY, &[1, 2, 0])], true)
}

/// Lengths in delta encoding that state `count` values and have none.
pub fn delta_lengths_that_state(count: u64) -> Vec<u8> {
    let body = [varint(128), varint(4), varint(count), signed(3)].concat();
    pairs(1, &[data_page(1, DELTA_LENGTH, &body)], false)
}

/// Values that are each the whole of the one before, which has `bytes` bytes.
pub fn shared_prefixes(rows: i64, bytes: u64) -> Vec<u8> {
    let run = |first: u64, then: u64| {
        let mut numbers = [
            varint(1 << 20),
            varint(4),
            varint(rows as u64),
            signed(first as i64),
        ]
        .concat();
        // One delta to `then`, and no change after it: 21 bits in the first miniblock hold every delta's distance.
        let least = 0_i64.min(then as i64 - first as i64);
        numbers.extend(signed(least));
        let values = (1 << 20) / 4;
        let mut bits = vec![0_u8; values * 32 / 8];
        let deltas = std::iter::once(then as i64 - first as i64).chain(std::iter::repeat(0));
        for (cell, delta) in bits.chunks_exact_mut(4).zip(deltas) {
            cell.copy_from_slice(&((delta - least) as u32).to_le_bytes());
        }
        numbers.extend([32, 0, 0, 0]);
        numbers.extend(bits);
        numbers
    };
    let body = [run(0, bytes), run(bytes, 0), vec![b'a'; bytes as usize]].concat();
    pairs(rows, &[data_page(rows, DELTA, &body)], false)
}

/// A footer that states `rows` rows over a page of one.
pub fn rows_that_are_not_there(rows: i64) -> Vec<u8> {
    pairs(rows, &[data_page(1, PLAIN, &plain(b"http://a/"))], false)
}

/// One document whose lists have `values` items, all of them none.
pub fn list_of_nothings(values: i64) -> Vec<u8> {
    const LISTS: &str =
        "message m { optional group images (LIST) { repeated group list { optional binary element (UTF8); } }
        optional group texts (LIST) { repeated group list { optional binary element (UTF8); } } }";
    let run = |level: u8| {
        let run = [varint((values as u64 - 1) << 1), vec![level]].concat();
        [varint(2), vec![if level == 1 { 0 } else { level }], run].concat()
    };
    let levels = |run: Vec<u8>| [(run.len() as u32).to_le_bytes().to_vec(), run].concat();
    // Repetition: one 0, then 1 for ever; definition: 2, an item that is null.
    let body = [levels(run(1)), levels(run(2))].concat();
    table(LISTS, 1, &[data_page(values, PLAIN, &body)], false)
}

/// Fixed-length values of `width` bytes each.
pub fn wide_values(width: i32) -> Vec<u8> {
    let schema = format!(
        "message m {{ required fixed_len_byte_array({width}) url; required fixed_len_byte_array({width}) caption; }}"
    );
    table(&schema, 1, &[data_page(1, PLAIN, b"short")], false)
}

/// A file of a footer alone, whose schema has elements with these numbers of children.
pub fn schema_of(children: impl ExactSizeIterator<Item = i64>) -> Vec<u8> {
    let mut footer = [vec![0x15, 0x02, 0x19, 0xfc], varint(children.len() as u64)].concat();
    for children in children {
        // Repetition (field 3), name (4), number of children (5).
        footer.extend(
            [
                vec![0x35, 0x00, 0x18, 0x01, b'a', 0x15],
                signed(children),
                vec![0],
            ]
            .concat(),
        );
    }
    // No rows (field 3), no row groups (4).
    footer.extend([0x16, 0x00, 0x19, 0x0c, 0x00]);
    let length = (footer.len() as u32).to_le_bytes();
    [b"PAR1".as_slice(), &footer, &length, b"PAR1"].concat()
}

/// Zstandard of a JSONL table that repeats `line`.
pub fn packed_lines(line: &str, bytes: usize) -> Vec<u8> {
    let frame = packed(line.repeat((8 << 20) / line.len()).as_bytes());
    frame.repeat(bytes.div_ceil(8 << 20))
}

/// JSONL whose lines are each a string of a megabyte, or an object whose one key has that length, all different.
pub fn long_lines(lines: usize, is_object: bool) -> Vec<u8> {
    let line = |number: usize| {
        let text = format!("{number:08}{}", "a".repeat((1 << 20) - 100));
        match is_object {
            true => format!("{{\"{text}\":1}}\n"),
            false => format!("\"{text}\"\n"),
        }
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

/// JSONL whose records have many keys that no other has.
pub fn many_keys(lines: usize, keys: usize) -> Vec<u8> {
    let line = |number: usize| {
        let keys: Vec<String> = (0..keys).map(|key| format!("\"{number}-{key}\":1")).collect();
        format!("{{{}}}\n", keys.join(","))
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}
