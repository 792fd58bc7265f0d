//! A limit on open files: raised, heeded or refused before a run begins, and never a pair's fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;
mod small_run;

use std::process::{Command, Output};

use program::{code, messages};
use small_run::{SmallRun, expect_equal, expect_sound, tables};

const UNITS: usize = 6;

/// Runs the scene after what `limits` does to the shell before it.
fn run(scene: &SmallRun, output: &str, limits: &str, further: &str) -> Output {
    let script = format!("{limits}; exec \"$PROGRAM\" run \"$CONFIG\" {further}");
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .env("PROGRAM", program::program().get_program())
        .env("CONFIG", scene.config(output));
    command.output().unwrap()
}

#[test]
fn a_low_soft_limit_is_raised_without_a_word() {
    let scene = SmallRun::new(UNITS);
    let output = run(&scene, "out", "ulimit -Sn 40", "");
    assert_eq!((code(&output), messages(&output)), (0, String::new()));
    expect_equal(&scene.path("out"), &scene.run("whole", &[]));
}

#[test]
fn a_low_hard_limit_lowers_the_downloads_says_both_numbers_and_changes_nothing_written() {
    let scene = SmallRun::new(UNITS);
    let output = run(&scene, "out", "ulimit -n 150", "--set fetch.concurrency=100");
    let text = messages(&output);
    assert_eq!(code(&output), 0, "{text}");
    let line = text.lines().find(|line| line.contains("ulimit -n")).unwrap();
    // 64, three for each download and eight for each of the 64 units in flight.
    assert!(
        line.contains("may open 150 files") && line.contains("wants 876"),
        "{line}"
    );
    assert!(line.contains("instead of 100"), "{line}");
    expect_equal(&scene.path("out"), &scene.run("whole", &[]));
}

#[test]
fn a_limit_below_the_smallest_run_is_refused_with_the_number_wanted() {
    let scene = SmallRun::new(UNITS);
    let output = run(&scene, "out", "ulimit -n 60", "");
    let text = messages(&output);
    assert_eq!(code(&output), 2, "{text}");
    assert!(
        text.contains("may open 60 files") && text.contains("needs 91"),
        "{text}"
    );
    assert!(!scene.path("out").exists());
}

/// The shell leaves files open that the program does not know of: it runs out of descriptors wherever it is just then.
#[test]
fn a_run_that_runs_out_of_descriptors_blames_no_pair_and_a_later_one_completes_it() {
    let scene = SmallRun::new(UNITS);
    let whole = scene.run("whole", &[]);
    let all = tables(&whole);
    let mut ran_out = 0;
    for held in [100, 110, 116, 122, 128, 132] {
        let name = format!("out-{held}");
        let limits = format!("ulimit -n 150; for i in $(seq {held}); do exec {{fd}}</dev/null; done");
        let output = run(&scene, &name, &limits, "");
        let text = messages(&output);
        assert!([0, 1, 2, 75].contains(&code(&output)), "{held}: {text}");
        assert!(!text.contains("panicked"), "{held}: {text}");
        ran_out += usize::from(code(&output) != 0);
        if scene.path(&name).join("plan.json").exists() {
            expect_sound(&scene.path(&name));
            for (file, bytes) in tables(&scene.path(&name)) {
                assert!(all.get(&file) == Some(&bytes), "{held}: {file} differs: {text}");
            }
        }
        expect_equal(&scene.run(&name, &[]), &whole);
    }
    assert!(ran_out > 0, "the limit was never met");
}
