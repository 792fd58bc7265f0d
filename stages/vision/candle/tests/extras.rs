//! What a tokenizer gives beside tokens.

#![expect(clippy::unwrap_used, reason = "tests end by panicking")]

use img2tokens_vision::conformance::Golden;
use img2tokens_vision::{
    Checkpoint, Dtype, Extras, FeatureMerger, Merger, ModelSource, PixelBatch, Selection, TokenizedPicture,
    VisualTokenizer,
};
use img2tokens_vision_candle::{CandleTokenizer, Settings};

fn tokenize(checkpoint: &Checkpoint, extras: Extras, dtype: Dtype) -> Vec<TokenizedPicture> {
    let settings = Settings {
        dtype,
        selection: Selection::argmax(),
        merger: Merger::Full,
        extras,
        threads: 2,
    };
    let pictures = Golden::open("small_a").samples();
    let pictures = pictures.into_iter().map(|sample| sample.picture).collect();
    let mut tokenizer = CandleTokenizer::new(checkpoint, settings).unwrap();
    let made = tokenizer.tokenize(&PixelBatch::new(pictures).unwrap()).unwrap();
    made.into_iter().map(Result::unwrap).collect()
}

fn features(merger: FeatureMerger) -> Extras {
    Extras {
        features: Some(merger),
        reconstruction: false,
    }
}

#[test]
fn features_are_the_published_merged_ones_rounded_once() {
    let golden = Golden::open("small_a");
    let made = tokenize(&golden.checkpoint, features(FeatureMerger::Tokenizer), Dtype::F32);
    for (sample, made) in golden.samples().iter().zip(&made) {
        let merged = sample.arrays.f32("merged_argmax");
        let width = golden.config().width;
        let found = made.features.as_ref().unwrap();
        assert_eq!((found.rows(), found.width()), (made.tokens.codes().len(), width));
        let expected = made
            .tokens
            .kept()
            .kept_patches()
            .flat_map(|patch| &merged[patch * width..][..width]);
        for (found, expected) in found.values().iter().zip(expected) {
            assert!(
                (found.to_f32() - expected).abs() <= 1e-3 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
    }
}

#[test]
fn extras_change_no_token_and_the_language_models_merger_gives_other_features() {
    let nano = Checkpoint::open(&ModelSource::Nano).unwrap();
    let plain = tokenize(&nano, Extras::default(), Dtype::F32);
    let own = tokenize(&nano, features(FeatureMerger::Tokenizer), Dtype::F32);
    let all = Extras {
        features: Some(FeatureMerger::LanguageModel),
        reconstruction: true,
    };
    let tuned = tokenize(&nano, all, Dtype::F32);
    for ((plain, own), tuned) in plain.iter().zip(&own).zip(&tuned) {
        assert_eq!((&plain.tokens, &plain.features), (&own.tokens, &None));
        assert_eq!(plain.tokens, tuned.tokens);
        assert_ne!(own.features, tuned.features);
        assert_eq!(plain.reconstruction, None);
        let cosine = tuned.reconstruction.unwrap();
        assert!((-1.0..=1.0).contains(&cosine), "{cosine}");
    }
}
