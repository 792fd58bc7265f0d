//! Many rows, of which nearly all are dead, as in an old crawl: memory stays flat and nothing is left behind.
//!
//! `IMG2TOKENS_SOAK_ROWS` sets how many rows there are; a million takes some minutes.

mod support;

use std::{net::Ipv4Addr, time::Duration};

use futures::{StreamExt, stream};
use img2tokens_fetch::FetchConfig;
use img2tokens_schemas::FailureReason;
use img2tokens_test_support::{NameServer, Reply, StaticSite};
use support::{PICTURE, config, fetcher, reason, resident_bytes};

const ROWS: usize = 10_000;
const CONCURRENCY: usize = 256;
/// One row in so many has a live host.
const LIVE: usize = 20;
/// What memory may grow by after the first tenth: allocator noise, far less than a hundred bytes for each of a million.
const SLACK_BYTES: usize = 24 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_accounted_for_and_memory_stays_flat() {
    let rows = std::env::var("IMG2TOKENS_SOAK_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    let (names, site) = (NameServer::start(), StaticSite::start());
    site.put("/a", Reply::ok(PICTURE));
    for host in 0..50 {
        names.put(&format!("live{host}.test"), &[Ipv4Addr::LOCALHOST]);
    }
    let fetcher = fetcher(FetchConfig {
        dns_servers: vec![names.address()],
        dns_cache_entries: 1000,
        max_hosts: 1000,
        max_bytes_in_flight: FetchConfig::default().max_bytes,
        ..config()
    });
    let port = site.address().port();
    let url = |row: usize| match row % LIVE {
        0 => format!("http://live{}.test:{port}/a", row / LIVE % 50),
        _ => format!("http://host{row}.test/a"),
    };
    let (fetcher, url) = (&fetcher, &url);
    let mut outcomes = stream::iter(0..rows)
        .map(|row| async move { (row, reason(&fetcher.fetch(&url(row)).await)) })
        .buffer_unordered(CONCURRENCY)
        .enumerate();
    let (mut live, mut early_bytes) = (0, 0);
    while let Some((done, (row, reason))) = outcomes.next().await {
        let expected = (row % LIVE != 0).then_some(FailureReason::Dns);
        assert_eq!(reason, expected, "row {row}");
        live += usize::from(reason.is_none());
        if done == rows / 10 {
            early_bytes = resident_bytes();
        }
    }
    drop(outcomes);
    assert_eq!(
        (live, site.requests("/a")),
        (rows.div_ceil(LIVE), rows.div_ceil(LIVE))
    );
    let growth = resident_bytes().saturating_sub(early_bytes);
    assert!(
        growth < SLACK_BYTES,
        "memory grew by {growth} bytes after the first tenth"
    );
}

/// Connections and look-ups are tasks of the libraries; they end with the fetcher.
#[tokio::test]
async fn no_task_outlives_the_fetcher() {
    let (names, site) = (NameServer::start(), StaticSite::start());
    site.put("/a", Reply::ok(PICTURE));
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    {
        let fetcher = fetcher(FetchConfig {
            dns_servers: vec![names.address()],
            ..config()
        });
        assert!(fetcher.fetch(&site.url("/a")).await.is_ok());
        assert!(fetcher.fetch("http://nowhere.test/").await.is_err());
    }
    let ended = async {
        while tasks.num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("all tasks end");
}
