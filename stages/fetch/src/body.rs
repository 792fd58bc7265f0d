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

/// What every body may hold before it has sent that much: most pictures are smaller.
const FIRST_SHARE: u32 = 256 << 10;

/// A body, with its share of the byte budget.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) credit: ByteCredit,
    /// Whether its end was left out.
    pub(crate) is_cut: bool,
}

/// How large a body may be, and what becomes of a larger one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BodyLimit {
    /// It is refused.
    Refuse(u32),
    /// Its end is left out.
    Cut(u32),
}

/// Reads a body within its limit.
///
/// Its share of the budget grows with it, ahead of what it holds but for the chunk that just came: no more than twice
/// its length, and at most the length it states, which the client holds it to.
pub(crate) async fn read_body(
    mut response: Response,
    limit: BodyLimit,
    stall_timeout: Duration,
    budget: &ByteBudget,
    clock: &mut AttemptClock,
    hasher: &mut BodyHasher,
) -> Result<Body, FetchCause> {
    refuse_coding(response.headers())?;
    let (BodyLimit::Refuse(max_bytes) | BodyLimit::Cut(max_bytes)) = limit;
    let may_be_cut = matches!(limit, BodyLimit::Cut(_));
    let too_large = FetchCause::TooLarge { limit: max_bytes };
    let most = match response.content_length().map(u32::try_from) {
        Some(Ok(length)) if length <= max_bytes => length,
        Some(_) if !may_be_cut => return Err(too_large),
        _ => max_bytes,
    };
    let mut credit = clock.uncounted(budget.acquire(most.min(FIRST_SHARE))).await;
    let mut body = Vec::new();
    let mut is_cut = false;
    while !is_cut
        && let Some(mut chunk) = clock
            .within(stall_timeout, Waiting::NextByte, response.chunk())
            .await?
            .map_err(answer_error)?
    {
        let room = most as usize - body.len();
        if chunk.len() > room {
            if !may_be_cut {
                return Err(too_large);
            }
            chunk.truncate(room);
            is_cut = true;
        }
        let length = body.len() + chunk.len();
        if length > body.capacity() {
            // What is stated is believed as far as the first share goes, and doubled from there on.
            let share = u32::try_from(2 * length)
                .unwrap_or(most)
                .max(FIRST_SHARE)
                .min(most);
            clock.uncounted(credit.grow_to(share)).await;
            body.reserve_exact(share as usize - body.len());
        }
        hasher.update(&chunk);
        body.extend_from_slice(&chunk);
    }
    body.shrink_to_fit();
    credit.shrink_to(body.len());
    Ok(Body {
        bytes: body.into(),
        credit,
        is_cut,
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
