//! The whole model over a batch, written once for every machine that has the kernels.

mod encoder;
mod kept;
mod merger;
mod quantiser;
mod room;
mod selector;
mod weights;

use img2tokens_schemas::{KeepMask, MergedFeatures, VisualTokens};
use img2tokens_vision::{
    Checkpoint, FeatureMerger, Merger as Mode, ModelConfig, NotFinite, PartSeconds, Picture, Prefixed,
    Selection, TokenizedPicture, VisionError,
};

use crate::device::Device;
use crate::number::Element;
use encoder::Encoder;
use kept::Kept;
use merger::Merger;
use quantiser::Quantiser;
use selector::Selector;
use weights::Weights;

pub(crate) use room::Room;

/// What is computed, beside how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub merger: Mode,
    /// Whose merged features are given out.
    pub features: Option<FeatureMerger>,
    /// B, the pictures of a step: a smaller batch is filled up, so that every product has one shape.
    pub pictures: usize,
}

/// Encoder, selector, merger, codebook.
pub(crate) struct Model<D: Device, E: Element> {
    config: ModelConfig,
    plan: Plan,
    encoder: Encoder<D, E>,
    selector: Selector<D>,
    merger: Merger<D, E>,
    quantiser: Quantiser<D, E>,
    /// Another merger, whose features are given out.
    tuned: Option<Merger<D, E>>,
}

impl<D: Device, E: Element> Model<D, E> {
    /// Puts the weights on the device.
    pub(crate) fn new(device: &D, checkpoint: &Checkpoint, plan: Plan) -> Result<Self, VisionError> {
        let (config, pictures) = (checkpoint.config(), plan.pictures);
        let weights = Weights::new(device, Prefixed::new(checkpoint));
        let merger = |weights: &Weights<'_, D>| {
            let weights = weights.under("causal_encoder");
            Merger::new(device, config, plan.merger, &weights, pictures)
        };
        let tuned = match plan.features {
            Some(FeatureMerger::LanguageModel) => {
                let tuned = checkpoint.with_language_model_merger()?;
                Some(merger(&Weights::new(device, Prefixed::new(&tuned)))?)
            }
            Some(FeatureMerger::Tokenizer) | None => None,
        };
        Ok(Self {
            config: config.clone(),
            plan,
            encoder: Encoder::new(device, config, &weights.under("encoder"), pictures)?,
            selector: Selector::new(config, &weights.under("token_predictor"))?,
            merger: merger(&weights)?,
            quantiser: Quantiser::new(config, &weights)?,
            tuned,
        })
    }

    /// What each of at most B pictures gives; `first` is the place of the first one in its batch.
    pub(crate) fn step(
        &self,
        device: &D,
        room: &mut Room<D, E>,
        (first, pictures): (usize, &[Picture]),
        selection: &Selection,
        seconds: &mut PartSeconds,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError> {
        let start = device.mark()?;
        let pixels: Vec<&[u8]> = pictures.iter().map(|picture| picture.pixels.rgb()).collect();
        device.write_pictures(&pixels, &mut room.pixels)?;
        let copied = device.mark()?;
        self.encoder.forward(device, room)?;
        let encoded = device.mark()?;
        let log_probabilities = self.selector.forward(device, room)?;
        let masks = decide(
            selection,
            first,
            pictures,
            &log_probabilities,
            self.config.patches(),
        )?;
        let selected = device.mark()?;
        let whole: Vec<Option<KeepMask>> = masks.iter().map(|mask| mask.as_ref().ok().cloned()).collect();
        let kept = Kept::new(&whole, self.plan.merger, self.config.patches(), room.pictures);
        let (mut codes, mut features) = (Vec::new(), None);
        let (mut merged, mut quantised) = (device.mark()?, device.mark()?);
        if kept.merged() > 0 {
            self.merger.forward(device, room, &kept)?;
            merged = device.mark()?;
            if self.plan.features == Some(FeatureMerger::Tokenizer) {
                features = Some(self.read_features(device, room, &kept)?);
            }
            codes = self.quantiser.forward(device, room, kept.merged())?;
            quantised = device.mark()?;
            if let Some(tuned) = &self.tuned {
                tuned.forward(device, room, &kept)?;
                features = Some(self.read_features(device, room, &kept)?);
            }
        }
        seconds.copy += device.seconds(&start, &copied)?;
        seconds.encoder += device.seconds(&copied, &encoded)?;
        seconds.selector += device.seconds(&encoded, &selected)?;
        seconds.merger += device.seconds(&selected, &merged)?;
        seconds.quantiser += device.seconds(&merged, &quantised)?;
        self.split(masks, &codes, features.as_deref())
    }

    /// Merged features of all kept patches, one row after the other.
    fn read_features(&self, device: &D, room: &Room<D, E>, kept: &Kept) -> Result<Vec<f32>, VisionError> {
        let values = device.read(&room.narrow, kept.merged() * self.config.width)?;
        Ok(values.into_iter().map(E::wide).collect())
    }

    /// To each picture its own codes and features.
    fn split(
        &self,
        masks: Vec<Result<KeepMask, NotFinite>>,
        codes: &[i32],
        features: Option<&[f32]>,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError> {
        let (mut taken, width) = (0, self.config.width);
        let mut pictures = Vec::with_capacity(masks.len());
        for mask in masks {
            let mask = match mask {
                Ok(mask) => mask,
                Err(fault) => {
                    pictures.push(Err(fault));
                    continue;
                }
            };
            let own = taken..taken + mask.kept();
            taken = own.end;
            let of_codes = codes.get(own.clone()).unwrap_or_default();
            let of_features = features.and_then(|all| all.get(own.start * width..own.end * width));
            let made = self.picture(mask, of_codes, of_features.unwrap_or_default());
            pictures.push(img2tokens_vision::of_picture(made)?);
        }
        Ok(pictures)
    }

    fn picture(
        &self,
        mask: KeepMask,
        codes: &[i32],
        features: &[f32],
    ) -> Result<TokenizedPicture, VisionError> {
        // What is not finite has no nearest code.
        let codes: Result<Vec<u16>, _> = codes.iter().map(|code| u16::try_from(*code)).collect();
        let codes = codes.map_err(|_| NotFinite {
            what: "the merger's output",
        })?;
        let features = self
            .plan
            .features
            .map(|_| MergedFeatures::from_f32(self.config.width, features));
        Ok(TokenizedPicture {
            tokens: VisualTokens::new(codes, mask)?,
            features: features.transpose()?,
            reconstruction: None,
        })
    }
}

/// The masks of the batch's own pictures: what it was filled up with is left out.
fn decide(
    selection: &Selection,
    first: usize,
    pictures: &[Picture],
    log_probabilities: &[[f32; 2]],
    patches: usize,
) -> Result<Vec<Result<KeepMask, NotFinite>>, VisionError> {
    let of_pictures = pictures.iter().zip(log_probabilities.chunks_exact(patches));
    of_pictures
        .enumerate()
        .map(|(place, (picture, own))| {
            img2tokens_vision::of_picture(selection.decide(first + place, &picture.key, own))
        })
        .collect()
}
