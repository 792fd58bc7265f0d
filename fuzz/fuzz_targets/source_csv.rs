//! Any bytes as CSV.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    img2tokens_fuzz::source::read_source(img2tokens_source::InputFormat::Csv, bytes);
});
