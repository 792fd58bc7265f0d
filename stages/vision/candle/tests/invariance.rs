//! Ids depend on no batch: any pictures in any order, in any company, on any number of threads.

#![expect(clippy::unwrap_used, reason = "tests end by panicking")]

use std::sync::OnceLock;

use img2tokens_schemas::{Pixels, VisualTokens};
use img2tokens_vision::{
    Checkpoint, Dtype, Extras, Merger, ModelSource, Picture, PixelBatch, Selection, VisualTokenizer,
};
use img2tokens_vision_candle::{CandleTokenizer, Settings};
use proptest::prelude::*;

const POOL: usize = 12;

fn tokenizer(merger: Merger, dtype: Dtype, threads: usize) -> CandleTokenizer {
    let checkpoint = Checkpoint::open(&ModelSource::Nano).unwrap();
    let settings = Settings {
        dtype,
        selection: Selection::gumbel(5),
        merger,
        extras: Extras::default(),
        threads,
    };
    CandleTokenizer::new(&checkpoint, settings).unwrap()
}

/// Smooth random pictures.
fn picture(number: usize) -> Picture {
    let wave =
        |x: usize, y: usize, c: usize| ((x * (number + 1) + y * (c + 2)) / 3 + x * y / (40 + number)) as u8;
    let rgb = (0..224 * 224 * 3)
        .map(|at| wave(at / 3 % 224, at / 672, at % 3))
        .collect();
    Picture {
        key: format!("picture {number}"),
        pixels: Pixels::new(224, rgb).unwrap(),
    }
}

fn batch(numbers: &[usize]) -> PixelBatch {
    PixelBatch::new(numbers.iter().map(|number| picture(*number)).collect()).unwrap()
}

fn tokens(tokenizer: &mut CandleTokenizer, numbers: &[usize]) -> Vec<VisualTokens> {
    let made = tokenizer.tokenize(&batch(numbers)).unwrap();
    made.into_iter().map(|picture| picture.unwrap().tokens).collect()
}

/// Each picture alone, on one thread.
fn alone(merger: Merger, dtype: Dtype) -> Vec<VisualTokens> {
    let mut tokenizer = tokenizer(merger, dtype, 1);
    (0..POOL)
        .map(|number| tokens(&mut tokenizer, &[number]).remove(0))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn any_batch_gives_each_picture_its_own_tokens(
        numbers in proptest::collection::vec(0..POOL, 1..10),
        threads in 1..4_usize,
        packed in any::<bool>(),
        reduced in any::<bool>(),
    ) {
        static ALONE: OnceLock<Vec<Vec<VisualTokens>>> = OnceLock::new();
        let merger = if packed { Merger::Packed } else { Merger::Full };
        let dtype = if reduced { Dtype::Bf16 } else { Dtype::F32 };
        let all = ALONE.get_or_init(|| {
            [Dtype::F32, Dtype::Bf16].iter().flat_map(|dtype| [alone(Merger::Full, *dtype), alone(Merger::Packed, *dtype)]).collect()
        });
        let expected = &all[usize::from(reduced) * 2 + usize::from(packed)];
        let found = tokens(&mut tokenizer(merger, dtype, threads), &numbers);
        for (number, found) in numbers.iter().zip(&found) {
            prop_assert_eq!(found, &expected[*number]);
            prop_assert_eq!(found.kept().kept(), found.codes().len());
            prop_assert!(found.codes().iter().all(|code| *code < 1024));
        }
    }
}
