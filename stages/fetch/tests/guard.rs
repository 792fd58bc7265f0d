//! No request reaches an address that is not public, however a server or a name tries.

mod support;

use std::{net::Ipv4Addr, time::Duration};

use img2tokens_fetch::{FetchConfig, Fetcher};
use img2tokens_schemas::FailureReason;
use img2tokens_test_support::{Fault, FaultServer, NameServer};
use support::{PICTURE, config, fetch, fetch_with, fetcher, reason};

/// AS112's sink for DNS questions (RFC 7535): public by the rules, and no web site. Connecting to it fails or takes too
/// long, whatever the network.
const PUBLIC: Ipv4Addr = Ipv4Addr::new(192, 31, 196, 1);

fn guarded(names: &NameServer) -> FetchConfig {
    FetchConfig {
        allow_private_addresses: false,
        dns_servers: vec![names.address()],
        connect_timeout: Duration::from_millis(200),
        ..config()
    }
}

async fn reason_for(fetcher: &Fetcher, url: &str) -> Option<FailureReason> {
    reason(&fetch(fetcher, url).await)
}

#[tokio::test]
async fn a_name_with_a_private_address_is_blocked() {
    let (names, server) = (NameServer::start(), FaultServer::start(PICTURE));
    names.put("inside.test", &[Ipv4Addr::LOCALHOST]);
    names.put(
        "nat.test",
        &[Ipv4Addr::new(100, 64, 0, 1), Ipv4Addr::new(10, 0, 0, 1)],
    );
    let fetcher = fetcher(guarded(&names));
    let port = server.address().port();
    for host in [
        "inside.test",
        "INSIDE.test.",
        "nat.test",
        "localhost",
        "sub.localhost",
    ] {
        let url = format!("http://{host}:{port}/");
        assert_eq!(
            reason_for(&fetcher, &url).await,
            Some(FailureReason::BlockedAddress),
            "{host}"
        );
    }
    assert_eq!(server.requests(Fault::None), 0);
}

#[tokio::test]
async fn the_same_name_is_fetched_once_private_addresses_are_allowed() {
    let (names, server) = (NameServer::start(), FaultServer::start(PICTURE));
    names.put("inside.test", &[Ipv4Addr::LOCALHOST]);
    let config = FetchConfig {
        allow_private_addresses: true,
        ..guarded(&names)
    };
    let url = format!("http://inside.test:{}/", server.address().port());
    assert_eq!(fetch_with(config, &url).await.unwrap().bytes, PICTURE);
}

#[tokio::test]
async fn a_name_that_turns_private_at_the_second_look_is_blocked_then() {
    let (names, server) = (NameServer::start(), FaultServer::start(PICTURE));
    names.put_sequence("rebind.test", &[&[PUBLIC], &[Ipv4Addr::LOCALHOST]]);
    let config = FetchConfig {
        retries: 1,
        ..guarded(&names)
    };
    let url = format!("http://rebind.test:{}/", server.address().port());
    let error = fetch_with(config, &url).await.unwrap_err();
    assert_eq!(error.cause.reason(), FailureReason::BlockedAddress, "{error:?}");
    assert_eq!((names.asked("rebind.test"), server.requests(Fault::None)), (2, 0));
}

#[tokio::test]
async fn of_mixed_addresses_only_the_public_ones_are_tried() {
    let (names, server) = (NameServer::start(), FaultServer::start(PICTURE));
    names.put("mixed.test", &[Ipv4Addr::LOCALHOST, PUBLIC]);
    let url = format!("http://mixed.test:{}/", server.address().port());
    let reason = reason_for(&fetcher(guarded(&names)), &url).await;
    assert!(
        matches!(reason, Some(FailureReason::Connect | FailureReason::Timeout)),
        "{reason:?}"
    );
    assert_eq!(server.requests(Fault::None), 0);
}

/// The server stands in for a proxy here, so that a first answer can come "from" a public name.
#[tokio::test]
async fn a_redirect_is_checked_like_a_first_url() {
    let (names, server) = (NameServer::start(), FaultServer::start(PICTURE));
    let config = FetchConfig {
        proxy: Some(format!("http://{}", server.address())),
        ports: vec![80, server.address().port()],
        ..guarded(&names)
    };
    let fetcher = fetcher(config);
    for (fault, expected) in [
        (Fault::RedirectToLoopback, FailureReason::BlockedAddress),
        (Fault::RedirectToMetadata, FailureReason::BlockedAddress),
        (Fault::RedirectToMappedPrivate, FailureReason::BlockedAddress),
        (Fault::RedirectToMailPort, FailureReason::BlockedPort),
    ] {
        let outcome = fetch(&fetcher, &format!("http://public.test{}", fault.path())).await;
        assert_eq!(reason(&outcome), Some(expected), "{fault:?}");
        assert_eq!(outcome.unwrap_err().http_status, Some(302), "{fault:?}");
        assert_eq!(server.requests(fault), 1, "{fault:?}");
    }
    assert_eq!(server.requests(Fault::None), 0);
}

#[tokio::test]
async fn an_address_in_the_url_is_blocked_without_a_request() {
    let (names, server) = (NameServer::start(), FaultServer::start(PICTURE));
    let error = fetch_with(guarded(&names), &server.url(Fault::None))
        .await
        .unwrap_err();
    assert_eq!(
        (error.cause.reason(), error.attempts),
        (FailureReason::BlockedAddress, 0)
    );
    assert_eq!(server.requests(Fault::None), 0);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_looked_up_once() {
    let names = NameServer::start();
    names.put_sequence("nowhere.test", &[]);
    let fetcher = fetcher(FetchConfig {
        retries: 2,
        ..guarded(&names)
    });
    for path in ["a", "b", "c"] {
        assert_eq!(
            reason_for(&fetcher, &format!("http://nowhere.test/{path}")).await,
            Some(FailureReason::Dns)
        );
    }
    assert_eq!(names.asked("nowhere.test"), 1);
}

#[tokio::test]
async fn what_the_deny_list_holds_is_not_asked_for_even_after_a_redirect() {
    let (names, server) = (NameServer::start(), FaultServer::start(PICTURE));
    for name in ["denied.test", "allowed.test"] {
        names.put(name, &[Ipv4Addr::LOCALHOST]);
    }
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        list.path(),
        format!(
            "denied.test\n127.0.0.1\nhttp://allowed.test:{}/drip",
            server.address().port()
        ),
    )
    .unwrap();
    let config = FetchConfig {
        allow_private_addresses: true,
        deny_list: Some(list.path().to_owned()),
        ..guarded(&names)
    };
    let fetcher = fetcher(config);
    let port = server.address().port();
    for (host, fault) in [
        ("denied.test", Fault::None),
        ("a.denied.test", Fault::None),
        ("allowed.test", Fault::Drip),
        ("allowed.test", Fault::RedirectToLoopback),
    ] {
        let reason = reason_for(&fetcher, &format!("http://{host}:{port}{}", fault.path())).await;
        assert_eq!(reason, Some(FailureReason::DenyListed), "{host} {fault:?}");
    }
    assert_eq!(
        (server.requests(Fault::None), server.requests(Fault::Drip)),
        (0, 0)
    );
    assert_eq!(
        reason_for(&fetcher, &format!("http://allowed.test:{port}/")).await,
        None
    );
}
