//! Any bytes as Parquet.
#![no_main]

use libfuzzer_sys::fuzz_target;

// A panic of the library, on the thread that reads, is an error of the file: libfuzzer's hook would end the process there.
// One that gets out of the target still does.
// The pages of a batch may take 512 MiB.
fuzz_target!(init: {
    std::panic::set_hook(Box::new(|_| ()));
    img2tokens_fuzz::cap::hold_at_most(768 << 20);
}, |bytes: &[u8]| {
    img2tokens_fuzz::source::read_source(img2tokens_source::InputFormat::Parquet, bytes);
});
