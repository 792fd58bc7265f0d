//! Tokenizers on one device, which share its copy of the weights.

use std::sync::Arc;

use half::{bf16, f16};
use img2tokens_schemas::Pixels;
use img2tokens_vision::{
    Checkpoint, Dtype, ModelConfig, NotFinite, PartSeconds, Picture, PixelBatch, Selection, TokenizedPicture,
    VisionError, VisualTokenizer,
};

use crate::gpu::{Card, Gpu};
use crate::launch::tensor_shared_bytes;
use crate::model::{Model, Plan, Room};
use crate::number::Element;
use crate::settings::{Batch, Settings};

/// The LaVIT visual tokenizer on a CUDA device: one stream of work, one thread's.
pub struct CudaTokenizer {
    config: ModelConfig,
    selection: Selection,
    batch_size: usize,
    worker: Box<dyn Worker>,
    seconds: PartSeconds,
}

impl CudaTokenizer {
    /// Loads a model onto a device: one copy of the weights for all the tokenizers that are made.
    ///
    /// # Errors
    /// If the checkpoint lacks a tensor, the model or a setting is not for this backend, or the device fails.
    pub fn load(card: &Card, checkpoint: &Checkpoint, settings: &Settings) -> Result<Vec<Self>, VisionError> {
        check(checkpoint.config(), settings)?;
        match settings.dtype {
            Dtype::F32 => load::<f32>(card, checkpoint, settings),
            Dtype::Bf16 => load::<bf16>(card, checkpoint, settings),
            Dtype::F16 => load::<f16>(card, checkpoint, settings),
        }
    }

    /// Pictures of a step.
    #[must_use]
    pub const fn batch_size(&self) -> usize {
        self.batch_size
    }
}

impl VisualTokenizer for CudaTokenizer {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn tokenize(
        &mut self,
        batch: &PixelBatch,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError> {
        batch.expect_size(self.config.image_size)?;
        self.worker.tokenize(batch, &self.selection, &mut self.seconds)
    }

    fn take_part_seconds(&mut self) -> Option<PartSeconds> {
        Some(std::mem::take(&mut self.seconds))
    }
}

/// Refuses what this backend cannot compute.
fn check(config: &ModelConfig, settings: &Settings) -> Result<(), VisionError> {
    const MOST_WIDTH: usize = 2048;
    const MOST_HEAD: usize = 128;
    let refuse = |what: String| Err(VisionError::Unsupported(format!("the backend cuda: {what}")));
    if settings.extras.reconstruction {
        return refuse("output.reconstruction needs the CPU backend".to_owned());
    }
    if !config.width.is_multiple_of(8) || config.width > MOST_WIDTH {
        return refuse(format!(
            "a model {} wide: a multiple of 8 up to {MOST_WIDTH} is needed",
            config.width
        ));
    }
    let head = config.head_dim();
    if settings.dtype != Dtype::F32 && (!head.is_multiple_of(8) || head > MOST_HEAD) {
        return refuse(format!(
            "heads {head} wide in {}: a multiple of 8 up to {MOST_HEAD} is needed",
            settings.dtype.name()
        ));
    }
    if settings.workers == 0 || matches!(settings.batch, Batch::Exactly(0) | Batch::AtMost(0)) {
        return refuse("at least one picture and one worker are needed".to_owned());
    }
    Ok(())
}

fn load<E: Element>(
    card: &Card,
    checkpoint: &Checkpoint,
    settings: &Settings,
) -> Result<Vec<CudaTokenizer>, VisionError> {
    let config = checkpoint.config();
    if E::DTYPE != Dtype::F32 {
        let (head, keys) = (config.head_dim(), config.patches() + 1);
        card.expect_shared_memory(tensor_shared_bytes(head, keys))?;
    }
    let (mut pictures, halving) = match settings.batch {
        Batch::Exactly(pictures) => (pictures, false),
        Batch::AtMost(pictures) => (pictures, true),
    };
    loop {
        match workers::<E>(card, checkpoint, settings, pictures) {
            Ok(workers) => {
                return Ok(workers
                    .into_iter()
                    .map(|worker| CudaTokenizer {
                        config: config.clone(),
                        selection: settings.selection.clone(),
                        batch_size: pictures,
                        worker: Box::new(worker),
                        seconds: PartSeconds::default(),
                    })
                    .collect());
            }
            Err(error) if halving && pictures > 1 && lacks_memory(&error) => {
                // What was allocated is given back before less is asked for.
                card.finish()?;
                pictures /= 2;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether it is for want of memory that a device failed.
fn lacks_memory(error: &VisionError) -> bool {
    matches!(error, VisionError::Backend { source, .. } if crate::gpu::is_out_of_memory(&**source))
}

fn workers<E: Element>(
    card: &Card,
    checkpoint: &Checkpoint,
    settings: &Settings,
    pictures: usize,
) -> Result<Vec<OneStream<E>>, VisionError> {
    let plan = Plan {
        merger: settings.merger,
        features: settings.extras.features,
        pictures,
    };
    let first = card.stream()?;
    let model = Arc::new(Model::new(&first, checkpoint, plan)?);
    // Other streams read the weights without asking whether they are there.
    first.finish()?;
    let mut streams = vec![first];
    for _ in 1..settings.workers {
        streams.push(card.stream()?);
    }
    let workers = streams.into_iter().map(|gpu| {
        let mut room = Room::new(&gpu, checkpoint.config(), pictures)?;
        warm_up(&model, &gpu, &mut room, checkpoint.config())?;
        Ok(OneStream {
            gpu,
            room,
            model: model.clone(),
        })
    });
    workers.collect()
}

/// A black picture all of whose patches are kept: kernels are compiled for the device, and all memory is taken that a
/// step takes, before there is anything to lose.
fn warm_up<E: Element>(
    model: &Model<Gpu, E>,
    gpu: &Gpu,
    room: &mut Room<Gpu, E>,
    config: &ModelConfig,
) -> Result<(), VisionError> {
    const KEEP: [f32; 2] = [1e6, 0.0];
    let size = config.image_size;
    let pixels = Pixels::new(size as u32, vec![0; 3 * size * size]);
    let black = Picture {
        key: String::new(),
        pixels: pixels.map_err(|error| VisionError::Unsupported(error.to_string()))?,
    };
    let selection = Selection::given(vec![vec![KEEP; config.patches()]]);
    let mut seconds = PartSeconds::default();
    // A picture's own fault, numbers too large for the dtype, is no fault of the device.
    model
        .step(gpu, room, (0, &[black]), &selection, &mut seconds)
        .map(drop)
}

/// A tokenizer whatever its dtype.
trait Worker: Send {
    fn tokenize(
        &mut self,
        batch: &PixelBatch,
        selection: &Selection,
        seconds: &mut PartSeconds,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError>;
}

/// A stream, which waits when it is dropped, before the memory that it works on goes.
struct OneStream<E: Element> {
    gpu: Gpu,
    room: Room<Gpu, E>,
    model: Arc<Model<Gpu, E>>,
}

impl<E: Element> Worker for OneStream<E> {
    fn tokenize(
        &mut self,
        batch: &PixelBatch,
        selection: &Selection,
        seconds: &mut PartSeconds,
    ) -> Result<Vec<Result<TokenizedPicture, NotFinite>>, VisionError> {
        self.gpu.enter()?;
        let step = self.room.pictures;
        let mut made = Vec::with_capacity(batch.pictures().len());
        for (number, pictures) in batch.pictures().chunks(step).enumerate() {
            let some = (number * step, pictures);
            made.extend(
                self.model
                    .step(&self.gpu, &mut self.room, some, selection, seconds)?,
            );
        }
        Ok(made)
    }
}
