//! Memory: a small file never takes more than one picture may, and many at once not more than all together may.

use crate::make::png::{self, BILEVEL, Layout};
use crate::make::{bmp, gif, jpeg, tiff, webp};
use crate::scene::{BASE_BYTES, Hostile, PICTURE_BYTES, SEQUENCE, run_among_good};

/// What may become of a picture of extreme sides: a sequence, or the word that it is too large.
const TOO_LARGE_OR_DONE: &[&str] = &[SEQUENCE, "too_many_pixels", "decode_timeout"];
/// Sides of exactly the most pixels that the default admits.
const MOST_PIXELS: u32 = 89_478_485;

/// Runs over good pairs with this one among them, within what one picture may take.
#[track_caller]
fn expect_bounded(bytes: Vec<u8>) {
    let hostile = Hostile {
        key: "large",
        bytes,
        allowed: TOO_LARGE_OR_DONE,
    };
    run_among_good(&[hostile], &[]).expect_peak_below(BASE_BYTES + PICTURE_BYTES);
}

#[test]
fn a_png_of_four_million_rows_is_bounded() {
    expect_bounded(png::black(1, 4_000_000, BILEVEL));
}

#[test]
fn a_bitmap_of_four_million_rows_is_bounded() {
    expect_bounded(bmp::empty_runs(1, 4_000_000));
}

#[test]
fn a_tiff_of_four_million_rows_is_bounded() {
    expect_bounded(tiff::black(1, 4_000_000));
}

#[test]
fn a_gif_of_the_most_rows_is_bounded() {
    expect_bounded(gif::plain(1, u16::MAX));
}

#[test]
fn a_webp_of_the_most_rows_is_bounded() {
    expect_bounded(webp::plain(1, 16_383));
}

#[test]
fn a_jpeg_of_the_most_rows_is_bounded() {
    expect_bounded(jpeg::plain(1, u16::MAX));
}

#[test]
fn a_png_of_the_most_rows_is_bounded() {
    expect_bounded(png::black(1, MOST_PIXELS, BILEVEL));
}

#[test]
fn a_png_of_the_most_columns_is_bounded() {
    expect_bounded(png::black(MOST_PIXELS, 1, BILEVEL));
}

#[test]
fn a_bitmap_of_the_most_rows_is_bounded() {
    expect_bounded(bmp::empty_runs(1, MOST_PIXELS as i32));
}

#[test]
fn a_bitmap_of_the_most_columns_is_bounded() {
    expect_bounded(bmp::empty_runs(MOST_PIXELS as i32, 1));
}

#[test]
fn a_bitmap_stored_top_down_is_bounded() {
    expect_bounded(bmp::empty_runs(1, -(MOST_PIXELS as i32)));
}

#[test]
fn a_tiff_of_the_most_rows_is_bounded() {
    expect_bounded(tiff::black(1, MOST_PIXELS));
}

#[test]
fn a_tiff_of_the_most_columns_is_bounded() {
    expect_bounded(tiff::black(MOST_PIXELS, 1));
}

#[test]
fn a_png_whose_rows_are_wider_than_its_pixels_is_bounded() {
    let deep = Layout {
        depth: 16,
        colour: 6,
        interlaced: false,
    };
    expect_bounded(png::black(9459, 9459, deep));
}

/// Every thread has one of them in work at one time, and more wait.
#[test]
fn many_large_pictures_at_once_take_no_more_than_all_together_may() {
    const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let file = png::black(1, 4_000_000, BILEVEL);
    let wide = png::black(9_000, 9_000, BILEVEL);
    let hostile = |(number, key): (usize, &'static str)| Hostile {
        key,
        bytes: [&file, &wide][number % 2].clone(),
        allowed: TOO_LARGE_OR_DONE,
    };
    let hostile: Vec<Hostile> = KEYS.into_iter().enumerate().map(hostile).collect();
    run_among_good(&hostile, &["--set", "image.max_memory=1073741824"])
        .expect_peak_below(BASE_BYTES + PICTURE_BYTES);
}
