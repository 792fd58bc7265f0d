//! A body, read within its limits.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Response,
    header::{CONTENT_ENCODING, HeaderMap},
};

use crate::{
    budget::{ByteBudget, ByteCredit},
    classify::answer_error,
    clock::AttemptClock,
    deny_list::BodyHasher,
    error::{FetchCause, Waiting},
};

/// A whole body, with its share of the byte budget.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) credit: ByteCredit,
}

/// Reads a body of at most `max_bytes`.
///
/// Its share of the budget is taken before the first byte is read: the length it states, which the client holds it
/// to, or the most it may have.
pub(crate) async fn read_body(
    mut response: Response,
    max_bytes: u32,
    stall_timeout: Duration,
    budget: &ByteBudget,
    clock: &mut AttemptClock,
    hasher: &mut BodyHasher,
) -> Result<Body, FetchCause> {
    refuse_coding(response.headers())?;
    let too_large = FetchCause::TooLarge { limit: max_bytes };
    let stated = match response.content_length().map(u32::try_from) {
        Some(Ok(length)) if length <= max_bytes => Some(length),
        Some(_) => return Err(too_large),
        None => None,
    };
    let share = stated.unwrap_or(max_bytes);
    let mut credit = clock.uncounted(budget.acquire(share)).await;
    let mut body = Vec::with_capacity(stated.unwrap_or_default() as usize);
    while let Some(chunk) = clock
        .within(stall_timeout, Waiting::NextByte, response.chunk())
        .await?
        .map_err(answer_error)?
    {
        let length = body.len() + chunk.len();
        if length > share as usize {
            return Err(too_large);
        }
        if length > body.capacity() {
            // Doubled, but not beyond the share.
            body.reserve_exact((2 * length).min(share as usize) - body.len());
        }
        hasher.update(&chunk);
        body.extend_from_slice(&chunk);
    }
    body.shrink_to_fit();
    credit.shrink_to(body.len());
    Ok(Body {
        bytes: body.into(),
        credit,
    })
}

/// Nothing but `identity` was asked for; anything else could grow without bound when undone.
fn refuse_coding(headers: &HeaderMap) -> Result<(), FetchCause> {
    let codings = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    match codings
        .map(|coding| coding.trim().to_ascii_lowercase())
        .find(|coding| !matches!(&**coding, "" | "identity"))
    {
        Some(coding) => Err(FetchCause::ContentCoding { coding }),
        None => Ok(()),
    }
}
