//! Any bytes through the image stage: decoded at full size and scaled, resized, written as PNG again.
#![no_main]

use img2tokens_image::{ImageConfig, ImageStage, Resize, encode_png};
use libfuzzer_sys::fuzz_target;

// A decoder's panic is caught by the stage, and is an error like others: libfuzzer's hook would end the process there. One
// that gets out of the target still does.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    for resize in [Resize::Bicubic, Resize::BicubicScaledDct] {
        let stage = ImageStage::new(ImageConfig {
            size: 16,
            // Small, so that time goes into parsing; what the limit refuses is refused before it costs anything.
            max_pixels: 1 << 20,
            min_side: 1,
            resize,
        });
        if let Ok(prepared) = stage.prepare(bytes) {
            assert_eq!(prepared.pixels.rgb().len(), 16 * 16 * 3);
            assert!(u64::from(prepared.width) * u64::from(prepared.height) <= 1 << 20);
            let png = encode_png(&prepared.pixels).expect("pixels can be written");
            assert_eq!(stage.prepare(&png).expect("and read").pixels, prepared.pixels);
        }
    }
});
