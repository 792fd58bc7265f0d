//! The CUDA backend, as configured.

use img2tokens_vision::{Checkpoint, Extras, VisionError, VisualTokenizer};
use img2tokens_vision_cuda::{Batch, Card, CudaTokenizer, Settings, Unavailable};

use super::{Devices, Loaded, ModelError, selection};
use crate::config::{BatchSize, DeviceChoice, Vision};

/// Pictures of a batch where none is configured, if the device's memory holds them.
const MOST_PICTURES: usize = 256;
/// Tokenizers a device: while one waits for pictures or hands its results on, the other computes.
const WORKERS: usize = 2;

/// What computes.
pub(super) enum Computes {
    Cpu,
    /// At least one.
    Cuda(Vec<(usize, Card)>),
}

/// Opens the configured devices.
pub(super) fn computes(device: DeviceChoice) -> Result<Computes, ModelError> {
    let one = |number: usize| Card::open(number).map(|card| Computes::Cuda(vec![(number, card)]));
    let refuse = |why| ModelError::NoCuda { device, why };
    match device {
        DeviceChoice::Cpu => Ok(Computes::Cpu),
        DeviceChoice::Auto => Ok(one(0).unwrap_or_else(|why| {
            tracing::warn!("vision.device = \"auto\": {why}; the CPU computes");
            Computes::Cpu
        })),
        DeviceChoice::Cuda(number) => one(number as usize).map_err(refuse),
        DeviceChoice::AllCuda => all().map(Computes::Cuda).map_err(refuse),
    }
}

/// Refuses a device that cannot be had, before anything is loaded.
pub(super) fn check(device: DeviceChoice) -> Result<(), ModelError> {
    match device {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(()),
        DeviceChoice::Cuda(_) | DeviceChoice::AllCuda => computes(device).map(drop),
    }
}

/// Every device that the driver has.
fn all() -> Result<Vec<(usize, Card)>, Unavailable> {
    let mut cards = Vec::new();
    loop {
        match Card::open(cards.len()) {
            Ok(card) => cards.push((cards.len(), card)),
            Err(Unavailable::NoDevice { number, .. }) if number > 0 => return Ok(cards),
            Err(why) => return Err(why),
        }
    }
}

/// Loads a model onto each of the devices. The batch is one that all of them have memory for.
pub(super) fn load(
    cards: Vec<(usize, Card)>,
    vision: &Vision,
    extras: Extras,
    checkpoint: &Checkpoint,
) -> Result<Result<Loaded, VisionError>, ModelError> {
    let settings = Settings {
        dtype: vision.dtype,
        selection: selection(vision, checkpoint.config())?,
        merger: vision.merger,
        extras,
        batch: match vision.batch_size {
            BatchSize::Auto => Batch::AtMost(MOST_PICTURES),
            BatchSize::Pictures(pictures) => Batch::Exactly(pictures),
        },
        workers: WORKERS,
    };
    Ok(on_all(cards, checkpoint, &settings))
}

fn on_all(
    cards: Vec<(usize, Card)>,
    checkpoint: &Checkpoint,
    settings: &Settings,
) -> Result<Loaded, VisionError> {
    let mut made = Vec::new();
    for (_, card) in &cards {
        made.push(CudaTokenizer::load(card, checkpoint, settings)?);
    }
    let batch_size = made.iter().flatten().map(CudaTokenizer::batch_size).min();
    let batch_size = batch_size.unwrap_or(1);
    for ((number, card), tokenizers) in cards.iter().zip(&mut made) {
        if tokenizers
            .iter()
            .any(|tokenizer| tokenizer.batch_size() > batch_size)
        {
            // It would fill every batch up to its own size.
            tokenizers.clear();
            let settings = Settings {
                batch: Batch::Exactly(batch_size),
                ..settings.clone()
            };
            *tokenizers = CudaTokenizer::load(card, checkpoint, &settings)?;
        }
        tracing::info!("cuda:{number} is {}", card.name());
    }
    let boxed = |tokenizer| -> Box<dyn VisualTokenizer> { Box::new(tokenizer) };
    let tokenizers = made.into_iter().flatten().map(boxed).collect();
    let numbers = cards.iter().map(|(number, _)| *number).collect();
    let loaded = cards
        .into_iter()
        .next()
        .and_then(|(_, first)| Loaded::several(tokenizers, batch_size, Devices::Cuda { first, numbers }));
    loaded.ok_or_else(|| VisionError::Unsupported("no CUDA device".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where there is a driver, the words are others.
    #[test]
    fn a_device_that_cannot_be_had_is_refused_by_name_and_auto_takes_the_cpu() {
        let Err(why) = Card::open(0) else {
            assert!(matches!(computes(DeviceChoice::Auto), Ok(Computes::Cuda(_))));
            return;
        };
        assert!(matches!(computes(DeviceChoice::Auto), Ok(Computes::Cpu)));
        for device in [DeviceChoice::Cuda(0), DeviceChoice::AllCuda] {
            let refused = computes(device).err().unwrap().to_string();
            assert_eq!(refused, format!("vision.device = \"{device}\": {why}"));
        }
    }
}
