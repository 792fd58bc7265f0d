//! Any bytes as a WebDataset tar, plain or compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: img2tokens_fuzz::cap::hold_at_most(128 << 20), |bytes: &[u8]| {
    img2tokens_fuzz::source::read_source(img2tokens_source::InputFormat::WebDataset, bytes);
});
