//! Memory that a format's own machinery asks for: tables, passes, coefficients, tiles, profiles.

use crate::make::jpeg::Coding;
use crate::make::png::{self, Layout};
use crate::make::{jpeg, tiff, webp};
use crate::scene::{BASE_BYTES, Hostile, PICTURE_BYTES, SEQUENCE, run_among_good};

/// What may become of a picture that is legal and costly, or of which a decoder says that it is broken.
const ANY_WORD: &[&str] = &[SEQUENCE, "too_many_pixels", "decode_timeout", "corrupt_image"];

#[track_caller]
fn expect_bounded(bytes: Vec<u8>, allowed: &'static [&'static str], most_bytes: u64) {
    let hostile = Hostile {
        key: "costly",
        bytes,
        allowed,
    };
    run_among_good(&[hostile], &[]).expect_peak_below(BASE_BYTES + most_bytes);
}

#[test]
fn a_webp_of_65536_groups_of_codes_is_bounded() {
    expect_bounded(webp::code_groups(65_536), ANY_WORD, PICTURE_BYTES);
}

#[test]
fn an_interlaced_png_is_bounded() {
    let interlaced = Layout {
        depth: 8,
        colour: 2,
        interlaced: true,
    };
    expect_bounded(png::black(9_459, 9_459, interlaced), ANY_WORD, PICTURE_BYTES);
}

#[test]
fn an_interlaced_png_of_one_column_is_bounded() {
    let interlaced = Layout {
        depth: 1,
        colour: 0,
        interlaced: true,
    };
    expect_bounded(png::black(1, 40_000_000, interlaced), ANY_WORD, PICTURE_BYTES);
}

#[test]
fn a_progressive_jpeg_with_all_its_coefficients_is_bounded() {
    let file = jpeg::scans(Coding::Progressive, (9_400, 9_500), 3, 6);
    expect_bounded(file, ANY_WORD, PICTURE_BYTES);
}

#[test]
fn a_progressive_jpeg_of_four_components_is_bounded() {
    let file = jpeg::scans(Coding::Progressive, (9_400, 9_500), 4, 8);
    expect_bounded(file, ANY_WORD, PICTURE_BYTES);
}

#[test]
fn a_tile_far_larger_than_its_tiff_is_bounded() {
    expect_bounded(tiff::one_large_tile(16, 16, 30_000), ANY_WORD, PICTURE_BYTES);
}

#[test]
fn a_tiff_of_a_quarter_million_tiles_is_bounded() {
    expect_bounded(tiff::many_tiles(8_192), ANY_WORD, PICTURE_BYTES);
}

#[test]
fn a_tiff_whose_tags_state_four_billion_values_takes_nothing() {
    for tag in [258, 273, 279, 320, 347, 34_675] {
        expect_bounded(tiff::endless_tag(tag), ANY_WORD, 64 << 20);
    }
}

#[test]
fn a_colour_profile_that_unpacks_to_gigabytes_takes_little() {
    expect_bounded(png::profile_bomb(4 << 30), ANY_WORD, 128 << 20);
}

#[test]
fn texts_that_unpack_to_gigabytes_take_little() {
    expect_bounded(png::text_bombs(8, 1 << 30), ANY_WORD, 128 << 20);
}
