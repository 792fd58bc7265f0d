//! What a tokenizer gives beside tokens.

#![expect(clippy::unwrap_used, reason = "tests end by panicking")]

use img2tokens_schemas::Pixels;
use img2tokens_vision::conformance::Golden;
use img2tokens_vision::{
    Checkpoint, Dtype, Extras, FeatureMerger, Merger, ModelSource, Picture, PixelBatch, Selection,
    TokenizedPicture, VisualTokenizer,
};
use img2tokens_vision_candle::{CandleTokenizer, Settings};

fn settings(extras: Extras) -> Settings {
    Settings {
        dtype: Dtype::F32,
        selection: Selection::argmax(),
        merger: Merger::Full,
        extras,
        threads: 2,
    }
}

fn tokenize(checkpoint: &Checkpoint, extras: Extras) -> Vec<TokenizedPicture> {
    let pictures = Golden::open("small_a").samples();
    let pictures = pictures.into_iter().map(|sample| sample.picture).collect();
    let mut tokenizer = CandleTokenizer::new(checkpoint, settings(extras)).unwrap();
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
    let made = tokenize(&golden.checkpoint, features(FeatureMerger::Tokenizer));
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
    let plain = tokenize(&nano, Extras::default());
    let own = tokenize(&nano, features(FeatureMerger::Tokenizer));
    let all = Extras {
        features: Some(FeatureMerger::LanguageModel),
        reconstruction: true,
    };
    let tuned = tokenize(&nano, all);
    for ((plain, own), tuned) in plain.iter().zip(&own).zip(&tuned) {
        assert_eq!((&plain.tokens, &plain.features), (&own.tokens, &None));
        assert_eq!(plain.tokens, tuned.tokens);
        assert_ne!(own.features, tuned.features);
        assert_eq!(plain.reconstruction, None);
        let cosine = tuned.reconstruction.unwrap();
        assert!((-1.0..=1.0).contains(&cosine), "{cosine}");
    }
}

/// small_a with a weight of the patch embedding so large that bright red overflows float32, and grey does not.
fn overflowing(directory: &std::path::Path) -> Checkpoint {
    let golden = Golden::open("small_a").directory;
    std::fs::copy(golden.join("config.json"), directory.join("config.json")).unwrap();
    let mut file = std::fs::read(golden.join("model.safetensors")).unwrap();
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let offset = &header["encoder.patch_embed.proj.weight"]["data_offsets"][0];
    let first = 8 + length + offset.as_u64().unwrap() as usize;
    file[first..first + 4].copy_from_slice(&3e38_f32.to_le_bytes());
    std::fs::write(directory.join("model.safetensors"), file).unwrap();
    let source = ModelSource::Directory {
        path: directory.to_owned(),
        config: None,
    };
    Checkpoint::open(&source).unwrap()
}

#[test]
fn a_picture_whose_numbers_overflow_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = overflowing(directory.path());
    let picture = |level: u8| Picture {
        key: level.to_string(),
        pixels: Pixels::new(224, vec![level; 224 * 224 * 3]).unwrap(),
    };
    let batch = PixelBatch::new([123, 255, 123].map(picture).to_vec()).unwrap();
    let mut tokenizer = CandleTokenizer::new(&checkpoint, settings(Extras::default())).unwrap();
    let made = tokenizer.tokenize(&batch).unwrap();
    assert_eq!(
        made.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true]
    );
    assert_eq!(made[0], made[2]);
}
