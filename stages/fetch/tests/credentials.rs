//! How far the configured headers and a URL's user and password go.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use img2tokens_fetch::{FetchConfig, RobotsPolicy};
use img2tokens_test_support::{Reply, StaticSite};
use support::{PICTURE, config, fetch_with};

/// What a config with a secret header sends.
fn secretive() -> FetchConfig {
    let headers = [("X-Api-Key", "k"), ("Cookie", "c")];
    FetchConfig {
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        max_redirects: 9,
        ..config()
    }
}

/// A URL of the site by this host name, with this before the host.
fn url(site: &StaticSite, user: &str, host: &str, path: &str) -> String {
    format!("http://{user}{host}:{}{path}", site.address().port())
}

/// Which credentials the last request for a path carried.
fn sent(site: &StaticSite, path: &str) -> Vec<String> {
    let headers = site.last_request(path).unwrap().headers;
    ["x-api-key", "cookie", "authorization", "referer"]
        .iter()
        .filter_map(|name| Some(headers.get(*name)?.to_str().unwrap().to_owned()))
        .collect()
}

/// `user:p@ss` by the Basic scheme.
const BASIC: &str = "Basic dXNlcjpwQHNz";
const USER: &str = "user:p%40ss@";

#[tokio::test]
async fn credentials_follow_redirects_within_the_urls_origin() {
    let site = StaticSite::start();
    site.put("/a", Reply::redirect("b"));
    site.put(
        "/b",
        Reply::redirect(format!("http://mallory:x@{}/c", site.address())),
    );
    site.put("/c", Reply::ok(PICTURE));
    let fetched = fetch_with(secretive(), &url(&site, USER, "127.0.0.1", "/a"))
        .await
        .unwrap();
    for path in ["/a", "/b", "/c"] {
        assert_eq!(sent(&site, path), ["k", "c", BASIC], "{path}");
    }
    assert_eq!(
        fetched.final_url.as_str(),
        site.url("/c"),
        "who asked is not told"
    );
}

#[tokio::test]
async fn credentials_end_for_good_where_a_redirect_leaves_the_origin() {
    let (home, other) = (StaticSite::start(), StaticSite::start());
    // Another port, on within the foreign origin, another name of the first host, and back home.
    home.put("/a", Reply::redirect(url(&other, "", "127.0.0.1", "/b")));
    other.put("/b", Reply::redirect("/c"));
    other.put("/c", Reply::redirect(url(&home, "", "localhost", "/d")));
    home.put("/d", Reply::redirect(url(&home, "mallory:x@", "127.0.0.1", "/e")));
    home.put("/e", Reply::redirect("/f"));
    home.put("/f", Reply::ok(PICTURE));
    fetch_with(secretive(), &url(&home, USER, "127.0.0.1", "/a"))
        .await
        .unwrap();
    assert_eq!(sent(&home, "/a"), ["k", "c", BASIC]);
    for (site, path) in [
        (&other, "/b"),
        (&other, "/c"),
        (&home, "/d"),
        (&home, "/e"),
        (&home, "/f"),
    ] {
        assert!(sent(site, path).is_empty(), "{path}: {:?}", sent(site, path));
    }
}

#[tokio::test]
async fn a_second_try_has_the_credentials_of_the_first() {
    let (home, other) = (StaticSite::start(), StaticSite::start());
    home.put("/a", Reply::redirect(url(&other, "", "localhost", "/b")));
    other.put_sequence("/b", [Reply::status(500), Reply::ok(PICTURE)]);
    let config = FetchConfig {
        retries: 1,
        ..secretive()
    };
    fetch_with(config, &url(&home, USER, "127.0.0.1", "/a"))
        .await
        .unwrap();
    assert_eq!(home.requests("/a"), 2);
    assert_eq!(sent(&home, "/a"), ["k", "c", BASIC]);
    assert!(sent(&other, "/b").is_empty());
}

#[tokio::test]
async fn the_robots_txt_of_a_foreign_origin_is_asked_for_without_credentials() {
    let (home, other) = (StaticSite::start(), StaticSite::start());
    home.put("/a", Reply::redirect(url(&other, "", "127.0.0.1", "/b")));
    home.put("/robots.txt", Reply::ok("User-agent: *\nAllow: /\n"));
    other.put(
        "/robots.txt",
        Reply::redirect(url(&home, "", "127.0.0.1", "/foreign-rules")),
    );
    other.put("/b", Reply::ok(PICTURE));
    let config = FetchConfig {
        robots: RobotsPolicy::FailOpen,
        ..secretive()
    };
    fetch_with(config, &url(&home, USER, "127.0.0.1", "/a"))
        .await
        .unwrap();
    assert_eq!(sent(&home, "/robots.txt"), ["k", "c", BASIC]);
    for (site, path) in [(&other, "/robots.txt"), (&home, "/foreign-rules"), (&other, "/b")] {
        assert!(sent(site, path).is_empty(), "{path}");
    }
}
