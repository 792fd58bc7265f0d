//! Tokenizes pictures again and compares.

use img2tokens_image::ImageStage;
use img2tokens_schemas::{Digest, VisualTokens};
use img2tokens_vision::{Picture, PixelBatch};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::Report;
use super::draw::DrawnPair;
use super::pictures::Found;
use crate::model::Loaded;

/// The thread that owns the model.
pub(super) struct Comparison {
    images: ImageStage,
    model: Loaded,
    waiting: Vec<(DrawnPair, Picture)>,
    report: Report,
}

impl Comparison {
    pub(super) fn new(images: ImageStage, model: Loaded) -> Self {
        Self {
            images,
            model,
            waiting: Vec::new(),
            report: Report::default(),
        }
    }

    /// Compares all that comes. Blocks.
    ///
    /// # Errors
    /// If the model fails.
    pub(super) fn compare_all(mut self, mut queue: mpsc::Receiver<Found>) -> anyhow::Result<Report> {
        while let Some(found) = queue.blocking_recv() {
            self.prepare(found);
            if self.waiting.len() >= self.model.batch_size {
                self.compare_waiting()?;
            }
        }
        self.compare_waiting()?;
        Ok(self.report)
    }

    fn prepare(&mut self, Found { pair, picture }: Found) {
        let Some(picture) = picture else {
            self.report.gone += 1;
            return;
        };
        let bytes = picture.bytes.as_slice();
        let digest = Digest(Sha256::digest(bytes).into()).to_string();
        if picture.is_original && digest != pair.sha256 {
            self.report.changed += 1;
            return;
        }
        match self.images.prepare(bytes) {
            Ok(prepared) => {
                let key = pair.key.clone();
                let pixels = prepared.pixels;
                self.waiting.push((pair, Picture { key, pixels }));
            }
            Err(error) => self.differs(&pair, format!("its picture gives no pixels any more: {error}")),
        }
    }

    fn compare_waiting(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (pairs, pictures): (Vec<_>, Vec<_>) = self.waiting.drain(..).unzip();
        let made = self.model.first().tokenize(&PixelBatch::new(pictures)?)?;
        for (pair, made) in pairs.iter().zip(made) {
            self.report.compared += 1;
            match made {
                Ok(picture) => {
                    if let Some(difference) = difference(pair, &picture.tokens) {
                        self.differs(pair, difference);
                    }
                }
                Err(error) => self.differs(pair, format!("its picture gives no tokens any more: {error}")),
            }
        }
        Ok(())
    }

    fn differs(&mut self, pair: &DrawnPair, difference: String) {
        let file = pair.unit.data_file();
        self.report.findings.add(&file, Some(pair.row), difference);
    }
}

/// How the pair's tokens differ from those its picture gives now.
fn difference(pair: &DrawnPair, now: &VisualTokens) -> Option<String> {
    if pair.kept_patches != now.kept().as_bytes() {
        return Some(format!(
            "its picture keeps {} patches now, and not the {} of kept_patches",
            now.codes().len(),
            pair.codes.len()
        ));
    }
    let differ = |(written, now): &(&u16, &u16)| written != now;
    let mut both = pair.codes.iter().zip(now.codes());
    let place = both.clone().position(|codes| differ(&codes))?;
    let (written, computed) = both.nth(place)?;
    let others = both.filter(differ).count();
    Some(format!(
        "code {place} of its picture is {computed} now, and {written} is written; {others} more differ"
    ))
}
