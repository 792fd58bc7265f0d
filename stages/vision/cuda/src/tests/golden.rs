//! The golden data through the model: every code and mask bit of the published code in float32, on the twins and on the
//! emulated kernels; and what 16 bits cost.

use half::{bf16, f16};
use img2tokens_vision::conformance::Golden;
use img2tokens_vision::{
    Checkpoint, FeatureMerger, Merger, ModelConfig, NotFinite, PartSeconds, Picture, PixelBatch, Selection,
    TokenizedPicture, VisionError, VisualTokenizer,
};

use crate::device::Device;
use crate::emulated::Emulated;
use crate::model::{Model, Plan, Room};
use crate::number::Element;
use crate::twin::Twin;

/// A tokenizer on any device.
struct On<D: Device, E: Element> {
    config: ModelConfig,
    device: D,
    model: Model<D, E>,
    room: Room<D, E>,
    selection: Selection,
}

impl<D: Device, E: Element> On<D, E> {
    fn new(device: D, checkpoint: &Checkpoint, selection: Selection, plan: (Merger, usize)) -> Self {
        let plan = Plan {
            merger: plan.0,
            features: Some(FeatureMerger::Tokenizer),
            pictures: plan.1,
        };
        Self {
            config: checkpoint.config().clone(),
            model: Model::new(&device, checkpoint, plan).unwrap(),
            room: Room::new(&device, checkpoint.config(), plan.pictures).unwrap(),
            device,
            selection,
        }
    }
}

impl<D: Device + Send, E: Element> VisualTokenizer for On<D, E> {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn tokenize(
        &mut self,
        batch: &PixelBatch,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError> {
        batch.expect_size(self.config.image_size)?;
        let mut made = Vec::new();
        let step = self.room.pictures;
        for (number, some) in batch.pictures().chunks(step).enumerate() {
            let (some, mut seconds) = ((number * step, some), PartSeconds::default());
            let (room, selection) = (&mut self.room, &self.selection);
            made.extend(
                self.model
                    .step(&self.device, room, some, selection, &mut seconds)?,
            );
        }
        Ok(made)
    }
}

fn twin(checkpoint: &Checkpoint, selection: Selection, merger: Merger) -> Box<dyn VisualTokenizer> {
    // Batches of the suite are larger and smaller.
    Box::new(On::<_, f32>::new(Twin, checkpoint, selection, (merger, 3)))
}

mod full {
    use super::*;
    img2tokens_vision::conformance_suite!(|checkpoint: &Checkpoint, selection| twin(
        checkpoint,
        selection,
        Merger::Full
    ));
}

mod packed {
    use super::*;
    img2tokens_vision::conformance_suite!(|checkpoint: &Checkpoint, selection| twin(
        checkpoint,
        selection,
        Merger::Packed
    ));
}

fn pictures(golden: &Golden, names: &[&str]) -> Vec<Picture> {
    names.iter().map(|name| golden.sample(name).picture).collect()
}

/// The emulation takes seconds a picture.
const FEW: [&str; 2] = ["astronaut", "coffee_crop"];

fn tokens<D: Device + Send, E: Element>(
    device: D,
    golden: &Golden,
    merger: Merger,
    names: &[&str],
) -> Vec<TokenizedPicture> {
    let plan = (merger, names.len());
    let mut on = On::<D, E>::new(device, &golden.checkpoint, Selection::argmax(), plan);
    let batch = PixelBatch::new(pictures(golden, names)).unwrap();
    let made = on.tokenize(&batch).unwrap();
    made.into_iter().map(Result::unwrap).collect()
}

fn expect_golden(golden: &Golden, made: &[TokenizedPicture]) {
    for (name, made) in FEW.iter().zip(made) {
        let arrays = golden.arrays(name);
        let codes: Vec<i32> = made.tokens.codes().iter().map(|code| i32::from(*code)).collect();
        assert_eq!(codes, arrays.i32("ids_argmax"), "{name}");
        for (patch, kept) in arrays.u8("keep_argmax").iter().enumerate() {
            assert_eq!(made.tokens.kept().is_kept(patch), *kept == 1, "{name} {patch}");
        }
    }
}

#[test]
fn emulated_kernels_give_the_published_ids_with_the_full_merger() {
    for golden in Golden::both() {
        let made = tokens::<_, f32>(Emulated { reversed: false }, &golden, Merger::Full, &FEW);
        expect_golden(&golden, &made);
    }
}

#[test]
fn emulated_kernels_give_the_published_ids_with_the_packed_merger() {
    for golden in Golden::both() {
        let made = tokens::<_, f32>(Emulated { reversed: true }, &golden, Merger::Packed, &FEW);
        expect_golden(&golden, &made);
    }
}

/// The share of mask bits that agree, and of codes at patches that both keep.
fn agreement(exact: &[TokenizedPicture], reduced: &[TokenizedPicture]) -> (f64, f64) {
    let codes = |picture: &TokenizedPicture| -> Vec<Option<u16>> {
        let (tokens, mut codes) = (&picture.tokens, picture.tokens.codes().iter().copied());
        let patches = 0..tokens.kept().patches();
        patches
            .map(|patch| tokens.kept().is_kept(patch).then(|| codes.next().unwrap()))
            .collect()
    };
    let (mut bits, mut same_bits, mut both, mut same_codes) = (0.0, 0.0, 0.0, 0.0);
    for (exact, reduced) in exact.iter().zip(reduced) {
        for (exact, reduced) in codes(exact).into_iter().zip(codes(reduced)) {
            bits += 1.0;
            same_bits += f64::from(u8::from(exact.is_some() == reduced.is_some()));
            both += f64::from(u8::from(exact.is_some() && reduced.is_some()));
            same_codes += f64::from(u8::from(exact.is_some() && exact == reduced));
        }
    }
    (same_bits / bits, same_codes / both)
}

/// 16 bits round, so that some ids change; tensor-core attention, emulated, changes none that its twin does not.
fn expect_most_ids<E: Element>(least_bits: f64, least_codes: f64) {
    for golden in Golden::both() {
        let exact = tokens::<_, f32>(Twin, &golden, Merger::Full, &FEW[..1]);
        let twin = tokens::<_, E>(Twin, &golden, Merger::Full, &FEW[..1]);
        let (bits, codes) = agreement(&exact, &twin);
        println!(
            "{} to f32: mask bits {bits:.4}, codes {codes:.4}",
            E::DTYPE.name()
        );
        assert!(
            bits >= least_bits && codes >= least_codes,
            "bits {bits}, codes {codes}"
        );
        let emulated = tokens::<_, E>(Emulated { reversed: false }, &golden, Merger::Full, &FEW[..1]);
        let (bits, codes) = agreement(&twin, &emulated);
        println!(
            "{} emulated to twin: mask bits {bits:.4}, codes {codes:.4}",
            E::DTYPE.name()
        );
        assert!(bits >= 0.99 && codes >= 0.97, "bits {bits}, codes {codes}");
    }
}

#[test]
fn bf16_keeps_most_ids() {
    expect_most_ids::<bf16>(0.97, 0.85);
}

#[test]
fn f16_keeps_nearly_all_ids() {
    expect_most_ids::<f16>(0.99, 0.97);
}
