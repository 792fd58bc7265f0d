//! A document on its way: its images travel one by one, as pairs' pictures do, and the last of them to end ends it.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use img2tokens_schemas::document::image_key;
use img2tokens_schemas::{
    Digest, DocumentImage, DocumentText, DocumentTokens, DroppedImage, Failure, FailureReason, Order,
    PairTokens, Part, PictureSource, Sequence, SequenceRow, VisualTokens,
};
use img2tokens_sequence::Segment;
use img2tokens_text::{Encoded, TextError};
use tokio::task::spawn_blocking;

use super::ticket::{RowTicket, UnitHandle};
use super::timings;
use crate::config::FailedImages;
use crate::stages::Stages;

/// A document some of whose images have not ended yet.
pub(super) struct OpenDocument {
    stages: Arc<Stages>,
    unit: UnitHandle,
    key: String,
    images: Vec<ImageName>,
    gathered: Mutex<Gathered>,
}

/// What an image is called.
struct ImageName {
    key: String,
    place: u32,
    url: Option<String>,
}

/// An image that is ready for its document.
#[derive(Debug)]
pub(super) struct ReadyImage {
    pub(super) tokens: VisualTokens,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sha256: Digest,
}

/// How an image ended.
type ImageEnd = Result<ReadyImage, Failure>;

/// What is there of a document.
struct Gathered {
    /// Gone when the document has ended.
    row: Option<RowTicket>,
    parts: Vec<Part>,
    /// In the order of the document.
    ends: Vec<Option<ImageEnd>>,
}

impl OpenDocument {
    pub(super) fn new(stages: &Arc<Stages>, row: RowTicket, parts: Vec<Part>) -> Self {
        let images: Vec<ImageName> = images(&parts)
            .map(|(place, picture)| ImageName {
                key: image_key(&row.key, place),
                place,
                url: picture.url().map(str::to_owned),
            })
            .collect();
        Self {
            stages: stages.clone(),
            unit: row.unit.clone(),
            key: row.key.clone(),
            gathered: Mutex::new(Gathered {
                row: Some(row),
                parts,
                ends: images.iter().map(|_| None).collect(),
            }),
            images,
        }
    }

    /// What selection noise of an image is drawn by: nothing that the other images have a part in.
    pub(super) fn image_key(&self, number: usize) -> &str {
        self.images.get(number).map_or("", |image| &image.key)
    }

    pub(super) const fn unit(&self) -> &UnitHandle {
        &self.unit
    }

    pub(super) fn refuse_taken_down(&self, number: usize, sha256: Digest) -> Result<(), Failure> {
        let url = self.images.get(number).and_then(|image| image.url.as_deref());
        self.unit.refuse_taken_down(&self.key, url, Some(sha256))
    }

    /// Takes the end of an image; the last one ends the document.
    pub(super) async fn settle(&self, number: usize, end: ImageEnd) {
        let Some((mut row, parts, ends)) = self.gather(number, end) else {
            return;
        };
        let (stages, started) = (self.stages.clone(), Instant::now());
        // Encoding a document's texts may take longer than a thread of the runtime may be held.
        match spawn_blocking(move || assemble(&stages, parts, ends)).await {
            Ok(assembled) => {
                self.unit.timings.add(timings::Part::Sequence, started.elapsed());
                let result = assembled.map_err(|Unmade { image, mut failure }| {
                    if let Some(image) = image.and_then(|number| self.images.get(number)) {
                        row.url.clone_from(&image.url);
                        if failure.reason != FailureReason::TakenDown {
                            failure.detail = format!("image {}: {}", image.place, failure.detail);
                        }
                    }
                    failure
                });
                row.end(result).await;
            }
            Err(died) if died.is_panic() => resume_unwind(died.into_panic()),
            // The runtime goes down, and the run with it.
            Err(_) => {}
        }
    }

    /// The row, its parts and the ends of its images in their order, when the last of them has come.
    fn gather(&self, number: usize, end: ImageEnd) -> Option<(RowTicket, Vec<Part>, Vec<ImageEnd>)> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        *gathered.ends.get_mut(number)? = Some(end);
        if gathered.ends.iter().any(Option::is_none) {
            return None;
        }
        let row = gathered.row.take()?;
        let ends = std::mem::take(&mut gathered.ends).into_iter().flatten();
        Some((row, std::mem::take(&mut gathered.parts), ends.collect()))
    }
}

impl std::fmt::Debug for OpenDocument {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OpenDocument")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The images among parts, each with its place in the input's list.
pub(super) fn images(parts: &[Part]) -> impl Iterator<Item = (u32, &PictureSource)> {
    parts.iter().filter_map(|part| match part {
        Part::Image { place, picture } => Some((*place, picture)),
        Part::Text(_) => None,
    })
}

/// Why there is no sequence of a document, and which of its images is the cause, if one is.
struct Unmade {
    image: Option<usize>,
    failure: Failure,
}

impl From<Failure> for Unmade {
    fn from(failure: Failure) -> Self {
        Self { image: None, failure }
    }
}

/// The image by whose failure the document fails, if it does, by its number. What was taken down takes the document with it.
fn fatal(policy: FailedImages, ends: &[ImageEnd]) -> Option<(usize, &Failure)> {
    let failures = || {
        let ends = ends.iter().enumerate();
        ends.filter_map(|(number, end)| Some((number, end.as_ref().err()?)))
    };
    let is_empty = failures().count() == ends.len();
    failures()
        .find(|(_, failure)| failure.reason == FailureReason::TakenDown)
        .or_else(|| failures().find(|_| policy == FailedImages::Fail || is_empty))
}

/// The sequence of a document.
fn assemble(stages: &Stages, parts: Vec<Part>, ends: Vec<ImageEnd>) -> Result<Vec<SequenceRow>, Unmade> {
    if let Some((number, failure)) = fatal(stages.failed_images, &ends) {
        return Err(Unmade {
            image: Some(number),
            failure: failure.clone(),
        });
    }
    let mut draft = Draft::default();
    let mut ends = ends.into_iter();
    for part in parts {
        match part {
            Part::Text(text) => draft.add_text(stages, &text)?,
            Part::Image { place, picture } => {
                if let Some(end) = ends.next() {
                    draft.add_image(place, &picture, end);
                }
            }
        }
    }
    Ok(vec![draft.finish(stages)?])
}

/// The parts so far that have ids, in their order.
#[derive(Default)]
struct Draft {
    segments: Vec<Segment>,
    tokens: Vec<VisualTokens>,
    text_ids: Vec<u32>,
    document: DocumentTokens,
}

impl Draft {
    /// A text of which nothing is left after clean-up is none.
    fn add_text(&mut self, stages: &Stages, text: &str) -> Result<(), Failure> {
        let Encoded {
            ids,
            truncated,
            caption: text,
        } = match stages.text.encode(text) {
            Err(TextError::EmptyCaption | TextError::NoIds) => return Ok(()),
            encoded => encoded?,
        };
        self.text_ids.extend_from_slice(&ids);
        self.document.texts.push(DocumentText {
            start: 0,
            len: 0,
            text,
            truncated,
        });
        self.segments.push(Segment::Text(ids));
        Ok(())
    }

    fn add_image(&mut self, place: u32, picture: &PictureSource, end: ImageEnd) {
        let image = match end {
            Ok(image) => image,
            Err(Failure { reason, .. }) => {
                self.document.dropped.push(DroppedImage { place, reason });
                return;
            }
        };
        self.document.images.push(DocumentImage {
            place,
            start: 0,
            len: 0,
            kept: image.tokens.kept().clone(),
            url: picture.url().map(str::to_owned),
            sha256: image.sha256,
            width: image.width,
            height: image.height,
        });
        self.segments.push(Segment::Image(image.tokens.codes().to_vec()));
        self.tokens.push(image.tokens);
    }

    fn finish(self, stages: &Stages) -> Result<SequenceRow, Failure> {
        let mut document = self.document;
        if document.texts.is_empty() {
            return Err(no_text());
        }
        let laid_out = stages
            .sequence
            .assemble_document(&self.segments)
            .map_err(|error| Failure::new(FailureReason::TextEncoding, error.to_string()))?;
        for (image, span) in document.images.iter_mut().zip(&laid_out.images) {
            (image.start, image.len) = (span.start, span.len);
        }
        for (text, span) in document.texts.iter_mut().zip(&laid_out.texts) {
            (text.start, text.len) = (span.start, span.len);
        }
        Ok(SequenceRow {
            sequence: Sequence {
                order: Order::Document,
                input_ids: laid_out.input_ids,
                image_start: 0,
                image_len: 0,
                text_dropped: false,
            },
            pair: Arc::new(PairTokens {
                visual: VisualTokens::joined(&self.tokens),
                features: None,
                reconstruction: None,
                text_ids: self.text_ids,
                caption: String::new(),
                caption_column: None,
                caption_truncated: document.texts.iter().any(|text| text.truncated),
                width: 0,
                height: 0,
                digest_matches: None,
                sha256: None,
                document: Some(document),
            }),
        })
    }
}

/// How a document ends in which nothing is written.
pub(super) fn no_text() -> Failure {
    Failure::new(FailureReason::EmptyCaption, "the document has no text")
}

#[cfg(test)]
mod tests;
