//! Time: a small file costs its own seconds and no more, whatever its headers ask for.

use crate::confined::Ended;
use crate::make::jpeg::{self, Coding};
use crate::make::png::{self, BILEVEL, Layout};
use crate::make::{gif, tiff, webp};
use crate::scene::{BASE_CPU_S, Hostile, SEQUENCE, run_among_good};

/// What may become of a file that is legal and slow.
const ANY_WORD: &[&str] = &[SEQUENCE, "too_many_pixels", "decode_timeout", "corrupt_image"];
/// Seconds of processor time that one picture may take where the default limit is 5: that is counted for a machine of
/// known speed, and this may be a slower one.
const PICTURE_CPU_S: f64 = 12.0;

fn run_among(key: &'static str, bytes: Vec<u8>) -> Ended {
    run_among_good(
        &[Hostile {
            key,
            bytes,
            allowed: ANY_WORD,
        }],
        &[],
    )
}

#[track_caller]
fn expect_bounded(bytes: Vec<u8>) {
    run_among("slow", bytes).expect_cpu_below(BASE_CPU_S + PICTURE_CPU_S);
}

#[test]
fn tables_that_a_thousand_strips_share_are_not_parsed_for_each() {
    expect_bounded(tiff::shared_jpeg_tables(1_000, 900_000));
}

#[test]
fn large_tables_that_many_strips_share_are_not_parsed_for_each() {
    expect_bounded(tiff::shared_jpeg_tables(8_000, 9_000_000));
}

#[test]
fn an_arithmetic_jpeg_of_a_hundred_scans_is_bounded() {
    expect_bounded(jpeg::scans(Coding::ProgressiveArithmetic, (9_400, 9_500), 1, 100));
}

#[test]
fn a_progressive_jpeg_of_a_hundred_scans_is_bounded() {
    expect_bounded(jpeg::scans(Coding::Progressive, (9_400, 9_500), 1, 100));
}

#[test]
fn a_progressive_jpeg_of_scans_without_end_is_bounded() {
    expect_bounded(jpeg::scans(Coding::Progressive, (9_400, 9_500), 3, 100_000));
}

#[test]
fn frames_after_the_first_cost_nothing() {
    expect_bounded(gif::frames(1_000, 1_000, 30));
}

#[test]
fn a_webp_of_many_groups_of_codes_is_bounded() {
    expect_bounded(webp::code_groups(8_192));
}

#[test]
fn a_png_of_a_million_chunks_is_bounded() {
    expect_bounded(png::with_chunks(&vec![(b"tEXt", b"k\0".to_vec()); 1_000_000]));
}

#[test]
fn deep_rows_are_bounded() {
    let deep = Layout {
        depth: 16,
        colour: 6,
        interlaced: true,
    };
    expect_bounded(png::black(8_000, 8_000, deep));
}

/// What is slow enough to be refused costs what it takes to read its headers, so the run does not feel it.
#[test]
fn a_few_slow_files_among_good_ones_do_not_halve_a_run() {
    const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let quick = |key| Hostile {
        key,
        bytes: png::black(64, 64, BILEVEL),
        allowed: &[SEQUENCE],
    };
    let without = run_among_good(&KEYS.map(quick), &[]);
    const REFUSED: &[&str] = &["decode_timeout", "too_many_pixels", "corrupt_image"];
    let slow = |key: &'static str| {
        let (bytes, allowed) = match key {
            // Of the tables those that count are read once.
            "a" | "b" => (
                tiff::shared_jpeg_tables(2_000, 5_000_000),
                &[SEQUENCE, "decode_timeout"][..],
            ),
            "c" | "d" => (
                jpeg::scans(Coding::ProgressiveArithmetic, (9_400, 9_500), 1, 1_000),
                REFUSED,
            ),
            _ => (
                jpeg::scans(Coding::Progressive, (9_400, 9_500), 3, 10_000),
                REFUSED,
            ),
        };
        Hostile { key, bytes, allowed }
    };
    let with = run_among_good(&KEYS.map(slow), &[]);
    with.expect_cpu_below(2.0 * without.cpu_s + 2.0);
}
