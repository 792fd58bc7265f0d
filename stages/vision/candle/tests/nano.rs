//! The generated model is of use: pictures of every kind keep some patches and get codes of their own.

#![expect(clippy::unwrap_used, reason = "tests end by panicking")]

use std::collections::HashSet;

use img2tokens_schemas::{Pixels, VisualTokens};
use img2tokens_vision::conformance::Golden;
use img2tokens_vision::{
    Checkpoint, Dtype, Extras, Merger, ModelSource, Picture, PixelBatch, Selection, VisualTokenizer,
};
use img2tokens_vision_candle::{CandleTokenizer, Settings};

const SIDE: usize = 224;

/// A picture whose pixel at (x, y) is `paint(x, y)`.
fn painted(key: String, paint: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
    let rgb = (0..SIDE * SIDE)
        .flat_map(|at| paint(at % SIDE, at / SIDE))
        .collect();
    Picture {
        key,
        pixels: Pixels::new(SIDE as u32, rgb).unwrap(),
    }
}

/// Photographs, plain colours, gradients, stripes, discs and noise.
fn diverse_pictures() -> Vec<Picture> {
    let mut pictures: Vec<_> = Golden::open("small_a")
        .samples()
        .into_iter()
        .map(|sample| sample.picture)
        .collect();
    let colours = [
        [0, 0, 0],
        [255, 255, 255],
        [200, 30, 40],
        [20, 90, 220],
        [90, 160, 60],
        [240, 220, 90],
    ];
    for (number, colour) in colours.into_iter().enumerate() {
        let other = colours[(number + 2) % colours.len()];
        let name = |kind: &str| format!("{kind} {number}");
        let centre = (60 + 20 * number, 90 + 10 * number);
        pictures.push(painted(name("plain"), |_, _| colour));
        pictures.push(painted(name("gradient"), |x, y| {
            std::array::from_fn(|c| {
                ((usize::from(colour[c]) * x + usize::from(other[c]) * y) / (2 * SIDE)) as u8
            })
        }));
        pictures.push(painted(name("stripes"), |x, y| {
            if (x + y * number) / 17 % 2 == 0 {
                colour
            } else {
                other
            }
        }));
        pictures.push(painted(name("disc"), |x, y| {
            if x.abs_diff(centre.0).pow(2) + y.abs_diff(centre.1).pow(2) < 3600 {
                colour
            } else {
                other
            }
        }));
        pictures.push(painted(name("noise"), |x, y| {
            let bits = (x * 7919 + y * 104_729 + number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            [bits as u8, (bits >> 8) as u8, (bits >> 16) as u8]
        }));
    }
    pictures
}

fn tokens() -> Vec<VisualTokens> {
    let checkpoint = Checkpoint::open(&ModelSource::Nano).unwrap();
    let settings = Settings {
        dtype: Dtype::F32,
        selection: Selection::argmax(),
        merger: Merger::Full,
        extras: Extras::default(),
        threads: 2,
    };
    let mut tokenizer = CandleTokenizer::new(&checkpoint, settings).unwrap();
    tokenizer
        .tokenize(&PixelBatch::new(diverse_pictures()).unwrap())
        .unwrap()
        .into_iter()
        .map(|picture| picture.unwrap().tokens)
        .collect()
}

#[test]
fn pictures_keep_about_a_third_of_their_patches() {
    let shares: Vec<f64> = tokens()
        .iter()
        .map(|tokens| tokens.codes().len() as f64 / 256.0)
        .collect();
    println!("{shares:.2?}");
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!((0.25..0.42).contains(&mean), "{mean} of all");
    assert!(
        shares.iter().all(|share| (0.05..0.8).contains(share)),
        "{shares:.2?}"
    );
    let spread =
        (shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / shares.len() as f64).sqrt();
    assert!(spread > 0.05, "all the same: {spread}");
}

#[test]
fn pictures_differ_in_their_codes() {
    let tokens = tokens();
    let all: HashSet<u16> = tokens.iter().flat_map(|tokens| tokens.codes().to_vec()).collect();
    println!("{} codes", all.len());
    assert!(all.len() > 200, "{} different codes in all", all.len());
    let sequences: HashSet<&[u16]> = tokens.iter().map(VisualTokens::codes).collect();
    assert_eq!(sequences.len(), tokens.len());
}
