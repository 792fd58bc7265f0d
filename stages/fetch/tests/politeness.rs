//! The sites are not hurt, and their wishes are heeded.

mod support;

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use img2tokens_fetch::{FetchConfig, RobotsPolicy};
use img2tokens_schemas::FailureReason;
use img2tokens_test_support::{Fault, FaultServer, Reply, StaticSite};
use support::{PICTURE, config, fetch, fetch_with, fetcher, reason};

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_at_one_host_than_allowed() {
    let site = StaticSite::start();
    site.put("/a", Reply::ok(PICTURE).together(4));
    let fetcher = fetcher(FetchConfig {
        per_host: 4,
        ..config()
    });
    let (url, fetcher) = (site.url("/a"), &fetcher);
    let outcomes = join_all((0..40).map(|_| fetch(fetcher, &url))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((site.requests("/a"), site.most_in_flight()), (40, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_counts_at_the_host_it_leads_to() {
    let (from, to) = (StaticSite::start(), StaticSite::start());
    from.put(
        "/a",
        Reply::redirect(format!("http://localhost:{}/b", to.address().port())),
    );
    to.put("/b", Reply::ok(PICTURE).together(2));
    let fetcher = fetcher(FetchConfig {
        per_host: 2,
        ..config()
    });
    let (url, fetcher) = (from.url("/a"), &fetcher);
    let outcomes = join_all((0..20).map(|_| fetch(fetcher, &url))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((to.requests("/b"), to.most_in_flight()), (20, 2));
}

#[tokio::test]
async fn connections_are_used_again() {
    let site = StaticSite::start();
    site.put("/a", Reply::ok(PICTURE));
    let fetcher = fetcher(FetchConfig {
        per_host: 1,
        ..config()
    });
    for _ in 0..10 {
        fetch(&fetcher, &site.url("/a")).await.unwrap();
    }
    assert_eq!((site.requests("/a"), site.connections()), (10, 1));
}

#[tokio::test]
async fn a_host_that_asks_for_a_long_rest_is_left_alone() {
    let server = FaultServer::start(PICTURE);
    let fetcher = fetcher(FetchConfig {
        retries: 3,
        ..config()
    });
    let error = fetch(&fetcher, &server.url(Fault::TooManyRequests))
        .await
        .unwrap_err();
    assert_eq!(
        (error.cause.reason(), error.http_status),
        (FailureReason::HttpStatus, Some(429))
    );
    let error = fetch(&fetcher, &server.url(Fault::None)).await.unwrap_err();
    assert_eq!(
        (error.cause.reason(), error.attempts),
        (FailureReason::HostUnavailable, 0)
    );
    assert_eq!(
        (
            server.requests(Fault::TooManyRequests),
            server.requests(Fault::None)
        ),
        (1, 0)
    );
}

#[tokio::test]
async fn a_host_that_keeps_failing_is_not_asked_any_more() {
    let site = StaticSite::start();
    site.put("/broken", Reply::status(500));
    site.put("/missing", Reply::status(404));
    let fetcher = fetcher(FetchConfig {
        breaker_failures: 3,
        ..config()
    });
    for path in ["/broken", "/broken", "/missing", "/broken", "/broken", "/broken"] {
        assert_eq!(
            reason(&fetch(&fetcher, &site.url(path)).await),
            Some(FailureReason::HttpStatus),
            "{path}"
        );
    }
    assert_eq!(
        reason(&fetch(&fetcher, &site.url("/broken")).await),
        Some(FailureReason::HostUnavailable)
    );
    assert_eq!(site.total_requests(), 6);
}

#[tokio::test]
async fn an_answer_that_opts_out_is_not_read_unless_told_to() {
    let site = StaticSite::start();
    site.put(
        "/robots",
        Reply::ok(PICTURE)
            .header("x-robots-tag", "all")
            .header("X-Robots-Tag", "nofollow, NoAI"),
    );
    site.put("/tdm", Reply::ok(PICTURE).header("tdm-reservation", "1"));
    site.put(
        "/hop",
        Reply::redirect("/none").header("x-robots-tag", "img2tokens: none"),
    );
    site.put(
        "/other",
        Reply::ok(PICTURE).header("x-robots-tag", "otherbot: noai"),
    );
    for path in ["/robots", "/tdm", "/hop"] {
        let outcome = fetch_with(config(), &site.url(path)).await;
        assert_eq!(reason(&outcome), Some(FailureReason::OptOut), "{path}");
    }
    assert!(fetch_with(config(), &site.url("/other")).await.is_ok());
    let heedless = FetchConfig {
        respect_opt_out: false,
        ..config()
    };
    assert!(fetch_with(heedless, &site.url("/robots")).await.is_ok());
}

fn with_robots(robots: RobotsPolicy) -> FetchConfig {
    FetchConfig { robots, ..config() }
}

#[tokio::test]
async fn robots_txt_is_heeded_and_read_once_for_all() {
    let site = StaticSite::start();
    site.put(
        "/robots.txt",
        Reply::ok("User-agent: img2tokens\nDisallow: /private").header("x-robots-tag", "noindex"),
    );
    site.put("/public", Reply::ok(PICTURE));
    site.put("/out", Reply::redirect("/private/a"));
    let fetcher = Arc::new(fetcher(with_robots(RobotsPolicy::FailClosed)));
    let (private, public) = (site.url("/private/a"), site.url("/public"));
    let outcomes =
        join_all((0..20).map(|turn| fetch(&fetcher, if turn % 2 == 0 { &private } else { &public }))).await;
    for (turn, outcome) in outcomes.iter().enumerate() {
        assert_eq!(reason(outcome), (turn % 2 == 0).then_some(FailureReason::Robots));
    }
    assert_eq!(
        reason(&fetch(&fetcher, &site.url("/out")).await),
        Some(FailureReason::Robots)
    );
    assert_eq!(
        (
            site.requests("/robots.txt"),
            site.requests("/private/a"),
            site.requests("/public")
        ),
        (1, 0, 10)
    );
}

#[tokio::test]
async fn a_robots_txt_that_cannot_be_read_counts_by_the_policy() {
    for (status, policy, expected) in [
        (500, RobotsPolicy::FailClosed, Some(FailureReason::Robots)),
        (500, RobotsPolicy::FailOpen, None),
        (404, RobotsPolicy::FailClosed, None),
    ] {
        let site = StaticSite::start();
        site.put("/robots.txt", Reply::status(status));
        site.put("/a", Reply::ok(PICTURE));
        assert_eq!(
            reason(&fetch_with(with_robots(policy), &site.url("/a")).await),
            expected,
            "{status} {policy:?}"
        );
    }
}

#[tokio::test]
async fn a_robots_txt_is_asked_for_again_like_any_url() {
    let site = StaticSite::start();
    let rules = Reply::ok("User-agent: *\nDisallow: /private");
    site.put_sequence("/robots.txt", [Reply::status(503), rules]);
    site.put("/a", Reply::ok(PICTURE));
    let config = FetchConfig {
        retries: 1,
        ..with_robots(RobotsPolicy::FailClosed)
    };
    let fetcher = fetcher(config);
    assert!(fetch(&fetcher, &site.url("/a")).await.is_ok());
    let outcome = fetch(&fetcher, &site.url("/private")).await;
    assert_eq!(reason(&outcome), Some(FailureReason::Robots));
    assert_eq!(site.requests("/robots.txt"), 2);
}

#[tokio::test]
async fn of_a_robots_txt_that_is_too_large_the_beginning_counts() {
    // The limit of 500 KiB falls into the last of these rules, whose half would forbid all.
    let mut rules = "User-agent: *\nDisallow: /private\n".to_owned();
    let comment = "# nothing\n";
    rules.push_str(&comment.repeat((500 * 1024 - rules.len()) / comment.len() - 2));
    rules.push_str(&"#".repeat(500 * 1024 - rules.len() - "\nDisallow: /".len()));
    rules.push_str("\nDisallow: /beyond\nDisallow: /further\n");
    let site = StaticSite::start();
    site.put("/robots.txt", Reply::ok(rules));
    for path in ["/a", "/further"] {
        site.put(path, Reply::ok(PICTURE));
    }
    let fetcher = fetcher(with_robots(RobotsPolicy::FailClosed));
    for (path, expected) in [
        ("/private", Some(FailureReason::Robots)),
        ("/a", None),
        ("/further", None),
    ] {
        assert_eq!(
            reason(&fetch(&fetcher, &site.url(path)).await),
            expected,
            "{path}"
        );
    }
    assert_eq!(site.requests("/robots.txt"), 1);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_for_its_robots_txt_fails_as_itself() {
    let server = FaultServer::start(PICTURE);
    let gone = format!("http://{}/", server.address());
    drop(server);
    let error = fetch_with(with_robots(RobotsPolicy::FailClosed), &gone)
        .await
        .unwrap_err();
    assert_eq!(error.cause.reason(), FailureReason::Connect);
}

/// With room for one body only, fetches pass one by one, and none waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_share_the_byte_budget_and_give_it_back() {
    let site = StaticSite::start();
    let picture = vec![7; 50_000];
    site.put("/a", Reply::ok(picture.clone()));
    let limits = FetchConfig {
        max_bytes: 50_000,
        max_bytes_in_flight: 60_000,
        per_host: 64,
        ..config()
    };
    let fetcher = fetcher(limits);
    let (url, fetcher) = (site.url("/a"), &fetcher);
    let sizes =
        join_all((0..64).map(|_| async { fetch(fetcher, &url).await.map(|fetched| fetched.bytes.len()) }));
    assert!(sizes.await.into_iter().all(|size| size.unwrap() == picture.len()));

    let held = fetch(fetcher, &url).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(200), fetcher.fetch(&url));
    assert!(waiting.await.is_err(), "a second body was held beside the first");
    drop(held);
    assert!(fetch(fetcher, &url).await.is_ok());
}
