//! What decoding and resizing hold at once, counted by the allocator, is never more than was said before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unsafe_code, reason = "an allocator that counts is one")]

mod corpus;
mod makers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use img2tokens_image::{ImageConfig, ImageStage, MAX_DECODE_BYTES};
use img2tokens_schemas::FailureReason;

/// Counts the bytes that each thread holds, and the most it has held.
struct Counting;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn count(change: i64) {
    let live = LIVE.get() + change;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: all is the system's allocator's; beside it numbers are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both the old bytes and the new ones may be held while they are moved.
        count(size as i64);
        count(-(layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The outcome of `work` and the most bytes it held.
fn held<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = LIVE.get();
    PEAK.set(before);
    let outcome = work();
    (outcome, u64::try_from(PEAK.get() - before).unwrap())
}

/// Room for walking over headers: parsers' lists are no longer than the file.
fn head_room(bytes: &[u8]) -> u64 {
    (8 << 20) + 40 * bytes.len() as u64
}

fn stage() -> ImageStage {
    ImageStage::new(ImageConfig {
        decode_timeout_s: 20.0,
        ..ImageConfig::default()
    })
}

/// A panic in a decoder is caught by the stage; telling of it would count as memory of the picture.
fn quiet_panics() {
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
}

/// Decodes, and holds what was held against what was said. Says whether the picture was admitted.
fn check(name: &str, bytes: &[u8]) -> Result<(), FailureReason> {
    quiet_panics();
    let stage = stage();
    let (examined, peak) = held(|| stage.examine(bytes));
    assert!(peak <= head_room(bytes), "{name}: {peak} bytes for its headers");
    let examined = examined.map_err(|error| error.reason())?;
    let said = examined.memory_bytes();
    assert!(said <= MAX_DECODE_BYTES, "{name}: {said}");
    let start = std::time::Instant::now();
    let work = examined.work_s();
    let (_outcome, peak) = held(|| examined.prepare());
    if std::env::var_os("IMG2TOKENS_COSTS").is_some() {
        let took = start.elapsed().as_secs_f64();
        let ratio = said as f64 / peak as f64;
        eprintln!(
            "{name}: held {peak} of {said} ({ratio:.2}), {took:.4} s of {work:.4} ({:.2})",
            work / took
        );
    }
    assert!(peak <= said, "{name}: held {peak} bytes of {said}");
    Ok(())
}

#[test]
fn every_file_of_the_corpus_holds_no_more_than_was_said() {
    let admitted = corpus::files()
        .filter(|(name, bytes)| check(name, bytes).is_ok())
        .count();
    assert!(admitted > 300, "{admitted}");
}

#[test]
fn pictures_of_extreme_sides_hold_no_more_than_was_said() {
    for (width, height) in [
        (1, 1_000_000),
        (1_000_000, 1),
        (1, 4_000_000),
        (4_000_000, 1),
        (89_478_485, 1),
        (1, 89_478_485),
    ] {
        let mut admitted = 0;
        for (kind, file) in [
            ("bmp", makers::bmp(width, height)),
            ("tiff", makers::deflated_tiff(width, height)),
            ("png", makers::png(width, height, 0, 1, false)),
            ("interlaced png", makers::png(width, height, 0, 1, true)),
        ] {
            match check(&format!("{kind} of {width} x {height}"), &file) {
                Ok(()) => admitted += 1,
                Err(FailureReason::DecodeTimeout | FailureReason::TooManyPixels) => {}
                Err(reason) => panic!("{kind} of {width} x {height}: {reason}"),
            }
        }
        assert!(admitted > 0 || height > 4_000_000, "{width} x {height}");
    }
    for (width, height) in [(1, 65_535), (65_535, 1)] {
        check("gif", &makers::gif(width, height, 1000)).unwrap();
        for process in [0xc0, 0xc2, 0xc9, 0xca] {
            let bands = [(0, if process & 3 == 2 { 0 } else { 63 })];
            for components in [1, 3, 4] {
                let file = makers::jpeg(process, width, height, components, &bands, &[0; 64]);
                check(&format!("jpeg {process:x} of {width} x {height}"), &file).unwrap();
            }
        }
    }
}

#[test]
fn ordinary_pictures_of_eighty_megapixels_are_admitted_and_hold_no_more_than_was_said() {
    let stage = ImageStage::new(ImageConfig::default());
    for (name, file) in [
        (
            "progressive jpeg",
            makers::jpeg(
                0xc2,
                10_000,
                8_000,
                3,
                &[(0, 0), (1, 5), (6, 63), (1, 63)],
                &[0; 64],
            ),
        ),
        ("interlaced png", makers::png(10_000, 8_000, 2, 8, true)),
        ("png with alpha", makers::png(10_000, 8_000, 6, 8, false)),
        ("tiff", makers::deflated_tiff(10_000, 8_000)),
        ("gif", makers::gif(10_000, 8_000, 0)),
        ("bmp", makers::bmp(10_000, 8_000)),
    ] {
        stage
            .examine(&file)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        check(name, &file).unwrap();
    }
}

#[test]
fn groups_of_prefix_codes_count_in_every_stream_of_a_webp() {
    for groups in [1, 100, 2000] {
        let stream = makers::vp8l_groups(groups);
        let lossless = [&makers::VP8L_HEADER[..], &stream].concat();
        check("lossless", &makers::webp(&[(b"VP8L", lossless)])).unwrap();
    }
    let stream = makers::vp8l_groups(65_536);
    let lossless = [&makers::VP8L_HEADER[..], &stream].concat();
    let alpha = [&[1][..], &stream].concat();
    let lossy = b"\x10\x02\0\x9d\x01\x2a\x04\0\x04\0\0\0\0\0\0\0\0\0".to_vec();
    let canvas = |flags: u8| vec![flags, 0, 0, 0, 3, 0, 0, 3, 0, 0];
    let frame = |kind: &[u8; 4], data: &[u8]| {
        let mut frame = b"\0\0\0\0\0\0\x03\0\0\x03\0\0\0\0\0\0".to_vec();
        frame.extend(makers::webp(&[(kind, data.to_vec()), (b"VP8 ", lossy.clone())])[12..].iter());
        frame
    };
    for (name, file) in [
        ("plain", makers::webp(&[(b"VP8L", lossless.clone())])),
        (
            "extended",
            makers::webp(&[(b"VP8X", canvas(0)), (b"VP8L", lossless.clone())]),
        ),
        (
            "alpha",
            makers::webp(&[
                (b"VP8X", canvas(16)),
                (b"ALPH", alpha.clone()),
                (b"VP8 ", lossy.clone()),
            ]),
        ),
        (
            "frame",
            makers::webp(&[
                (b"VP8X", canvas(2)),
                (b"ANIM", vec![0; 6]),
                (b"ANMF", frame(b"VP8L", &lossless)),
            ]),
        ),
        (
            "frame's alpha",
            makers::webp(&[
                (b"VP8X", canvas(18)),
                (b"ANIM", vec![0; 6]),
                (b"ANMF", frame(b"ALPH", &alpha)),
            ]),
        ),
    ] {
        assert_eq!(check(name, &file), Err(FailureReason::TooManyPixels), "{name}");
    }
}

#[test]
fn metadata_of_any_size_holds_no_more_than_was_said() {
    let mut png = makers::png(64, 64, 2, 8, false);
    let end = png.split_off(8 + 25);
    makers::chunk(&mut png, b"eXIf", &vec![7; 3 << 20]);
    makers::chunk(&mut png, b"iCCP", &vec![7; 3 << 20]);
    makers::chunk(&mut png, b"zTXt", &vec![7; 3 << 20]);
    png.extend(end);
    check("png", &png).unwrap();

    let plain = makers::jpeg(0xc0, 64, 64, 1, &[(0, 63)], &[0; 64]);
    let mut jpeg = plain[..2].to_vec();
    for (marker, head) in [
        (0xe1, &b"Exif\0\0"[..]),
        (0xe2, b"ICC_PROFILE\0\x01\x01"),
        (0xfe, b""),
        (0xed, b"Photoshop 3.0\0"),
    ] {
        for _ in 0..20 {
            jpeg.extend([0xff, marker, 0xff, 0xff]);
            jpeg.extend(head);
            jpeg.extend(vec![1; 0xffff - 2 - head.len()]);
        }
    }
    jpeg.extend(&plain[2..]);
    check("jpeg", &jpeg).unwrap();

    check("gif", &makers::gif(64, 64, 500_000)).unwrap();
}

#[test]
fn a_tags_values_are_counted_before_room_is_made_for_them() {
    let data = vec![7; 1 << 20];
    let tags = |bits: Vec<u32>| {
        let tags = [
            (256, vec![64]),
            (257, vec![64]),
            (258, bits),
            (259, vec![1]),
            (262, vec![1]),
            (273, vec![makers::TIFF_DATA]),
            (279, vec![4096]),
        ];
        makers::tiff(&tags, &data)
    };
    check("one depth", &tags(vec![8])).unwrap();
    assert_eq!(
        check("many depths", &tags(vec![8; 1 << 16])),
        Err(FailureReason::CorruptImage)
    );
    // A count of 2^24 where one value lies.
    let mut lying = tags(vec![8, 8]);
    let entry = lying
        .windows(8)
        .rposition(|bytes| bytes == [2, 1, 4, 0, 2, 0, 0, 0])
        .unwrap();
    lying[entry + 7] = 1;
    assert_eq!(
        check("a count that lies", &lying),
        Err(FailureReason::CorruptImage)
    );
    // A tile of four thousand million columns.
    let tile = [
        (256, vec![64]),
        (257, vec![64]),
        (258, vec![8]),
        (259, vec![1]),
        (262, vec![1]),
        (322, vec![u32::MAX - 15]),
        (323, vec![64]),
        (324, vec![makers::TIFF_DATA]),
        (325, vec![4096]),
    ];
    assert_eq!(
        check("a wide tile", &makers::tiff(&tile, &data)),
        Err(FailureReason::TooManyPixels)
    );
}
