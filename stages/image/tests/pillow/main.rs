//! Every file of Pillow's own test suite in a format we claim, against what Pillow 13 makes of it.

mod bounds;
#[path = "../corpus/mod.rs"]
mod corpus;
mod expected;

use img2tokens_image::{Decoded, ImageConfig, ImageStage};
use img2tokens_schemas::FailureReason;

/// Pillow's own limit: twice the pixels at which it warns.
const PILLOW_MAX_PIXELS: u64 = 178_956_970;
/// How far a mean or a cell of the grid may be off, in levels of 255.
const TOLERANCE: f64 = 2.0;

/// Files that Pillow opens and we refuse, or see otherwise: all that there are, each with its reason.
const EXCEPTIONS: &[(&str, Outcome, &str)] = &[
    (
        "12bit.cropped.tif",
        Outcome::Refused(FailureReason::UnsupportedFormat),
        "12 bits a sample",
    ),
    (
        "hopper.Lab.tif",
        Outcome::Refused(FailureReason::UnsupportedFormat),
        "CIE L*a*b*",
    ),
    (
        "hopper_lzma.tif",
        Outcome::Refused(FailureReason::UnsupportedFormat),
        "LZMA, an extension of libtiff",
    ),
    (
        "tiff_wrong_bits_per_sample_2.tiff",
        Outcome::Refused(FailureReason::CorruptImage),
        "states four depths for three samples",
    ),
    (
        "separate_planar_extra_samples.tiff",
        Outcome::Refused(FailureReason::CorruptImage),
        "its second plane is at offset 0, with no data; Pillow reads the first alone",
    ),
    (
        "tiff_tiled_planar_16bit_RGBa.tiff",
        Outcome::Refused(FailureReason::CorruptImage),
        "a tile larger than the image, in planes: the decoder's own assertion fails",
    ),
    (
        "crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif",
        Outcome::Refused(FailureReason::CorruptImage),
        "made by a fuzzer; libtiff fills in what its fax data lacks",
    ),
    (
        "hopper_bad_exif.jpg",
        Outcome::OtherPixels,
        "damaged scan: libjpeg goes on with the bits it finds, ours is grey until the next restart",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Alike,
    OtherPixels,
    Refused(FailureReason),
}

fn stage() -> ImageStage {
    ImageStage::new(ImageConfig {
        max_pixels: PILLOW_MAX_PIXELS,
        ..ImageConfig::default()
    })
}

#[test]
fn every_file_that_pillow_opens_is_seen_alike_but_for_the_named_exceptions() {
    let mut wrong = Vec::new();
    let mut opened = 0;
    for expected in expected::expected() {
        let Some(seen) = &expected.seen else { continue };
        opened += 1;
        let bytes = expected.bytes();
        let outcome = match bounds::within_bounds(&expected.file, move || stage().decode(&bytes)) {
            Ok(decoded) if alike(&decoded, seen) => Outcome::Alike,
            Ok(_) => Outcome::OtherPixels,
            Err(error) => Outcome::Refused(error.reason()),
        };
        let exception = EXCEPTIONS.iter().find(|(file, ..)| *file == expected.file);
        let allowed = exception.map_or(Outcome::Alike, |(_, outcome, _)| *outcome);
        if outcome != allowed {
            wrong.push(format!("{}: {outcome:?} instead of {allowed:?}", expected.file));
        }
    }
    assert!(opened > 300, "only {opened} files");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_that_pillow_refuses_is_refused_or_decoded_within_bounds() {
    let refused = expected::expected()
        .into_iter()
        .filter(|expected| expected.seen.is_none());
    let outcomes: Vec<_> = refused
        .map(|expected| {
            let bytes = expected.bytes();
            let outcome = bounds::within_bounds(&expected.file, move || stage().prepare(&bytes));
            (outcome, expected.file)
        })
        .collect();
    assert!(outcomes.len() >= 20);
    for (outcome, file) in outcomes {
        if let Ok(prepared) = outcome {
            let pixels = u64::from(prepared.width) * u64::from(prepared.height);
            assert!(pixels <= PILLOW_MAX_PIXELS, "{file}");
            assert_eq!(prepared.pixels.size(), 224, "{file}");
        }
    }
}

fn alike(decoded: &Decoded, seen: &expected::Seen) -> bool {
    let near = |(ours, theirs): (f64, f64)| (ours - theirs).abs() <= TOLERANCE;
    (decoded.width, decoded.height) == (seen.width, seen.height)
        && decoded.mean_rgb().into_iter().zip(seen.mean_rgb).all(near)
        && grid(decoded).into_iter().zip(seen.grid.iter().copied()).all(near)
}

/// The image averaged to 4 x 4 cells by a box: a pixel counts where its centre lies in the cell.
fn grid(decoded: &Decoded) -> Vec<f64> {
    let columns = cells(decoded.width as usize);
    let rows = cells(decoded.height as usize);
    let mut grid = Vec::new();
    for (row, column) in rows
        .iter()
        .flat_map(|row| columns.iter().map(move |column| (row, column)))
    {
        for channel in 0..3 {
            let place = |y: usize, x: usize| (y * decoded.width as usize + x) * 3 + channel;
            let values = row.clone().flat_map(|y| column.clone().map(move |x| (y, x)));
            let values: Vec<f64> = values.map(|(y, x)| f64::from(decoded.rgb[place(y, x)])).collect();
            grid.push(values.iter().sum::<f64>() / values.len() as f64);
        }
    }
    grid
}

fn cells(side: usize) -> Vec<std::ops::Range<usize>> {
    let scale = side as f64 / 4.0;
    let cell = |index: usize| {
        let (start, end) = (index as f64 * scale, (index + 1) as f64 * scale);
        let inside: Vec<usize> = (0..side)
            .filter(|x| {
                let center = *x as f64 + 0.5;
                center > start && center <= end
            })
            .collect();
        match (inside.first(), inside.last()) {
            (Some(first), Some(last)) => *first..last + 1,
            // Fewer than four pixels: the one that the cell's centre lies in.
            _ => {
                let nearest = ((start + end) / 2.0) as usize;
                nearest..nearest + 1
            }
        }
    };
    (0..4).map(cell).collect()
}
