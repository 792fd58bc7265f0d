//! The backends' common suite on a GPU, with either merger; what 16 bits cost there; and tokenizers that share a device.
//!
//! `cargo test --release -p img2tokens-vision-cuda -- --ignored`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is a failed test"
)]

use img2tokens_schemas::VisualTokens;
use img2tokens_vision::conformance::{self, Golden};
use img2tokens_vision::{Checkpoint, Dtype, Extras, Merger, Picture, PixelBatch, Selection, VisualTokenizer};
use img2tokens_vision_cuda::{Batch, Card, CudaTokenizer, Settings};

fn tokenizers(
    checkpoint: &Checkpoint,
    selection: Selection,
    merger: Merger,
    dtype: Dtype,
) -> Vec<CudaTokenizer> {
    let settings = Settings {
        dtype,
        selection,
        merger,
        extras: Extras::default(),
        // Batches of the suite are larger and smaller.
        batch: Batch::Exactly(3),
        workers: 2,
    };
    CudaTokenizer::load(&Card::open(0).expect("a GPU"), checkpoint, &settings).unwrap()
}

fn in_f32(merger: Merger) -> impl Fn(&Checkpoint, Selection) -> Box<dyn VisualTokenizer> {
    move |checkpoint, selection| {
        let mut made = tokenizers(checkpoint, selection, merger, Dtype::F32);
        Box::new(made.remove(0))
    }
}

#[test]
#[ignore = "needs a GPU"]
fn the_common_suite_passes_with_either_merger() {
    for merger in [Merger::Full, Merger::Packed] {
        let make = in_f32(merger);
        conformance::codes_and_masks_under_argmax(&make);
        conformance::codes_and_masks_under_given_noise(&make);
        conformance::codes_of_edge_masks(&make);
        conformance::ids_depend_on_no_neighbour(&make);
        conformance::gumbel_ids_depend_on_the_key_alone(&make);
        conformance::published_files_give_the_ids_of_safetensors(&make);
        conformance::a_picture_of_another_size_is_refused(&make);
    }
}

fn pictures(golden: &Golden) -> Vec<Picture> {
    let samples = golden.samples().into_iter();
    samples.map(|sample| sample.picture).collect()
}

fn tokens(tokenizer: &mut CudaTokenizer, golden: &Golden) -> Vec<VisualTokens> {
    let batch = PixelBatch::new(pictures(golden)).unwrap();
    let made = tokenizer.tokenize(&batch).unwrap().into_iter();
    made.map(|picture| picture.unwrap().tokens).collect()
}

/// The share of patches that both keep or drop.
fn same_bits(a: &[VisualTokens], b: &[VisualTokens]) -> f64 {
    let bits = |tokens: &[VisualTokens]| -> Vec<bool> {
        let masks = tokens.iter().map(VisualTokens::kept);
        masks
            .flat_map(|mask| (0..mask.patches()).map(|patch| mask.is_kept(patch)))
            .collect()
    };
    let (a, b) = (bits(a), bits(b));
    let same = a.iter().zip(&b).filter(|(a, b)| a == b).count();
    same as f64 / a.len() as f64
}

#[test]
#[ignore = "needs a GPU"]
fn sixteen_bits_keep_most_patches_and_give_the_same_ids_in_any_company() {
    for golden in Golden::both() {
        let first = |dtype, merger| {
            let mut made = tokenizers(&golden.checkpoint, Selection::argmax(), merger, dtype);
            made.remove(0)
        };
        let exact = tokens(&mut first(Dtype::F32, Merger::Full), &golden);
        for (dtype, least) in [(Dtype::Bf16, 0.97), (Dtype::F16, 0.99)] {
            for merger in [Merger::Full, Merger::Packed] {
                let mut tokenizer = first(dtype, merger);
                let together = tokens(&mut tokenizer, &golden);
                let same = same_bits(&exact, &together);
                assert!(same >= least, "{} {same}", dtype.name());
                let alone: Vec<_> = pictures(&golden)
                    .into_iter()
                    .flat_map(|picture| {
                        tokenizer
                            .tokenize(&PixelBatch::new(vec![picture]).unwrap())
                            .unwrap()
                    })
                    .map(|picture| picture.unwrap().tokens)
                    .collect();
                assert_eq!(alone, together);
            }
        }
    }
}

/// Both work at once, on streams of their own, again and again: each result is that of one alone.
#[test]
#[ignore = "needs a GPU"]
fn tokenizers_of_one_device_do_not_disturb_each_other() {
    let golden = Golden::open("small_a");
    let made = || {
        tokenizers(
            &golden.checkpoint,
            Selection::argmax(),
            Merger::Packed,
            Dtype::Bf16,
        )
    };
    let expected = tokens(&mut made().remove(0), &golden);
    std::thread::scope(|threads| {
        for mut tokenizer in made() {
            let (golden, expected) = (&golden, &expected);
            threads.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(tokens(&mut tokenizer, golden), *expected);
                }
            });
        }
    });
}
