//! Whatever a server does, a fetch ends with the right reason, in bounded time and memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{net::Ipv4Addr, time::Duration};

use futures::future::join_all;
use img2tokens_fetch::{FetchCause, FetchConfig, RedirectFault, Waiting};
use img2tokens_schemas::{Failure, FailureReason};
use img2tokens_test_support::{Fault, FaultServer, NameServer};
use support::{PICTURE, config, fetch_with, fetcher, reason, resident_bytes};

/// Limits that a server on loopback meets at once, for faults that run into them.
fn impatient() -> FetchConfig {
    FetchConfig {
        first_byte_timeout: Duration::from_millis(300),
        stall_timeout: Duration::from_millis(300),
        timeout: Duration::from_millis(900),
        ..config()
    }
}

async fn assert_reason(fault: Fault, expected: FailureReason, http_status: Option<u16>) {
    let server = FaultServer::start(PICTURE);
    let failure = Failure::from(fetch_with(config(), &server.url(fault)).await.unwrap_err());
    assert_eq!(
        (failure.reason, failure.http_status),
        (expected, http_status),
        "{fault:?}: {failure:?}"
    );
    assert_eq!(failure.attempts, 1, "{fault:?}");
}

#[tokio::test]
async fn a_sound_answer_is_taken_as_it_is_sent() {
    let server = FaultServer::start(PICTURE);
    for fault in [Fault::None, Fault::Chunked, Fault::NoContentLength] {
        let fetched = fetch_with(config(), &server.url(fault)).await.unwrap();
        assert_eq!((&fetched.bytes[..], fetched.attempts), (PICTURE, 1), "{fault:?}");
    }
    // What goes beyond the stated length is no part of the answer.
    let fetched = fetch_with(config(), &server.url(Fault::ShortContentLength))
        .await
        .unwrap();
    assert_eq!(fetched.bytes, PICTURE[..5]);
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up_by_the_limit_it_breaks() {
    let server = FaultServer::start(PICTURE);
    let only_whole = FetchConfig {
        stall_timeout: Duration::from_secs(60),
        ..impatient()
    };
    for (fault, config, expected) in [
        (Fault::StallBeforeHeaders, impatient(), Waiting::FirstByte),
        (Fault::StallInBody, impatient(), Waiting::NextByte),
        (Fault::Drip, impatient(), Waiting::Whole),
        (Fault::DripNoLength, impatient(), Waiting::Whole),
        (Fault::StallInBody, only_whole, Waiting::Whole),
    ] {
        match fetch_with(config, &server.url(fault)).await.unwrap_err().cause {
            FetchCause::Timeout { waiting, .. } => assert_eq!(waiting, expected, "{fault:?}"),
            other => panic!("{fault:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_never_taken_for_whole() {
    for fault in [Fault::LongContentLength, Fault::ChunkedBroken] {
        assert_reason(fault, FailureReason::IncompleteBody, Some(200)).await;
    }
    let server = FaultServer::start(PICTURE);
    for fault in [Fault::CloseAtOnce, Fault::ResetInBody] {
        let outcome = fetch_with(config(), &server.url(fault)).await;
        assert_eq!(reason(&outcome), Some(FailureReason::IncompleteBody), "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    assert_reason(Fault::NotHttp, FailureReason::InvalidResponse, None).await;
    assert_reason(Fault::TwoContentLengths, FailureReason::InvalidResponse, None).await;
    assert_reason(Fault::MegabyteHeaders, FailureReason::InvalidResponse, None).await;
    assert_reason(Fault::EndlessHeaders, FailureReason::InvalidResponse, None).await;
    assert_reason(Fault::ChunkedGarbage, FailureReason::InvalidResponse, Some(200)).await;
    assert_reason(Fault::GzipBomb, FailureReason::InvalidResponse, Some(200)).await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_held() {
    assert_reason(Fault::HugeContentLength, FailureReason::TooLarge, Some(200)).await;
    assert_reason(Fault::EndlessBody, FailureReason::TooLarge, Some(200)).await;
    let server = FaultServer::start(PICTURE);
    let limit = |max_bytes: usize| FetchConfig {
        max_bytes: max_bytes as u64,
        ..config()
    };
    for fault in [Fault::None, Fault::Chunked, Fault::NoContentLength] {
        assert!(
            fetch_with(limit(PICTURE.len()), &server.url(fault)).await.is_ok(),
            "{fault:?}"
        );
        let outcome = fetch_with(limit(PICTURE.len() - 1), &server.url(fault)).await;
        assert_eq!(reason(&outcome), Some(FailureReason::TooLarge), "{fault:?}");
    }
}

#[tokio::test]
async fn redirects_that_lead_nowhere_are_told_apart() {
    let server = FaultServer::start(PICTURE);
    for (fault, expected) in [
        (Fault::RedirectLoop, RedirectFault::TooMany { limit: 5 }),
        (Fault::RedirectNowhere, RedirectFault::NoLocation),
        (
            Fault::RedirectToFile,
            RedirectFault::BadLocation {
                location: "file:///etc/passwd".to_owned(),
            },
        ),
    ] {
        match fetch_with(config(), &server.url(fault)).await.unwrap_err().cause {
            FetchCause::Redirect(found) => assert_eq!(found, expected),
            other => panic!("{fault:?}: {other:?}"),
        }
    }
    assert_eq!(server.requests(Fault::RedirectLoop), 6);
}

#[tokio::test]
async fn what_may_pass_is_asked_for_again() {
    let server = FaultServer::start(PICTURE);
    let config = || FetchConfig {
        retries: 1,
        ..config()
    };
    for fault in [
        Fault::ErrorOnce,
        Fault::UnavailableOnce,
        Fault::TooManyRequestsOnce,
        Fault::ResetInBodyOnce,
    ] {
        let fetched = fetch_with(config(), &server.url(fault)).await.unwrap();
        assert_eq!((&fetched.bytes[..], fetched.attempts), (PICTURE, 2), "{fault:?}");
    }
    let error = fetch_with(config(), &server.url(Fault::ResetInBody))
        .await
        .unwrap_err();
    assert_eq!((error.attempts, server.requests(Fault::ResetInBody)), (2, 2));
}

#[tokio::test]
async fn what_will_not_pass_is_asked_for_once() {
    let server = FaultServer::start(PICTURE);
    for fault in [
        Fault::GzipBomb,
        Fault::HugeContentLength,
        Fault::NotHttp,
        Fault::RedirectNowhere,
    ] {
        let error = fetch_with(
            FetchConfig {
                retries: 3,
                ..config()
            },
            &server.url(fault),
        )
        .await
        .unwrap_err();
        assert_eq!((error.attempts, server.requests(fault)), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn nobody_listening_is_a_failed_connection() {
    let address = FaultServer::start(PICTURE).address();
    let outcome = fetch_with(config(), &format!("http://{address}/")).await;
    assert_eq!(reason(&outcome), Some(FailureReason::Connect));
}

#[tokio::test]
async fn what_is_no_http_url_is_never_asked_for() {
    for url in [
        "",
        "no url",
        "ftp://example.com/a.jpg",
        "http://",
        "data:image/png;base64,AA==",
        "//example.com/a",
    ] {
        let error = fetch_with(config(), url).await.unwrap_err();
        assert_eq!(
            (error.cause.reason(), error.attempts),
            (FailureReason::InvalidUrl, 0),
            "{url}"
        );
    }
}

/// Every fault has a name of its own, so that what one does to its host is no matter of the others. No redirect is
/// followed: some lead out of this machine.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_ends_in_bounded_time_and_memory() {
    const SLACK_BYTES: usize = 24 << 20;
    let (names, server) = (NameServer::start(), FaultServer::start(PICTURE));
    let limits = FetchConfig {
        dns_servers: vec![names.address()],
        max_redirects: 0,
        max_bytes: 1 << 20,
        max_bytes_in_flight: 8 << 20,
        ..impatient()
    };
    // An attempt as a whole is the longest wait for a server; the rest is for a busy machine.
    let bound = 30 * limits.timeout;
    let (fetcher, port) = (fetcher(limits), server.address().port());
    for fault in 0..Fault::ALL.len() {
        names.put(&format!("fault{fault}.test"), &[Ipv4Addr::LOCALHOST]);
    }
    let each_at_once = async |count: usize| {
        let faults = Fault::ALL.iter().enumerate();
        let calls = faults.flat_map(|fault| std::iter::repeat_n(fault, count));
        let ends = calls.map(async |(number, fault)| {
            let url = format!("http://fault{number}.test:{port}{}", fault.path());
            let end = tokio::time::timeout(bound, fetcher.fetch(&url)).await;
            assert!(end.is_ok(), "{fault:?} goes on after {bound:?}");
        });
        join_all(ends).await;
    };
    each_at_once(1).await;
    let before = resident_bytes();
    each_at_once(8).await;
    let growth = resident_bytes().saturating_sub(before);
    assert!(growth < SLACK_BYTES, "memory grew by {growth} bytes");
    for fault in Fault::ALL {
        assert!(server.requests(*fault) > 0, "{fault:?}");
    }
}
