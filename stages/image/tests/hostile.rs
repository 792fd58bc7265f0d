//! Bytes that nobody meant as an image, or that somebody meant to do harm.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod corpus;

use img2tokens_image::{ImageConfig, ImageError, ImageStage, Resize};
use img2tokens_schemas::{Failure, FailureReason};
use proptest::prelude::*;

fn stage() -> ImageStage {
    ImageStage::new(ImageConfig {
        size: 8,
        max_pixels: 1 << 20,
        ..ImageConfig::default()
    })
}

fn reason(bytes: &[u8]) -> Option<FailureReason> {
    stage().prepare(bytes).err().map(|error| error.reason())
}

fn file(name: &str) -> Vec<u8> {
    corpus::read(&format!("images/files/{name}"))
}

/// Where a baseline JPEG's frame header begins: the last one, since a thumbnail has its own before it.
fn frame_header(jpeg: &[u8]) -> usize {
    jpeg.windows(2).rposition(|pair| pair == [0xff, 0xc0]).unwrap()
}

/// One file a format, small enough to be broken hundreds of times.
const SEEDS: &[&str] = &[
    "avif_icc_profile_none.avif",
    "bmp_g_pal4rle.bmp",
    "bmp_q_rgb32bf-xbgr.bmp",
    "hopper.gif",
    "exif-200dpcm.jpg",
    "g4-fillorder-test.tif",
    "hopper_orientation_5.webp",
    "hopper_bigtiff.tif",
    "pil_sample_cmyk.jpg",
    "tiff_gray_2_4_bpp_hopper4.tif",
    "1_trns.png",
];

#[test]
fn what_is_no_image_is_told_from_an_image_not_decoded() {
    assert_eq!(reason(b""), Some(FailureReason::NotAnImage));
    assert_eq!(
        reason(b"<!DOCTYPE html><title>404</title>"),
        Some(FailureReason::NotAnImage)
    );
    assert_eq!(
        reason(b"{\"error\": \"not found\"}"),
        Some(FailureReason::NotAnImage)
    );
    assert_eq!(
        reason(b"P6\n1 1\n255\nabc"),
        Some(FailureReason::UnsupportedFormat)
    );
    assert_eq!(
        reason(b"%!PS-Adobe-3.0 EPSF-3.0\n"),
        Some(FailureReason::UnsupportedFormat)
    );
    assert_eq!(
        reason(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        Some(FailureReason::UnsupportedFormat)
    );
}

#[test]
fn a_jpeg_of_twelve_bits_is_unsupported() {
    let mut jpeg = file("exif-200dpcm.jpg");
    let frame = frame_header(&jpeg);
    jpeg[frame + 4] = 12;
    assert_eq!(reason(&jpeg), Some(FailureReason::UnsupportedFormat));
}

#[test]
fn limits_hold_before_anything_is_decoded() {
    let png = file("1_trns.png");
    let limited = |config: ImageConfig| {
        ImageStage::new(config)
            .prepare(&png)
            .err()
            .map(|error| error.reason())
    };
    let config = ImageConfig::default();
    assert_eq!(
        limited(ImageConfig {
            max_pixels: 64 * 64,
            ..config.clone()
        }),
        None
    );
    let few = ImageConfig {
        max_pixels: 64 * 64 - 1,
        ..config.clone()
    };
    assert_eq!(limited(few), Some(FailureReason::TooManyPixels));
    assert_eq!(
        limited(ImageConfig {
            min_side: 64,
            ..config.clone()
        }),
        None
    );
    assert_eq!(
        limited(ImageConfig {
            min_side: 65,
            ..config
        }),
        Some(FailureReason::TooSmall)
    );
}

#[test]
fn a_header_that_states_a_huge_image_costs_nothing() {
    let stage = ImageStage::new(ImageConfig {
        max_pixels: u64::MAX,
        ..ImageConfig::default()
    });
    let mut jpeg = file("exif-200dpcm.jpg");
    let frame = frame_header(&jpeg);
    jpeg[frame + 5..frame + 9].fill(0xff);
    let mut bmp = file("hopper.bmp");
    bmp[18..26].copy_from_slice(b"\xff\xff\0\0\xff\xff\0\0");
    for (name, bytes) in [("jpeg", jpeg), ("bmp", bmp)] {
        assert!(
            matches!(stage.prepare(&bytes), Err(ImageError::TooMuchMemory { .. })),
            "{name}"
        );
    }
}

#[test]
fn a_file_cut_short_is_corrupt() {
    for name in SEEDS {
        let whole = file(name);
        assert_eq!(reason(&whole), None, "{name}");
        for kept in [0.4, 0.7] {
            let cut = &whole[..(whole.len() as f64 * kept) as usize];
            // Run-length coded bitmaps may stop anywhere: what is missing is index 0, in Pillow too.
            if *name != "bmp_g_pal4rle.bmp" {
                assert_eq!(
                    reason(cut),
                    Some(FailureReason::CorruptImage),
                    "{name} cut to {kept}"
                );
            }
        }
    }
}

#[test]
fn a_failure_says_in_one_line_what_the_decoder_said() {
    let jpeg = file("exif-200dpcm.jpg");
    let failure = Failure::from(stage().prepare(&jpeg[..jpeg.len() - 1]).unwrap_err());
    assert_eq!(failure.reason, FailureReason::CorruptImage);
    assert_eq!(
        failure.detail,
        "corrupt jpeg: the file ends before its end-of-image marker"
    );
}

#[test]
fn scaled_decoding_keeps_the_original_size_and_nearly_the_pixels() {
    let jpeg = corpus::read("golden/images/astronaut.jpg");
    let prepare = |resize| {
        let config = ImageConfig {
            size: 64,
            resize,
            ..ImageConfig::default()
        };
        ImageStage::new(config).prepare(&jpeg).unwrap()
    };
    let (exact, scaled) = (prepare(Resize::Bicubic), prepare(Resize::BicubicScaledDct));
    assert_eq!((scaled.width, scaled.height), (exact.width, exact.height));
    let pairs = exact.pixels.rgb().iter().zip(scaled.pixels.rgb());
    let off: u32 = pairs
        .map(|(exact, scaled)| u32::from(exact.abs_diff(*scaled)))
        .sum();
    let mean = f64::from(off) / exact.pixels.rgb().len() as f64;
    assert!(mean > 0.0 && mean < 3.0, "mean difference {mean}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn arbitrary_bytes_behind_any_signature_never_panic(
        seed in 0..SEEDS.len(),
        kept in 2..40_usize,
        tail in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = file(SEEDS[seed]);
        bytes.truncate(kept);
        bytes.extend(tail);
        let _outcome = stage().prepare(&bytes);
    }

    #[test]
    fn real_files_with_bytes_changed_or_cut_never_panic(
        seed in 0..SEEDS.len(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        early in any::<bool>(),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut bytes = file(SEEDS[seed]);
        let reach = if early { bytes.len().min(200) } else { bytes.len() };
        for (place, value) in changes {
            bytes[place.index(reach)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(prepared) = stage().prepare(&bytes) {
            prop_assert_eq!(prepared.pixels.size(), 8);
        }
    }
}
