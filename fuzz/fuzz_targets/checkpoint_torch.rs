//! A PyTorch file of any bytes is a model or an error; so is one whose archive is sound and whose pickle is any bytes.
#![no_main]

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What an archive of any kind starts with.
const ZIP: &[u8] = b"PK";

libfuzzer_sys::fuzz_target!(init: img2tokens_fuzz::cap::hold_at_most(128 << 20), |bytes: &[u8]| {
    const NAMES: [&str; 2] = [
        "visual_tokenizer/eva_vitg_psz14.bin",
        "visual_tokenizer/tokenizer_encoder.bin",
    ];
    if bytes.starts_with(ZIP) {
        img2tokens_fuzz::checkpoint::open(&NAMES, bytes);
    } else {
        img2tokens_fuzz::checkpoint::open(&NAMES, &archive(bytes));
    }
});

/// A sound archive around a pickle, with one storage.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in [
        ("a/data.pkl", pickle),
        ("a/byteorder", b"little"),
        ("a/data/0", &[0; 4096]),
    ] {
        zip.start_file(name, options).expect("a member");
        zip.write_all(bytes).expect("memory");
    }
    zip.finish().expect("an archive").into_inner()
}
