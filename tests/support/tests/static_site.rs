//! The site as a client on a plain socket sees it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use img2tokens_test_support::{Reply, StaticSite};

fn ask(site: &StaticSite, path: &str) -> String {
    let mut stream = TcpStream::connect(site.address()).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn paths_answer_in_turn_and_every_request_is_counted() {
    let site = StaticSite::start();
    site.put_sequence(
        "/a",
        [
            Reply::status(503).header("retry-after", "1"),
            Reply::ok("picture"),
        ],
    );
    let first = ask(&site, "/a");
    assert!(first.starts_with("HTTP/1.1 503 ") && first.contains("retry-after: 1\r\n"));
    assert!(ask(&site, "/a").ends_with("picture") && ask(&site, "/a").ends_with("picture"));
    assert!(ask(&site, "/none").starts_with("HTTP/1.1 404 "));
    assert_eq!(
        (site.requests("/a"), site.requests("/none"), site.total_requests()),
        (3, 1, 4)
    );
    assert_eq!(site.last_request("/a").unwrap().headers["host"], "x");
}

#[test]
fn parts_and_heads_of_pages_are_answered() {
    let site = StaticSite::start();
    site.put("/a", Reply::ok("picture"));
    let answer = |request: &str, range: &str| {
        let mut stream = TcpStream::connect(site.address()).unwrap();
        let end = "connection: close\r\n\r\n";
        write!(stream, "{request} /a?x=1 HTTP/1.1\r\nhost: x\r\n{range}{end}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.to_ascii_lowercase()
    };
    let part = answer("GET", "range: bytes=2-4\r\n");
    assert!(
        part.starts_with("http/1.1 206 ") && part.ends_with("\r\n\r\nctu"),
        "{part}"
    );
    assert!(part.contains("content-range: bytes 2-4/7\r\n"), "{part}");
    let head = answer("HEAD", "");
    assert!(
        head.contains("content-length: 7\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert_eq!(site.last_request("/a").unwrap().query.as_deref(), Some("x=1"));
}

#[test]
fn a_dropped_site_answers_no_more() {
    let site = StaticSite::start();
    let address = site.address();
    drop(site);
    assert!(TcpStream::connect(address).is_err());
}
