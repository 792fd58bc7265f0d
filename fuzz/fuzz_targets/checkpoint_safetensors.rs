//! `model.safetensors` of any bytes is a model or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    img2tokens_fuzz::checkpoint::open(&["model.safetensors"], bytes);
});
