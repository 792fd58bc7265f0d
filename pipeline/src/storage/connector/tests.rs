//! How far credentials and redirects go.

use std::net::Ipv4Addr;

use img2tokens_test_support::{Reply, StaticSite};
use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3Builder;
use object_store::http::HttpBuilder;

use super::*;

/// A URL of the site by this host name, with this before the host.
fn url(site: &StaticSite, user: &str, host: &str, path: &str) -> String {
    format!("http://{user}{host}:{}{path}", site.address().port())
}

/// Which credentials the last request for a path carried.
fn sent(site: &StaticSite, path: &str) -> Vec<String> {
    let headers = site.last_request(path).unwrap().headers;
    let named = headers.keys().map(HeaderName::as_str);
    let mut secret: Vec<_> = named
        .filter(|name| matches!(*name, "authorization" | "cookie" | "referer") || name.starts_with("x-"))
        .map(str::to_owned)
        .collect();
    secret.sort();
    secret
}

/// Another port, on within the foreign origin, another name of the first host, and back home.
fn tour(home: &StaticSite, other: &StaticSite, start: &str) {
    home.put(start, Reply::redirect("/near"));
    home.put("/near", Reply::redirect(url(other, "", "127.0.0.1", "/b")));
    other.put("/b", Reply::redirect("/c"));
    other.put("/c", Reply::redirect(url(home, "", "localhost", "/d")));
    home.put("/d", Reply::redirect(url(home, "mallory:x@", "127.0.0.1", "/e")));
    home.put("/e", Reply::ok("content"));
}

fn expect_no_credentials_abroad(home: &StaticSite, other: &StaticSite) {
    for (site, path) in [(other, "/b"), (other, "/c"), (home, "/d"), (home, "/e")] {
        assert!(sent(site, path).is_empty(), "{path}: {:?}", sent(site, path));
    }
}

#[tokio::test]
async fn user_and_password_of_a_url_end_for_good_where_a_redirect_leaves_its_origin() {
    let (home, other) = (StaticSite::start(), StaticSite::start());
    tour(&home, &other, "/a");
    let located = crate::storage::resolve(&url(&home, "user:p%40ss@", "127.0.0.1", "/a?sig=1")).unwrap();
    assert!(!located.root.contains("user"), "{}", located.root);
    let path = object_store::path::Path::from(located.path);
    let read = located.store.get(&path).await.unwrap();
    assert_eq!(read.bytes().await.unwrap(), "content");
    for path in ["/a", "/near"] {
        let headers = home.last_request(path).unwrap().headers;
        assert_eq!(headers["authorization"], "Basic dXNlcjpwQHNz", "{path}");
    }
    expect_no_credentials_abroad(&home, &other);
    located.store.head(&path).await.unwrap();
    expect_no_credentials_abroad(&home, &other);
}

#[tokio::test]
async fn what_a_store_signs_ends_for_good_where_a_redirect_leaves_its_origin() {
    let (home, other) = (StaticSite::start(), StaticSite::start());
    tour(&home, &other, "/bucket/a");
    let store = AmazonS3Builder::new()
        .with_bucket_name("bucket")
        .with_region("here")
        .with_endpoint(home.url(""))
        .with_allow_http(true)
        .with_access_key_id("k")
        .with_secret_access_key("s")
        .with_token("t")
        .with_http_connector(Connector::default())
        .build()
        .unwrap();
    let path = object_store::path::Path::from("a");
    let meta = store.get(&path).await;
    assert!(
        sent(&home, "/bucket/a").contains(&"x-amz-security-token".to_owned()),
        "{meta:?}"
    );
    assert!(sent(&home, "/bucket/a").contains(&"authorization".to_owned()));
    expect_no_credentials_abroad(&home, &other);
    let put = store.put(&path, "bytes".into()).await;
    assert!(put.is_err(), "what changes something is not sent on");
    assert_eq!(home.requests("/bucket/a"), 2);
    assert_eq!(other.requests("/b"), 1);
}

#[tokio::test]
async fn a_public_server_cannot_send_into_a_private_net_and_a_private_one_can() {
    let site = StaticSite::start();
    site.put("/out", Reply::redirect(url(&site, "", "localhost", "/open")));
    site.put("/open", Reply::ok("open"));
    site.put("/in", Reply::redirect(url(&site, "", "127.0.0.2", "/open")));
    site.put(
        "/in6",
        Reply::redirect(url(&site, "", "[::ffff:7f00:2]", "/open")),
    );
    // No test may have a server at a public address: here loopback's first address stands for all of them.
    let outside: AddressRule = |address| address == IpAddr::V4(Ipv4Addr::LOCALHOST);
    let store = |is_public| {
        let connector = Connector {
            is_public,
            ..Connector::default()
        };
        let options = ClientOptions::new().with_allow_http(true);
        HttpBuilder::new()
            .with_url(site.url(""))
            .with_client_options(options)
            .with_http_connector(connector)
            .build()
            .unwrap()
    };
    let get = async |is_public, path: &str| store(is_public).get(&path.into()).await.map(|_| ());
    get(outside, "out").await.unwrap();
    for path in ["in", "in6"] {
        let error = get(outside, path).await.unwrap_err();
        assert!(format!("{error:?}").contains("Private"), "{path}: {error:?}");
    }
    get(|_| false, "out").await.unwrap();
}

#[tokio::test]
async fn a_name_without_a_public_address_is_none() {
    let resolver = Resolver {
        rule: |_| false,
        turn: Arc::default(),
    };
    let error = resolver
        .resolve("localhost".parse().unwrap())
        .await
        .err()
        .unwrap();
    assert!(error.is::<RequestError>(), "{error}");
}
