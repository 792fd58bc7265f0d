//! What every backend must do.

use img2tokens_schemas::{Pixels, VisualTokens};

use super::golden::{Golden, Sample, golden_directory, tokens};
use super::{Make, Npz};
use crate::{Checkpoint, ModelSource, Picture, PixelBatch, Selection, VisionError, VisualTokenizer};

fn tokenize(tokenizer: &mut dyn VisualTokenizer, pictures: Vec<Picture>) -> Vec<VisualTokens> {
    let made = tokenizer.tokenize(&PixelBatch::new(pictures).unwrap()).unwrap();
    made.into_iter().map(|picture| picture.unwrap().tokens).collect()
}

fn pictures(samples: &[Sample]) -> Vec<Picture> {
    samples.iter().map(|sample| sample.picture.clone()).collect()
}

/// Noise pairs from a flat array `[N, 2]`.
fn pairs(flat: &[f32]) -> Vec<[f32; 2]> {
    flat.as_chunks().0.to_vec()
}

fn given(noise: Vec<Vec<[f32; 2]>>) -> Selection {
    Selection::given(noise)
}

fn expect_case(samples: &[Sample], found: &[VisualTokens], case: &str) {
    assert_eq!(samples.len(), found.len());
    for (sample, found) in samples.iter().zip(found) {
        assert_eq!(
            *found,
            tokens(&sample.arrays, case),
            "{} {case}",
            sample.picture.key
        );
    }
}

/// Every code and every mask bit of the published code, without noise.
pub fn codes_and_masks_under_argmax(make: Make<'_>) {
    for golden in Golden::both() {
        let samples = golden.samples();
        let mut tokenizer = make(&golden.checkpoint, Selection::argmax());
        assert_eq!(tokenizer.config(), golden.config());
        expect_case(&samples, &tokenize(&mut *tokenizer, pictures(&samples)), "argmax");
    }
}

/// Every code and every mask bit, with the noise that the published code drew.
pub fn codes_and_masks_under_given_noise(make: Make<'_>) {
    for golden in Golden::both() {
        let samples = golden.samples();
        let noise = samples
            .iter()
            .map(|sample| pairs(&sample.arrays.f32("gumbel")))
            .collect();
        let mut tokenizer = make(&golden.checkpoint, given(noise));
        expect_case(&samples, &tokenize(&mut *tokenizer, pictures(&samples)), "gumbel");
    }
}

/// All kept, none, one, all but one: noise beyond any log-probability makes the mask.
pub fn codes_of_edge_masks(make: Make<'_>) {
    const FORCE: f32 = 1e6;
    for golden in Golden::both() {
        for name in ["astronaut", "chelsea"] {
            let edges: Npz = golden.arrays(&format!("edge_{name}"));
            let cases = ["all", "none", "one_first", "one_last", "one_mid", "all_but_one"];
            let force = |case: &&str| -> Vec<[f32; 2]> {
                let keep = edges.u8(&format!("keep_{case}")).iter();
                keep.map(|kept| if *kept == 1 { [FORCE, 0.0] } else { [0.0, FORCE] })
                    .collect()
            };
            let mut tokenizer = make(&golden.checkpoint, given(cases.iter().map(force).collect()));
            let found = tokenize(&mut *tokenizer, vec![golden.sample(name).picture; cases.len()]);
            for (case, found) in cases.iter().zip(found) {
                assert_eq!(found, tokens(&edges, case), "{name} {case}");
            }
        }
    }
}

/// A picture's tokens are the same alone, in any company, at any place.
pub fn ids_depend_on_no_neighbour(make: Make<'_>) {
    let golden = Golden::open("small_a");
    let all = pictures(&golden.samples());
    let mut tokenizer = make(&golden.checkpoint, Selection::argmax());
    let together = tokenize(&mut *tokenizer, all.clone());
    let alone: Vec<_> = all
        .iter()
        .flat_map(|one| tokenize(&mut *tokenizer, vec![one.clone()]))
        .collect();
    assert_eq!(alone, together);
    let mut reversed = tokenize(&mut *tokenizer, all.iter().rev().cloned().collect());
    reversed.reverse();
    assert_eq!(reversed, together);
    let sevens: Vec<_> = all
        .chunks(7)
        .flat_map(|some| tokenize(&mut *tokenizer, some.to_vec()))
        .collect();
    assert_eq!(sevens, together);
}

/// Drawn noise follows the sample's key and the seed: not the place in the batch, nor the pixels.
pub fn gumbel_ids_depend_on_the_key_alone(make: Make<'_>) {
    let golden = Golden::open("small_a");
    let all = pictures(&golden.samples());
    let mut tokenizer = make(&golden.checkpoint, Selection::gumbel(11));
    let together = tokenize(&mut *tokenizer, all.clone());
    let mut reversed = tokenize(&mut *tokenizer, all.iter().rev().cloned().collect());
    reversed.reverse();
    assert_eq!(reversed, together);
    let mut again = make(&golden.checkpoint, Selection::gumbel(11));
    assert_eq!(tokenize(&mut *again, all.clone()), together);
    let mut other_seed = make(&golden.checkpoint, Selection::gumbel(12));
    assert_ne!(tokenize(&mut *other_seed, all.clone()), together);
    let renamed = all
        .into_iter()
        .map(|picture| Picture {
            key: format!("{}'", picture.key),
            ..picture
        })
        .collect();
    assert_ne!(tokenize(&mut *again, renamed), together);
}

/// The two PyTorch files of a LaVIT directory are the same model as their safetensors form.
pub fn published_files_give_the_ids_of_safetensors(make: Make<'_>) {
    let golden = Golden::open("small_a");
    let path = golden_directory().join("small_a_bins");
    let source = ModelSource::Directory {
        path,
        config: Some(golden.config().clone()),
    };
    let checkpoint = Checkpoint::open(&source).unwrap();
    assert_eq!(checkpoint.digest().unwrap(), golden.checkpoint.digest().unwrap());
    let samples = golden.samples();
    let mut tokenizer = make(&checkpoint, Selection::argmax());
    expect_case(&samples, &tokenize(&mut *tokenizer, pictures(&samples)), "argmax");
}

/// A batch for another model is an error, not a wrong answer.
pub fn a_picture_of_another_size_is_refused(make: Make<'_>) {
    let golden = Golden::open("small_b");
    let mut tokenizer = make(&golden.checkpoint, Selection::argmax());
    let pixels = Pixels::new(224, vec![0; 224 * 224 * 3]).unwrap();
    let batch = PixelBatch::new(vec![Picture {
        key: "large".to_owned(),
        pixels,
    }])
    .unwrap();
    let refused = tokenizer.tokenize(&batch);
    assert!(
        matches!(
            refused,
            Err(VisionError::PictureSize {
                expected: 112,
                found: 224
            })
        ),
        "{refused:?}"
    );
}
