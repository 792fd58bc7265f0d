//! What the graphs compute on the way, against the golden arrays.

use img2tokens_vision::conformance::Golden;

use super::*;
use crate::{Provider, export};

fn tokenizer(golden: &Golden) -> OnnxTokenizer {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("exported");
    export(&golden.checkpoint, &directory).unwrap();
    let model = ExportedModel::open(&directory).unwrap();
    let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    let settings = Settings {
        selection: Selection::argmax(),
        features: true,
        threads: 2,
        provider: Provider::Cpu,
    };
    OnnxTokenizer::new(&model, &runtime, settings).unwrap()
}

fn mask(flags: &[u8]) -> KeepMask {
    KeepMask::from_bools(&flags.iter().map(|flag| *flag == 1).collect::<Vec<_>>())
}

/// Every number within `tolerance` of the expected one, relative to the largest of them.
fn expect_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let worst = found
        .iter()
        .zip(expected)
        .fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(
        worst <= tolerance * largest,
        "off by {worst} where the largest is {largest}"
    );
}

#[test]
fn features_and_log_probabilities_agree_to_a_ten_thousandth() {
    for golden in Golden::both() {
        let mut tokenizer = tokenizer(&golden);
        let width = golden.config().width;
        for sample in golden.samples() {
            let encoded = tokenizer.encode(&sample.picture).unwrap();
            // Behind the class token.
            expect_close(
                &encoded.features,
                &sample.arrays.f32("encoder_features")[width..],
                1e-4,
            );
            let logp = sample.arrays.f32("logp");
            let pairs = encoded.log_probabilities.as_flattened().iter().zip(&logp);
            let worst = pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(worst <= 1e-4, "{}: off by {worst}", sample.picture.key);
        }
    }
}

/// On the published masks; a picture of which nothing is kept has no merged features that mean anything.
#[test]
fn merged_features_and_z_agree_to_a_thousandth() {
    for golden in Golden::both() {
        let mut tokenizer = tokenizer(&golden);
        let (width, code_dim) = (golden.config().width, golden.config().code_dim);
        for (sample, case) in golden
            .samples()
            .iter()
            .flat_map(|sample| [(sample, "argmax"), (sample, "gumbel")])
        {
            let kept = mask(sample.arrays.u8(&format!("keep_{case}")));
            if kept.kept() == 0 {
                continue;
            }
            let features = tokenizer.encode(&sample.picture).unwrap().features;
            let quantised = tokenizer.quantise(&features, &kept).unwrap();
            let merged = sample.arrays.f32(&format!("merged_{case}"));
            expect_close(
                &rows_at(&kept, &quantised.merged, width),
                &rows_at(&kept, &merged, width),
                1e-3,
            );
            let z = sample.arrays.f32(&format!("z_{case}"));
            expect_close(&rows_at(&kept, &quantised.z, code_dim), &z, 1e-3);
        }
    }
}

#[test]
fn features_are_the_merged_ones_of_kept_patches_in_half_precision() {
    let golden = Golden::open("small_b");
    let mut tokenizer = tokenizer(&golden);
    let width = golden.config().width;
    for sample in golden.samples() {
        let made = tokenizer.tokenize_one(0, &sample.picture).unwrap();
        let kept = mask(sample.arrays.u8("keep_argmax"));
        let features = made.features.unwrap();
        assert_eq!((features.rows(), features.width()), (kept.kept(), width));
        if kept.kept() > 0 {
            let found: Vec<f32> = features.values().iter().map(|value| f32::from(*value)).collect();
            let expected = rows_at(&kept, &sample.arrays.f32("merged_argmax"), width);
            expect_close(&found, &expected, 2e-3);
        }
    }
}
