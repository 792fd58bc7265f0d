//! Ctrl-C and SIGTERM: units in flight end in a time of grace, no other begins, and nothing is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;
mod small_run;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command};

use img2tokens_test_support::Reply;
use program::succeed;
use small_run::{SmallRun, committed, expect_equal, expect_sound, picture};

const UNITS: usize = 7;
/// With four downloads at once, eight rows for each and units of sixteen rows, three units are in flight.
const IN_FLIGHT: usize = 3;
const ROWS: usize = 16;
const UNITS_OF_SIXTEEN: [&str; 2] = ["--set", "input.unit_rows=16"];

fn held(unit: usize) -> String {
    format!("/held-{unit}.jpg")
}

/// A run of which every unit waits for a picture that is not sent before somebody else asks for it too.
fn held_run() -> SmallRun {
    let run = SmallRun::new(UNITS);
    let names = |unit| {
        let further = ["/chelsea.png", "/rocket.jpg", "/missing.jpg"];
        let further = further.into_iter().cycle().take(ROWS - 1).map(str::to_owned);
        std::iter::once(held(unit)).chain(further)
    };
    run.write_input(
        "pairs.parquet",
        (0..UNITS).flat_map(names).map(|name| run.site.url(&name)),
    );
    for unit in 0..UNITS {
        run.site
            .put(held(unit), Reply::ok(picture("astronaut.jpg")).together(2));
    }
    run
}

/// A run with its messages.
struct Stoppable {
    run: Child,
    messages: BufReader<ChildStderr>,
}

impl Stoppable {
    /// Starts and blocks until as many units as may be are in flight.
    fn start(scene: &SmallRun, grace: &str) -> Self {
        let mut run = scene.start("out", &[&["--grace", grace][..], &UNITS_OF_SIXTEEN].concat());
        for unit in 0..IN_FLIGHT {
            while scene.site.requests(&held(unit)) == 0 {
                assert!(run.try_wait().unwrap().is_none(), "it waits for its pictures");
                std::thread::yield_now();
            }
        }
        let messages = BufReader::new(run.stderr.take().unwrap());
        Self { run, messages }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.run.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Reads on to a message with these words.
    fn says(&mut self, words: &str) {
        let mut said = String::new();
        while !said.contains(words) {
            assert!(
                self.messages.read_line(&mut said).unwrap() > 0,
                "nothing says {words}: {said} {:?}",
                self.run.wait()
            );
        }
    }

    fn code(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.messages.read_to_string(&mut rest).unwrap();
        self.run.wait().unwrap().code()
    }
}

/// Asks for a held picture, so that it is sent.
fn release(scene: &SmallRun, unit: usize) {
    let mut connection = TcpStream::connect(scene.site.address()).unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
        held(unit)
    );
    connection.write_all(request.as_bytes()).unwrap();
    connection.read_to_end(&mut Vec::new()).unwrap();
}

/// The stopped run, run to its end, has the bytes of one that nobody stopped.
fn expect_completion(scene: &SmallRun) {
    expect_sound(&scene.path("out"));
    for unit in 0..UNITS {
        scene.site.put(held(unit), Reply::ok(picture("astronaut.jpg")));
    }
    let whole = scene.run("whole", &UNITS_OF_SIXTEEN);
    expect_equal(&scene.run("out", &UNITS_OF_SIXTEEN), &whole);
    assert!(!scene.path("out").join(".tmp").exists(), "nothing is left over");
}

#[test]
fn units_in_flight_end_and_no_other_begins() {
    let scene = held_run();
    let mut run = Stoppable::start(&scene, "600");
    run.signal("-TERM");
    run.says("stopping; units in flight have 600 s");
    for unit in 0..IN_FLIGHT {
        release(&scene, unit);
    }
    run.says("run the same command again");
    assert_eq!(run.code(), Some(75));
    assert_eq!(committed(&scene.path("out")), [0, 1, 2]);
    assert_eq!(scene.site.requests(&held(IN_FLIGHT)), 0);
    expect_completion(&scene);
}

#[test]
fn units_that_do_not_end_in_time_are_given_up_and_come_again() {
    for (signal, grace) in [("-TERM", "1"), ("-INT", "0")] {
        let scene = held_run();
        let mut run = Stoppable::start(&scene, grace);
        run.signal(signal);
        run.says("units in flight are given up");
        assert_eq!(run.code(), Some(75));
        assert!(committed(&scene.path("out")).is_empty());
        expect_completion(&scene);
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let scene = held_run();
    let mut run = Stoppable::start(&scene, "600");
    run.signal("-INT");
    run.says("stopping");
    run.signal("-INT");
    assert_eq!(run.code(), Some(75));
    expect_completion(&scene);
}

#[test]
fn a_run_that_is_stopped_while_it_plans_has_begun_nothing() {
    let scene = SmallRun::new(1);
    let table = std::fs::read(scene.path("pairs.parquet")).unwrap();
    scene.site.put("/pairs.parquet", Reply::ok(table).together(2));
    let config = scene.config("out");
    let text = std::fs::read_to_string(&config).unwrap();
    let local = format!("{:?}", scene.path("pairs.parquet"));
    std::fs::write(
        &config,
        text.replace(&local, &format!("{:?}", scene.site.url("/pairs.parquet"))),
    )
    .unwrap();
    let mut run = program::program();
    let mut run = run
        .args(["run", &config])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while scene.site.requests("/pairs.parquet") == 0 {
        assert!(run.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let messages = BufReader::new(run.stderr.take().unwrap());
    let run = Stoppable { run, messages };
    run.signal("-TERM");
    assert_eq!(run.code(), Some(75));
    assert!(!scene.path("out").join("plan.json").exists());
    std::fs::write(&config, text).unwrap();
    succeed(&["plan", &config]);
}
