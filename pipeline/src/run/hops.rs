//! What each hop does with one pair.

use std::sync::Arc;
use std::time::Instant;

use img2tokens_engine::{CancellationToken, Crossing, Meter, each_concurrently};
use img2tokens_fetch::{ByteCredit, FetchCause};
use img2tokens_schemas::{
    Digest, Failure, FailureReason, PairTokens, PictureSource, Pixels, SequenceRow, StatedDigest,
};
use img2tokens_vision::{NotFinite, Picture, PixelBatch, TokenizedPicture, VisualTokenizer};
use tokio::sync::mpsc::{Receiver, Sender};

use super::caption::Caption;
use super::document::ReadyImage;
use super::error::{RunError, TokenizeError};
use super::picture::ImageBytes;
use super::ticket::{Ticket, Whole};
use super::timings::Part;
use crate::stages::Stages;

/// A pair, or one of a document's images, whose picture is still to be had.
#[derive(Debug)]
pub(super) struct WantedPair {
    pub(super) ticket: Ticket,
    pub(super) picture: PictureSource,
    pub(super) caption: Caption,
    pub(super) stated_digest: Option<StatedDigest>,
    /// The share of the byte budget of a picture that the input brought along.
    pub(super) credit: Option<ByteCredit>,
}

/// A pair with its image's bytes.
pub(super) struct EncodedPair {
    pub(super) ticket: Ticket,
    pub(super) image: ImageBytes,
    pub(super) caption: Caption,
    pub(super) stated_digest: Option<StatedDigest>,
}

/// A pair whose image is ready for the model.
pub(super) struct PreparedPair {
    pub(super) ticket: Ticket,
    pub(super) pixels: Pixels,
    pub(super) facts: PictureFacts,
}

/// A pair with its codes.
pub(super) struct TokenizedPair {
    ticket: Ticket,
    picture: Result<TokenizedPicture, NotFinite>,
    facts: PictureFacts,
}

/// What the row says of the pair beside its ids.
pub(super) struct PictureFacts {
    pub(super) caption: Caption,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sha256: Digest,
    pub(super) digest_matches: Option<bool>,
}

/// Downloads the pictures of all `rows`, at most `limit` of them in work at once.
///
/// # Errors
/// If the system gives no file descriptor for a download; the run is then cancelled.
pub(super) async fn fetch_all(
    stages: &Stages,
    rows: Receiver<WantedPair>,
    pictures: Sender<EncodedPair>,
    limit: usize,
    meter: &Meter,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let out_of_files = CancellationToken::new();
    let fetch = |row| fetch(stages, row, (&out_of_files, cancel));
    each_concurrently(rows, pictures, limit, meter, cancel, fetch).await;
    if out_of_files.is_cancelled() {
        return Err(RunError::OutOfFiles);
    }
    Ok(())
}

/// Downloads the picture, unless the input brought it along. Where the system gives no file descriptor for that,
/// `out_of_files` says so and the run is cancelled: no pair is to blame.
async fn fetch(
    stages: &Stages,
    pair: WantedPair,
    (out_of_files, cancel): (&CancellationToken, &CancellationToken),
) -> Crossing<EncodedPair> {
    let WantedPair {
        mut ticket,
        picture,
        caption,
        stated_digest,
        credit,
    } = pair;
    let image = match picture {
        PictureSource::Bytes { bytes, .. } => Ok(ImageBytes::Embedded {
            bytes,
            _credit: credit,
        }),
        PictureSource::Missing => Err(Failure::new(
            FailureReason::MissingUrl,
            "the row has neither a URL nor image bytes",
        )),
        PictureSource::Url(url) => {
            let started = Instant::now();
            let fetched = stages.fetch.fetch(&url).await;
            ticket.spent(Part::Fetch, started);
            match &fetched {
                Ok(fetched) => ticket.attempts = fetched.attempts,
                Err(error) if matches!(error.cause, FetchCause::OutOfFiles) => {
                    out_of_files.cancel();
                    cancel.cancel();
                    return Crossing::Ended;
                }
                Err(_) => {}
            }
            fetched.map(ImageBytes::Fetched).map_err(Failure::from)
        }
    };
    match image {
        Ok(image) => Crossing::Onward(EncodedPair {
            ticket,
            image,
            caption,
            stated_digest,
        }),
        Err(failure) => {
            ticket.fail(failure).await;
            Crossing::Ended
        }
    }
}

/// Tokenizes batches: runs on the thread that owns the tokenizer.
pub(super) fn tokenize_with(
    mut tokenizer: Box<dyn VisualTokenizer>,
    meter: Arc<Meter>,
) -> impl FnMut(Vec<PreparedPair>) -> Result<Vec<TokenizedPair>, TokenizeError> + Send + 'static {
    move |pairs| {
        let started = Instant::now();
        meter.take(pairs.len() as u64);
        let mut pictures = Vec::with_capacity(pairs.len());
        let mut rest = Vec::with_capacity(pairs.len());
        for PreparedPair {
            ticket,
            pixels,
            facts,
        } in pairs
        {
            pictures.push(Picture {
                key: ticket.key().to_owned(),
                pixels,
            });
            rest.push((ticket, facts));
        }
        let made = tokenizer.tokenize(&PixelBatch::new(pictures)?)?;
        meter.finish(rest.len() as u64);
        let share = started.elapsed() / u32::try_from(rest.len().max(1)).unwrap_or(u32::MAX);
        let joined = rest.into_iter().zip(made).map(|((ticket, facts), picture)| {
            ticket.add(Part::Vision, share);
            TokenizedPair {
                ticket,
                picture,
                facts,
            }
        });
        Ok(joined.collect())
    }
}

/// Encodes captions, assembles sequences, and hands every pair to its unit's writer; every image to its document.
pub(super) async fn finish(stages: &Stages, mut batches: Receiver<Vec<TokenizedPair>>) {
    while let Some(pairs) = batches.recv().await {
        for TokenizedPair {
            ticket,
            picture,
            facts,
        } in pairs
        {
            match picture.map_err(Failure::from).and_then(with_codes) {
                Ok(picture) => end_well(stages, ticket, picture, facts).await,
                Err(failure) => ticket.fail(failure).await,
            }
        }
    }
}

fn with_codes(picture: TokenizedPicture) -> Result<TokenizedPicture, Failure> {
    if picture.tokens.codes().is_empty() {
        return Err(Failure::new(
            FailureReason::NoVisualTokens,
            "the selector keeps no patch of this picture",
        ));
    }
    Ok(picture)
}

async fn end_well(stages: &Stages, ticket: Ticket, picture: TokenizedPicture, facts: PictureFacts) {
    let Ticket { whole, attempts } = ticket;
    match whole {
        Whole::Pair(row) => {
            let started = Instant::now();
            let sequences = assemble(stages, &row.key, picture, facts);
            row.unit.timings.add(Part::Sequence, started.elapsed());
            row.end(sequences.map_err(|failure| Failure { attempts, ..failure }))
                .await;
        }
        Whole::Document { document, number } => {
            let image = ReadyImage {
                tokens: picture.tokens,
                width: facts.width,
                height: facts.height,
                sha256: facts.sha256,
            };
            document.settle(number, Ok(image)).await;
        }
    }
}

fn assemble(
    stages: &Stages,
    key: &str,
    picture: TokenizedPicture,
    facts: PictureFacts,
) -> Result<Vec<SequenceRow>, Failure> {
    let TokenizedPicture {
        tokens: visual,
        features,
        reconstruction,
    } = picture;
    let PictureFacts {
        caption,
        width,
        height,
        sha256,
        digest_matches,
    } = facts;
    let text = stages.text.encode(&caption.text).map_err(Failure::from)?;
    let sequences = stages
        .sequence
        .assemble(key, visual.codes(), &text.ids)
        .map_err(|error| Failure::new(FailureReason::TextEncoding, error.to_string()))?;
    let pair = Arc::new(PairTokens {
        visual,
        features,
        reconstruction,
        digest_matches,
        text_ids: text.ids,
        caption: text.caption,
        caption_column: caption.column,
        caption_truncated: text.truncated,
        width,
        height,
        sha256: Some(sha256),
        document: None,
    });
    Ok(sequences
        .into_iter()
        .map(|sequence| SequenceRow {
            sequence,
            pair: pair.clone(),
        })
        .collect())
}
