//! Any bytes through the image stage: decoded at full size and scaled, resized, written as PNG again.
#![no_main]

use img2tokens_image::{ImageConfig, ImageStage, Resize, encode_png};
use libfuzzer_sys::fuzz_target;

// A decoder's panic is caught by the stage, and is an error like others: libfuzzer's hook would end the process there. One
// that gets out of the target still does.
// A picture may take 1 GiB.
fuzz_target!(init: {
    std::panic::set_hook(Box::new(|_| ()));
    img2tokens_fuzz::cap::hold_at_most(1100 << 20);
}, |bytes: &[u8]| {
    for resize in [Resize::Bicubic, Resize::BicubicScaledDct] {
        let stage = ImageStage::new(ImageConfig {
            size: 16,
            // Small, so that time goes into parsing; what the limit refuses is refused before it costs anything.
            max_pixels: 1 << 20,
            resize,
            ..ImageConfig::default()
        });
        if let Ok(prepared) = stage.prepare(bytes) {
            assert_eq!(prepared.pixels.rgb().len(), 16 * 16 * 3);
            assert!(u64::from(prepared.width) * u64::from(prepared.height) <= 1 << 20);
            let png = encode_png(&prepared.pixels).expect("pixels can be written");
            assert_eq!(stage.prepare(&png).expect("and read").pixels, prepared.pixels);
        }
    }
});
