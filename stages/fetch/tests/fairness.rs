//! No server, however slow, holds up the others, and no call waits for ever.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant, SystemTime},
};

use futures::{
    StreamExt,
    future::{Either, join, join_all, select},
    stream::FuturesUnordered,
};
use img2tokens_fetch::FetchConfig;
use img2tokens_schemas::FailureReason;
use img2tokens_test_support::{Fault, FaultServer, NameServer, Reply, StaticSite};
use support::{PICTURE, config, fetch, fetcher};
use url::Url;

/// Limits that no server here breaks before a test fails.
fn patient() -> FetchConfig {
    const LONG: Duration = Duration::from_secs(600);
    FetchConfig {
        first_byte_timeout: LONG,
        stall_timeout: LONG,
        timeout: LONG,
        host_wait: LONG,
        ..config()
    }
}

/// A URL of the site under another name, which makes it another host.
fn by_name(site: &StaticSite, path: &str) -> String {
    format!("http://localhost:{}{path}", site.address().port())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_for_a_slow_host_leave_the_way_open_for_a_fast_one() {
    let (slow, fast) = (FaultServer::start(PICTURE), StaticSite::start());
    fast.put("/a", Reply::ok(PICTURE));
    let fetcher = fetcher(FetchConfig {
        concurrency: 16,
        per_host: 8,
        ..patient()
    });
    let (slow_url, fast_url) = (slow.url(Fault::StallBeforeHeaders), by_name(&fast, "/a"));
    let urls = std::iter::repeat_n(&slow_url, 1000).chain(std::iter::repeat_n(&fast_url, 100));
    // What is fetched is dropped, or it would keep its place.
    let calls: FuturesUnordered<_> = urls
        .map(async |url| fetch(&fetcher, url).await.map(drop))
        .collect();
    let first: Vec<_> = calls.take(100).collect().await;
    assert!(first.iter().all(Result::is_ok));
    assert_eq!(fast.requests("/a"), 100);
    assert!(slow.requests(Fault::StallBeforeHeaders) <= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_names_of_one_silent_server_leave_most_places_to_others() {
    const NAMES: usize = 300;
    let (names, silent, good) = (
        NameServer::start(),
        FaultServer::start(PICTURE),
        StaticSite::start(),
    );
    let own = Ipv4Addr::LOCALHOST;
    good.put("/a", Reply::ok(PICTURE));
    let port = |url: &str| Url::parse(url).unwrap().port().unwrap();
    let stalling = Url::parse(&silent.url(Fault::StallBeforeHeaders)).unwrap();
    let mut urls = Vec::new();
    for number in 0..NAMES {
        // Each name lists another address too, at which nobody listens.
        let (name, other) = (
            format!("s{number}.silent.test"),
            Ipv4Addr::from_bits(0x7f01_0000 + number as u32),
        );
        names.put(&name, &[own, other]);
        urls.push(format!(
            "http://{name}:{}{}",
            port(stalling.as_str()),
            stalling.path()
        ));
    }
    for number in 0..20 {
        let name = format!("g{number}.good.test");
        names.put(&name, &[own]);
        urls.extend(std::iter::repeat_n(
            format!("http://{name}:{}/a", port(&good.url("/a"))),
            5,
        ));
    }
    let fetcher = fetcher(FetchConfig {
        concurrency: 64,
        dns_servers: vec![names.address()],
        ..patient()
    });
    let calls: FuturesUnordered<_> = urls
        .iter()
        .map(async |url| fetch(&fetcher, url).await.map(drop))
        .collect();
    let first: Vec<_> = calls.take(100).collect().await;
    assert!(first.iter().all(Result::is_ok), "the silent server never answers");
    assert_eq!(good.requests("/a"), 100);
    assert!(
        silent.requests(Fault::StallBeforeHeaders) <= 16,
        "twice what one host may have"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_one_server_wait_as_patiently_as_for_a_host_and_then_fail_as_that() {
    let (names, silent) = (NameServer::start(), FaultServer::start(PICTURE));
    let stalling = Url::parse(&silent.url(Fault::StallBeforeHeaders)).unwrap();
    let url = |name: &str| {
        names.put(name, &[Ipv4Addr::LOCALHOST]);
        format!("http://{name}:{}{}", stalling.port().unwrap(), stalling.path())
    };
    let (one, other) = (url("one.test"), url("other.test"));
    let fetcher = fetcher(FetchConfig {
        per_address: 1,
        host_wait: Duration::from_millis(50),
        dns_servers: vec![names.address()],
        ..patient()
    });
    let (first, second) = (
        std::pin::pin!(fetch(&fetcher, &one)),
        std::pin::pin!(fetch(&fetcher, &other)),
    );
    let (Either::Left((outcome, _)) | Either::Right((outcome, _))) = select(first, second).await;
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.cause.reason(), error.attempts),
        (FailureReason::HostUnavailable, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_in_flight_than_allowed_and_bodies_count_until_taken_over() {
    let (here, there) = (StaticSite::start(), StaticSite::start());
    for site in [&here, &there] {
        site.put("/a", Reply::ok(PICTURE));
    }
    let fetcher = fetcher(FetchConfig {
        concurrency: 2,
        ..patient()
    });
    let mut held = fetch(&fetcher, &here.url("/a")).await.unwrap();
    let _other = fetch(&fetcher, &here.url("/a")).await.unwrap();
    let url = there.url("/a");
    let waiting = tokio::time::timeout(Duration::from_millis(100), fetcher.fetch(&url));
    assert!(waiting.await.is_err() && there.requests("/a") == 0);
    held.release_place();
    assert!(fetch(&fetcher, &url).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_host_is_always_busy_fails_as_that() {
    let slow = FaultServer::start(PICTURE);
    let fetcher = fetcher(FetchConfig {
        per_host: 1,
        host_wait: Duration::from_millis(50),
        ..patient()
    });
    let url = slow.url(Fault::StallBeforeHeaders);
    let (first, second) = (
        std::pin::pin!(fetch(&fetcher, &url)),
        std::pin::pin!(fetch(&fetcher, &url)),
    );
    let (Either::Left((outcome, _)) | Either::Right((outcome, _))) = select(first, second).await;
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.cause.reason(), error.attempts),
        (FailureReason::HostUnavailable, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_bodies_that_drip_leave_memory_for_a_good_one() {
    let (slow, good) = (FaultServer::start(PICTURE), StaticSite::start());
    good.put("/a", Reply::ok(vec![7; 900_000]));
    let fetcher = fetcher(FetchConfig {
        per_host: 60,
        max_bytes: 1 << 20,
        max_bytes_in_flight: 20 << 20,
        ..patient()
    });
    let urls = [slow.url(Fault::Drip), slow.url(Fault::DripNoLength)];
    let dripping = join_all((0..60).map(|number| fetch(&fetcher, &urls[number % 2])));
    let good_url = by_name(&good, "/a");
    let all_drip = async {
        while slow.requests(Fault::Drip) + slow.requests(Fault::DripNoLength) < 60 {
            tokio::task::yield_now().await;
        }
        fetch(&fetcher, &good_url).await.unwrap().bytes.len()
    };
    match select(std::pin::pin!(dripping), std::pin::pin!(all_drip)).await {
        Either::Left(_) => panic!("the drips end first"),
        Either::Right((length, _)) => assert_eq!(length, 900_000),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_at_their_limit_that_redirect_to_each_other_do_not_block_each_other() {
    let (here, there) = (StaticSite::start(), StaticSite::start());
    here.put("/a", Reply::redirect(by_name(&there, "/end")));
    here.put("/end", Reply::ok(PICTURE));
    there.put("/b", Reply::redirect(here.url("/end")));
    there.put("/end", Reply::ok(PICTURE));
    let fetcher = fetcher(FetchConfig {
        concurrency: 2,
        per_host: 1,
        ..patient()
    });
    let urls = [here.url("/a"), by_name(&there, "/b")];
    let calls = (0..40).map(async |number| fetch(&fetcher, &urls[number % 2]).await.map(drop));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!((here.requests("/end"), there.requests("/end")), (20, 20));
}

/// One request is answered by a `Retry-After`; then those that wait in the queue behind it are held back as well.
async fn held_back_by(retry_after: &str) {
    let site = StaticSite::start();
    let busy = Reply::status(429).header("retry-after", retry_after);
    site.put_sequence("/a", [busy, Reply::ok(PICTURE)]);
    let fetcher = fetcher(FetchConfig {
        per_host: 1,
        retries: 1,
        ..patient()
    });
    let url = site.url("/a");
    let first = fetch(&fetcher, &url);
    let others = join_all((0..5).map(|_| fetch(&fetcher, &url)));
    let (first, others) = join(first, others).await;
    assert_eq!(first.unwrap().attempts, 2);
    assert!(others.into_iter().all(|other| other.unwrap().attempts == 1));
    assert_eq!(site.requests("/a"), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_of_seconds_is_kept_by_all_calls() {
    let start = Instant::now();
    held_back_by("1").await;
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_until_a_date_is_kept_by_all_calls() {
    // The header has whole seconds: this is one to two from now.
    let rest = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    held_back_by(&rest).await;
    assert!(SystemTime::now() >= httpdate::parse_http_date(&rest).unwrap());
}
