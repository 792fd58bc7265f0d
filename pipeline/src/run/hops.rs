//! What each hop does with one pair.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use img2tokens_engine::{Crossing, Meter};
use img2tokens_fetch::ByteCredit;
use img2tokens_schemas::{
    Digest, Failure, FailureReason, PairTokens, PictureSource, Pixels, SequenceRow, StatedDigest,
};
use img2tokens_vision::{NotFinite, Picture, PixelBatch, TokenizedPicture, VisualTokenizer};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

use super::caption::Caption;
use super::document::ReadyImage;
use super::error::TokenizeError;
use super::picture::{ImageBytes, KeptPicture};
use super::ticket::{Ticket, Whole};
use super::timings::Part;
use crate::config::VerifyHash;
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
    ticket: Ticket,
    image: ImageBytes,
    caption: Caption,
    stated_digest: Option<StatedDigest>,
}

/// A pair whose image is ready for the model.
pub(super) struct PreparedPair {
    ticket: Ticket,
    pixels: Pixels,
    facts: PictureFacts,
}

/// A pair with its codes.
pub(super) struct TokenizedPair {
    ticket: Ticket,
    picture: Result<TokenizedPicture, NotFinite>,
    facts: PictureFacts,
}

/// What the row says of the pair beside its ids.
struct PictureFacts {
    caption: Caption,
    width: u32,
    height: u32,
    sha256: Digest,
    digest_matches: Option<bool>,
}

/// Downloads the picture, unless the input brought it along.
pub(super) async fn fetch(stages: &Stages, pair: WantedPair) -> Crossing<EncodedPair> {
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
            if let Ok(fetched) = &fetched {
                ticket.attempts = fetched.attempts;
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

/// Hashes, decodes and resizes, on a thread of the hop. A picture that is kept leaves memory from here.
pub(super) fn prepare(stages: &Stages, runtime: &Handle, pair: EncodedPair) -> Crossing<PreparedPair> {
    let EncodedPair {
        ticket,
        mut image,
        caption,
        stated_digest,
    } = pair;
    image.leave_queue();
    let started = Instant::now();
    // Nothing that it changes outlives it.
    let work = AssertUnwindSafe(|| prepare_bytes(stages, image, stated_digest, caption));
    let prepared = catch_unwind(work).unwrap_or_else(|_| {
        let detail = "the image stage panicked; standard error says where";
        Err(Failure::new(FailureReason::CorruptImage, detail))
    });
    ticket.spent(Part::Image, started);
    let allowed = prepared.and_then(|prepared| {
        ticket.refuse_taken_down(prepared.1.sha256)?;
        Ok(prepared)
    });
    match allowed {
        Ok((pixels, facts, kept)) => {
            if let Some(kept) = kept {
                runtime.block_on(ticket.keep(kept));
            }
            Crossing::Onward(PreparedPair {
                ticket,
                pixels,
                facts,
            })
        }
        Err(failure) => {
            runtime.block_on(ticket.fail(failure));
            Crossing::Ended
        }
    }
}

fn prepare_bytes(
    stages: &Stages,
    image: ImageBytes,
    stated: Option<StatedDigest>,
    caption: Caption,
) -> Result<(Pixels, PictureFacts, Option<KeptPicture>), Failure> {
    let bytes = image.as_slice();
    let sha256 = Digest(Sha256::digest(bytes).into());
    let digest_matches = match stages.verify_hash {
        VerifyHash::Off => None,
        VerifyHash::Record | VerifyHash::Fail => stated.and_then(|stated| matches(&stated, sha256, bytes)),
    };
    if stages.verify_hash == VerifyHash::Fail && digest_matches != Some(true) {
        let detail = "the bytes do not have the digest that the dataset states";
        return Err(Failure::new(FailureReason::DigestMismatch, detail));
    }
    let prepared = stages.image.prepare(bytes).map_err(Failure::from)?;
    let kept = KeptPicture::of(stages.keep_images, image, &prepared, &caption.text)
        .map_err(|error| Failure::new(FailureReason::CorruptImage, error.to_string()))?;
    let facts = PictureFacts {
        caption,
        width: prepared.width,
        height: prepared.height,
        sha256,
        digest_matches,
    };
    Ok((prepared.pixels, facts, kept))
}

/// Whether the bytes have the digest that is stated of them, if one is.
fn matches(stated: &StatedDigest, sha256: Digest, bytes: &[u8]) -> Option<bool> {
    match stated {
        StatedDigest::Sha256(stated) => Some(*stated == sha256.0),
        StatedDigest::Md5(stated) => Some(stated[..] == Md5::digest(bytes)[..]),
        StatedDigest::Malformed(_) => None,
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
