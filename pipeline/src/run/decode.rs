//! What the image hop does with a picture: hashes, decodes and resizes it, within a budget of memory and under a
//! watchdog.
//!
//! The image stage refuses what takes too much memory or work by what a picture's bytes state. What is left to this hop
//! is the sum over all threads, and a decoder that does not do what its picture states: an endless loop costs its picture
//! and a thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use img2tokens_engine::{
    CancellationToken, Crossing, LeftBehind, Measure, MemoryBudget, MemoryCredit, Watch, WatchLimits,
    WatchedWork,
};
use img2tokens_image::{Examined, MAX_DECODE_BYTES, Prepared};
use img2tokens_schemas::{Digest, Failure, FailureReason, StatedDigest};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::hops::{EncodedPair, PictureFacts, PreparedPair};
use super::picture::{ImageBytes, KeptPicture};
use super::ticket::Ticket;
use super::timings::Part;
use crate::config::VerifyHash;
use crate::stages::Stages;

/// A thread whose picture has taken so many times `image.decode_timeout_s` of CPU time is left behind. The stage's own
/// bound is one of work on a reference machine: this leaves room for one that is several times slower.
const LEFT_BEHIND_AFTER: f64 = 10.0;

/// What the image hop works with.
pub(super) struct Decode {
    stages: Arc<Stages>,
    memory: MemoryBudget,
    runtime: Handle,
    cancel: CancellationToken,
}

/// What lies with the watchdog while a picture is in work: all that a thread left behind must not keep.
pub(super) struct InWork {
    ticket: Ticket,
    /// With its share of the byte budget.
    image: ImageBytes,
    /// What is held of the budget of memory for it.
    memory_bytes: u64,
}

/// When a decoder is left behind, given `image.decode_timeout_s`, and at most how many are.
pub(super) fn watch_limits(decode_timeout_s: f64, decoders: usize) -> WatchLimits {
    WatchLimits {
        work: Duration::try_from_secs_f64(decode_timeout_s * LEFT_BEHIND_AFTER)
            .unwrap_or(Duration::from_secs(86_400)),
        measure: Measure::CpuTime,
        left_behind: decoders,
    }
}

impl WatchedWork for Decode {
    type In = EncodedPair;
    type Out = PreparedPair;
    type Ticket = InWork;

    fn work(&self, pair: EncodedPair, watch: &Watch<InWork>) -> Result<Crossing<PreparedPair>, LeftBehind> {
        let EncodedPair {
            ticket,
            mut image,
            caption,
            stated_digest,
        } = pair;
        image.leave_queue();
        let bytes = image.bytes();
        let in_work = InWork {
            ticket,
            image,
            memory_bytes: 0,
        };
        let started = Instant::now();
        let (mut in_work, examined) = watch.over(in_work, || self.examine(&bytes, stated_digest.as_ref()))?;
        let examining = started.elapsed();
        let (sha256, digest_matches, examined) = match examined {
            Ok(examined) => examined,
            Err(failure) => return Ok(self.fail(in_work, started, failure)),
        };
        in_work.memory_bytes = examined.memory_bytes();
        let Some(credit) = self.credit(in_work.memory_bytes) else {
            // The run is being given up, and this picture's unit with it.
            return Ok(Crossing::Ended);
        };
        let started = Instant::now();
        let (in_work, prepared) =
            watch.over(in_work, || caught(|| examined.prepare().map_err(Failure::from)))?;
        drop(credit);
        in_work.ticket.add(Part::Image, examining);
        match prepared {
            Ok(prepared) => {
                let facts = PictureFacts {
                    caption,
                    width: prepared.width,
                    height: prepared.height,
                    sha256,
                    digest_matches,
                };
                Ok(self.go_on(in_work, started, prepared, facts))
            }
            Err(failure) => Ok(self.fail(in_work, started, failure)),
        }
    }

    fn give_up(&self, in_work: InWork) -> bool {
        let InWork {
            ticket, memory_bytes, ..
        } = in_work;
        tracing::warn!(
            key = ticket.key(),
            "the decoder does not return from this picture; its thread is left behind"
        );
        let detail = "the decoder did not return from this picture";
        let failure = Failure::new(FailureReason::DecodeTimeout, detail);
        self.runtime.block_on(ticket.fail(failure));
        // Beyond that, a picture could wait for ever for what a thread left behind does not give back.
        self.memory.write_off(memory_bytes) >= MAX_DECODE_BYTES
    }
}

impl Decode {
    /// Within `memory` bytes, over all threads. To be made on the runtime.
    pub(super) fn new(stages: &Arc<Stages>, memory: u64, cancel: &CancellationToken) -> Self {
        Self {
            stages: stages.clone(),
            memory: MemoryBudget::new(memory),
            runtime: Handle::current(),
            cancel: cancel.clone(),
        }
    }

    /// Hashes the bytes and reads the picture's headers.
    fn examine<'a>(
        &self,
        bytes: &'a Bytes,
        stated: Option<&StatedDigest>,
    ) -> Result<(Digest, Option<bool>, Examined<'a>), Failure> {
        caught(|| {
            let sha256 = Digest(Sha256::digest(bytes).into());
            let digest_matches = match self.stages.verify_hash {
                VerifyHash::Off => None,
                VerifyHash::Record | VerifyHash::Fail => {
                    stated.and_then(|stated| matches(stated, sha256, bytes))
                }
            };
            if self.stages.verify_hash == VerifyHash::Fail && digest_matches != Some(true) {
                let detail = "the bytes do not have the digest that the dataset states";
                return Err(Failure::new(FailureReason::DigestMismatch, detail));
            }
            let examined = self.stages.image.examine(bytes).map_err(Failure::from)?;
            Ok((sha256, digest_matches, examined))
        })
    }

    /// Waits for memory; none if the run is cancelled first.
    fn credit(&self, bytes: u64) -> Option<MemoryCredit> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => None,
                credit = self.memory.acquire(bytes) => Some(credit),
            }
        })
    }

    fn fail(&self, in_work: InWork, started: Instant, failure: Failure) -> Crossing<PreparedPair> {
        let InWork { ticket, .. } = in_work;
        ticket.spent(Part::Image, started);
        self.runtime.block_on(ticket.fail(failure));
        Crossing::Ended
    }

    /// A picture that is kept leaves memory from here.
    fn go_on(
        &self,
        in_work: InWork,
        started: Instant,
        prepared: Prepared,
        facts: PictureFacts,
    ) -> Crossing<PreparedPair> {
        let InWork { ticket, image, .. } = in_work;
        let kept = caught(|| {
            KeptPicture::of(self.stages.keep_images, image, &prepared, &facts.caption.text)
                .map_err(|error| Failure::new(FailureReason::CorruptImage, error.to_string()))
        });
        ticket.spent(Part::Image, started);
        let allowed = kept.and_then(|kept| {
            ticket.refuse_taken_down(facts.sha256)?;
            Ok(kept)
        });
        match allowed {
            Ok(kept) => {
                if let Some(kept) = kept {
                    self.runtime.block_on(ticket.keep(kept));
                }
                Crossing::Onward(PreparedPair {
                    ticket,
                    pixels: prepared.pixels,
                    facts,
                })
            }
            Err(failure) => {
                self.runtime.block_on(ticket.fail(failure));
                Crossing::Ended
            }
        }
    }
}

/// A panic in there is the picture's failure: nothing that it changes outlives it.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let detail = "the image stage panicked; standard error says where";
        Err(Failure::new(FailureReason::CorruptImage, detail))
    })
}

/// Whether the bytes have the digest that is stated of them, if one is.
fn matches(stated: &StatedDigest, sha256: Digest, bytes: &[u8]) -> Option<bool> {
    match stated {
        StatedDigest::Sha256(stated) => Some(*stated == sha256.0),
        StatedDigest::Md5(stated) => Some(stated[..] == Md5::digest(bytes)[..]),
        StatedDigest::Malformed(_) => None,
    }
}
