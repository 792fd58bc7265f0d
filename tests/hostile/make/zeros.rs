//! Long runs of zeros, packed without being written out.

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress, write::ZlibEncoder};

const BLOCK: usize = 1 << 20;

/// A zlib stream of so many zeros, about a thousandth of their number: one packed block, repeated.
pub fn zlib_of_zeros(length: u64) -> Vec<u8> {
    let (blocks, rest) = (length / BLOCK as u64, (length % BLOCK as u64) as usize);
    let mut stream = vec![0x78, 0x01];
    let block = full_flushed(&vec![0; BLOCK]);
    for _ in 0..blocks {
        stream.extend(&block);
    }
    stream.extend(full_flushed(&vec![0; rest]));
    // An empty stored block that is the last, and the checksum: of n zeros, Adler-32 is n mod 65521 and 1.
    stream.extend([1, 0, 0, 0xff, 0xff]);
    stream.extend(((length % 65_521) as u16).to_be_bytes());
    stream.extend([0, 1]);
    stream
}

/// A deflate block that leans on nothing before it and ends at a byte.
fn full_flushed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(1 << 14);
    let mut compress = Compress::new(Compression::best(), false);
    compress
        .compress_vec(bytes, &mut packed, FlushCompress::Full)
        .unwrap();
    assert_eq!(compress.total_in(), bytes.len() as u64);
    packed
}

/// Any bytes as a zlib stream.
pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
