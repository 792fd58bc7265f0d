//! `img2tokens run` over hosts that are slow, that fail, or that ask to be left alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use img2tokens_test_support::{Reply, StaticSite};
use program::{code, data_rows, failures, messages, program, test_data, write_config, write_pairs};

/// Many times as many as may be downloaded at once.
const ROWS_OF_A_HOST: usize = 60;

/// Nothing that a row waits for here ends before the test would have failed.
const FETCH: &str = "unit_rows = 25\n[fetch]\nallow_private_addresses = true\nports = []\nconcurrency = 8\nper_host = 2\n\
                     timeout_s = 3600\nhost_wait_s = 3600\nretries = 0\n";

/// What a run that is held up is given up after; it takes seconds.
const HELD_UP: Duration = Duration::from_secs(300);

#[test]
fn rows_of_other_hosts_go_on_while_one_host_answers_nothing_and_every_row_is_accounted_for() {
    let site = StaticSite::start();
    let picture = std::fs::read(test_data("golden/images").join("synth_solid_224.png")).unwrap();
    site.put("/fast.png", Reply::ok(picture.clone()));
    // The slow host wakes up only when everything has been had from the fast one: whoever lets it hold up the others
    // waits for ever.
    site.put("/slow.png", Reply::ok(picture).after(ROWS_OF_A_HOST));
    let slow = format!("http://localhost:{}/slow.png", site.address().port());
    let slow_first = std::iter::repeat_n((slow, "slow"), ROWS_OF_A_HOST);
    let then_fast = std::iter::repeat_n((site.url("/fast.png"), "fast"), ROWS_OF_A_HOST);
    let pairs: Vec<_> = slow_first.chain(then_fast).collect();

    let folder = tempfile::tempdir().unwrap();
    let [input, config, output] = ["pairs.parquet", "run.toml", "out"].map(|name| folder.path().join(name));
    write_pairs(&input, &pairs);
    write_config(&config, &input, &output, FETCH);
    let ended = run_or_give_up(&config);

    assert_eq!(code(&ended), 0, "{}", messages(&ended));
    let captions: Vec<_> = data_rows(&output).into_iter().map(|row| row.caption).collect();
    let expected: Vec<_> = pairs.iter().map(|(_, caption)| *caption).collect();
    assert_eq!(captions, expected, "every row is there, in input order");
    assert_eq!(failures(&output), [].into());
    assert!(site.requests("/slow.png") == ROWS_OF_A_HOST && site.requests("/fast.png") == ROWS_OF_A_HOST);
}

/// Runs to the end, or ends the run and the test.
fn run_or_give_up(config: &Path) -> Output {
    let mut command = program();
    command.arg("run").arg(config);
    let run = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (id, (ended, end)) = (run.id().to_string(), channel());
    std::thread::spawn(move || ended.send(run.wait_with_output()));
    end.recv_timeout(HELD_UP)
        .unwrap_or_else(|_| {
            let _ = Command::new("kill").arg(&id).status();
            panic!("the slow host holds up the run");
        })
        .unwrap()
}

/// Runs over five rows of one host, one after the other; how often it was asked, and how many rows failed why.
fn five_rows(reply: Reply, fetch: &str) -> (usize, BTreeMap<String, usize>) {
    let site = StaticSite::start();
    site.put("/a.png", reply);
    let folder = tempfile::tempdir().unwrap();
    let [input, config, output] = ["pairs.parquet", "run.toml", "out"].map(|name| folder.path().join(name));
    write_pairs(&input, &vec![(site.url("/a.png"), "a caption"); 5]);
    let fetch =
        format!("[fetch]\nallow_private_addresses = true\nports = []\nper_host = 1\nretries = 0\n{fetch}\n");
    write_config(&config, &input, &output, &fetch);
    let ended = program().arg("run").arg(&config).output().unwrap();
    assert_eq!(code(&ended), 0, "{}", messages(&ended));
    let mut reasons = BTreeMap::new();
    for reason in failures(&output).into_values() {
        *reasons.entry(reason).or_default() += 1;
    }
    (site.requests("/a.png"), reasons)
}

/// How many rows failed why.
fn counts<const N: usize>(reasons: [(&str, usize); N]) -> BTreeMap<String, usize> {
    reasons.map(|(reason, count)| (reason.to_owned(), count)).into()
}

#[test]
fn a_host_that_fails_is_left_alone_after_as_many_failures_as_the_config_says() {
    let left_alone = counts([("http_status", 2), ("host_unavailable", 3)]);
    let failing = || Reply::status(500);
    assert_eq!(five_rows(failing(), "breaker_failures = 2"), (2, left_alone));
    assert_eq!(
        five_rows(failing(), "breaker_failures = 0"),
        (5, counts([("http_status", 5)]))
    );
}

#[test]
fn a_host_that_asks_for_a_longer_rest_than_the_config_waits_for_is_left_alone() {
    let busy = Reply::status(429).header("retry-after", "25");
    let left_alone = counts([("http_status", 1), ("host_unavailable", 4)]);
    assert_eq!(five_rows(busy, "max_retry_after_s = 5"), (1, left_alone));
}
