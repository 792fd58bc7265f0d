//! From a row to the pictures that it wants, or why it wants none.

use std::sync::Arc;

use img2tokens_schemas::{Failure, FailureReason, Outcome, Part, Row, StatedDigest};

use super::caption::Caption;
use super::document::{OpenDocument, images, no_text};
use super::hops::WantedPair;
use super::ticket::{RowTicket, Ticket, UnitHandle, Whole};
use crate::config::VerifyHash;
use crate::stages::Stages;

/// What becomes of a row.
pub(super) enum Admission {
    /// Its pictures are wanted, one at least.
    Wanted(Vec<WantedPair>),
    /// It is not worth asking for its pictures.
    Refused(RowTicket, Failure),
}

pub(super) fn admit(
    stages: &Arc<Stages>,
    row: Result<Row, Outcome>,
    unit: UnitHandle,
    place: u64,
) -> Admission {
    let ticket = |index, key, url, kept| RowTicket {
        unit,
        place,
        index,
        key,
        url,
        kept,
    };
    match row {
        Err(Outcome {
            index,
            key,
            url,
            kept,
            result,
        }) => {
            let unreadable = || Failure::new(FailureReason::CorruptRow, "an unreadable row");
            let ticket = ticket(index, key, url, kept);
            let failure = result.err().unwrap_or_else(unreadable);
            let failure = taken_down(&ticket).err().unwrap_or(failure);
            Admission::Refused(ticket, failure)
        }
        Ok(Row {
            index,
            key,
            kept,
            document: Some(parts),
            ..
        }) => admit_document(stages, ticket(index, key, None, kept), parts),
        Ok(Row {
            index,
            key,
            picture,
            caption,
            further_captions,
            kept,
            stated_digest,
            document: None,
        }) => {
            let found = std::iter::once(caption).chain(further_captions).collect();
            let caption = stages.captions.choose(&key, found);
            let ticket = ticket(index, key, picture.url().map(str::to_owned), kept);
            if let Err(failure) = taken_down(&ticket) {
                return Admission::Refused(ticket, failure);
            }
            let Some(caption) = caption else {
                let failure = Failure::new(FailureReason::EmptyCaption, "the row has no caption");
                return Admission::Refused(ticket, failure);
            };
            if let Some(failure) = unverifiable(stages.verify_hash, stated_digest.as_ref()) {
                return Admission::Refused(ticket, failure);
            }
            Admission::Wanted(vec![WantedPair {
                ticket: Ticket {
                    whole: Whole::Pair(ticket),
                    attempts: 0,
                },
                picture,
                caption,
                stated_digest,
                credit: None,
            }])
        }
    }
}

fn taken_down(row: &RowTicket) -> Result<(), Failure> {
    row.unit.refuse_taken_down(&row.key, row.url.as_deref(), None)
}

fn admit_document(stages: &Arc<Stages>, row: RowTicket, parts: Vec<Part>) -> Admission {
    let urls = images(&parts).map(|(_, picture)| picture.url());
    let is_taken_down = std::iter::once(None)
        .chain(urls)
        .try_for_each(|url| row.unit.refuse_taken_down(&row.key, url, None));
    if let Err(failure) = is_taken_down {
        return Admission::Refused(row, failure);
    }
    let is_written = |part: &Part| matches!(part, Part::Text(text) if !text.trim().is_empty());
    if !parts.iter().any(is_written) {
        return Admission::Refused(row, no_text());
    }
    let pictures: Vec<_> = images(&parts).map(|(_, picture)| picture.clone()).collect();
    if pictures.is_empty() {
        let failure = Failure::new(FailureReason::MissingUrl, "the document has no images");
        return Admission::Refused(row, failure);
    }
    let document = Arc::new(OpenDocument::new(stages, row, parts));
    let wanted = pictures
        .into_iter()
        .enumerate()
        .map(|(number, picture)| WantedPair {
            ticket: Ticket {
                whole: Whole::Document {
                    document: document.clone(),
                    number,
                },
                attempts: 0,
            },
            picture,
            caption: Caption::none(),
            stated_digest: None,
            credit: None,
        });
    Admission::Wanted(wanted.collect())
}

/// Why a picture that must have the digest that is stated of it never can.
fn unverifiable(verify_hash: VerifyHash, stated: Option<&StatedDigest>) -> Option<Failure> {
    match stated {
        _ if verify_hash != VerifyHash::Fail => None,
        Some(StatedDigest::Md5(_) | StatedDigest::Sha256(_)) => None,
        Some(StatedDigest::Malformed(text)) => {
            let detail = format!("the stated digest `{text}` is neither an MD5 nor a SHA-256");
            Some(Failure::new(FailureReason::CorruptRow, detail))
        }
        None => {
            let detail = "the dataset states no digest of this picture";
            Some(Failure::new(FailureReason::DigestMismatch, detail))
        }
    }
}
