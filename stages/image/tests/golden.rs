//! The pixels that the published preprocessing gives, value for value.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod corpus;

use std::io::Read;

use img2tokens_image::{ImageConfig, ImageStage};

/// Every photograph of the golden set, by its name without an ending: JPEG, PNG, grey, palette, RGBA, EXIF-rotated.
const IMAGES: &[&str] = &[
    "astronaut.jpg",
    "camera_gray.png",
    "chelsea.png",
    "chelsea_palette.png",
    "coffee_crop.png",
    "coffee_exif6.jpg",
    "logo_rgba.png",
    "rocket.jpg",
    "synth_gradient.png",
    "synth_noise_37x53.png",
    "synth_solid_224.png",
];

#[test]
fn prepared_pixels_are_pillows_value_for_value_at_224() {
    compare("small_a", 224);
}

#[test]
fn prepared_pixels_are_pillows_value_for_value_at_112() {
    compare("small_b", 112);
}

fn compare(set: &str, size: u32) {
    let stage = ImageStage::new(ImageConfig {
        size,
        ..ImageConfig::default()
    });
    for image in IMAGES {
        let (name, _) = image.split_once('.').unwrap();
        let golden = resized_u8(&corpus::read(&format!("golden/{set}/{name}.npz")));
        let prepared = stage
            .prepare(&corpus::read(&format!("golden/images/{image}")))
            .unwrap();
        let ours = prepared.pixels.rgb();
        assert_eq!(ours.len(), golden.len(), "{image}");
        let differing = ours
            .iter()
            .zip(&golden)
            .filter(|(ours, golden)| ours != golden)
            .count();
        assert_eq!(differing, 0, "{image}: of {} values", golden.len());
    }
}

/// The array of that name: the first member of the archive, deflated, of bytes after its header.
fn resized_u8(npz: &[u8]) -> Vec<u8> {
    let short = |place: usize| usize::from(u16::from_le_bytes([npz[place], npz[place + 1]]));
    let name = 30..30 + short(26);
    assert_eq!(&npz[name.clone()], b"resized_u8.npy");
    let mut npy = Vec::new();
    flate2::read::DeflateDecoder::new(&npz[name.end + short(28)..])
        .read_to_end(&mut npy)
        .unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    npy.split_off(header)
}
