//! What reduced precision costs, on the golden pictures: most ids stay.

#![expect(clippy::unwrap_used, reason = "tests end by panicking")]

use img2tokens_schemas::VisualTokens;
use img2tokens_vision::conformance::Golden;
use img2tokens_vision::{Dtype, Extras, Merger, PixelBatch, Selection, VisualTokenizer};
use img2tokens_vision_candle::{CandleTokenizer, Settings};

fn tokens(golden: &Golden, dtype: Dtype) -> Vec<VisualTokens> {
    let settings = Settings {
        dtype,
        selection: Selection::argmax(),
        merger: Merger::Full,
        extras: Extras::default(),
        threads: 2,
    };
    let mut tokenizer = CandleTokenizer::new(&golden.checkpoint, settings).unwrap();
    let pictures = golden
        .samples()
        .into_iter()
        .map(|sample| sample.picture)
        .collect();
    let made = tokenizer.tokenize(&PixelBatch::new(pictures).unwrap()).unwrap();
    made.into_iter().map(|picture| picture.unwrap().tokens).collect()
}

/// The share of mask bits that agree, and of codes at patches that both keep.
fn agreement(exact: &[VisualTokens], reduced: &[VisualTokens]) -> (f64, f64) {
    let (mut bits, mut same_bits, mut both, mut same_codes) = (0, 0, 0, 0);
    for (exact, reduced) in exact.iter().zip(reduced) {
        let codes = |tokens: &VisualTokens| -> Vec<Option<u16>> {
            let mut codes = tokens.codes().iter().copied();
            (0..tokens.kept().patches())
                .map(|patch| tokens.kept().is_kept(patch).then(|| codes.next().unwrap()))
                .collect()
        };
        for (exact, reduced) in codes(exact).into_iter().zip(codes(reduced)) {
            bits += 1;
            same_bits += usize::from(exact.is_some() == reduced.is_some());
            both += usize::from(exact.is_some() && reduced.is_some());
            same_codes += usize::from(exact.is_some() && exact == reduced);
        }
    }
    (
        f64::from(same_bits as u32) / f64::from(bits),
        f64::from(same_codes as u32) / f64::from(both as u32),
    )
}

fn expect_agreement(dtype: Dtype, least_bits: f64, least_codes: f64) {
    let rounded = Golden::both().map(|golden| {
        let (exact, reduced) = (tokens(&golden, Dtype::F32), tokens(&golden, dtype));
        let (bits, codes) = agreement(&exact, &reduced);
        println!("{}: mask bits {bits:.4}, codes {codes:.4}", dtype.name());
        assert!(
            bits >= least_bits && codes >= least_codes,
            "bits {bits}, codes {codes}"
        );
        exact != reduced
    });
    assert!(rounded.contains(&true), "nothing was rounded");
}

#[test]
fn bf16_keeps_most_ids() {
    expect_agreement(Dtype::Bf16, 0.97, 0.85);
}

#[test]
fn f16_keeps_nearly_all_ids() {
    expect_agreement(Dtype::F16, 0.99, 0.97);
}
