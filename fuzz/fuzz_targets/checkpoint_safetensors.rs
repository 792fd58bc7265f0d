//! `model.safetensors` of any bytes is a model or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(init: img2tokens_fuzz::cap::hold_at_most(128 << 20), |bytes: &[u8]| {
    img2tokens_fuzz::checkpoint::open(&["model.safetensors"], bytes);
});
