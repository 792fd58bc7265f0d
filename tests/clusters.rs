//! Many processes on one plan: parts of an array of machines, and single units of an engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;
mod small_run;

use program::{code, messages, run, succeed};
use small_run::{SmallRun, committed, expect_equal, expect_sound};

#[test]
fn parts_run_at_once_make_the_bytes_of_one_run_and_its_card() {
    let scene = SmallRun::new(7);
    let whole = scene.run("whole", &[]);
    let parts = ["0/3", "1/3", "2/3"].map(|part| scene.start("parts", &["--shard-of", part]));
    for part in parts {
        let end = part.wait_with_output().unwrap();
        assert!(end.status.success(), "{}", String::from_utf8_lossy(&end.stderr));
    }
    let output = scene.path("parts");
    expect_equal(&output, &whole);
    expect_sound(&output);
    let card = |folder: &std::path::Path| std::fs::read_to_string(folder.join("README.md")).unwrap();
    assert_eq!(card(&output), card(&whole));
    assert!(!output.join(".tmp").exists());
}

#[test]
fn a_part_does_its_own_units_and_the_last_one_writes_the_card() {
    let scene = SmallRun::new(5);
    let config = scene.config("out");
    let output = scene.path("out");
    let said = succeed(&["run", &config, "--shard-of", "1/2"]);
    assert!(
        said.contains("2 committed now, 0 before, 2 in part 1/2 of 5 planned"),
        "{said}"
    );
    assert_eq!(committed(&output), [1, 3]);
    assert!(!output.join("README.md").exists());
    let again = succeed(&["run", &config, "--shard-of", "1/2"]);
    assert!(again.contains("0 committed now, 2 before"), "{again}");
    succeed(&["run", &config, "--shard-of", "0/2"]);
    assert_eq!(committed(&output), [0, 1, 2, 3, 4]);
    assert!(output.join("README.md").exists());
}

#[test]
fn more_parts_than_units_leave_some_with_nothing_to_do() {
    let scene = SmallRun::new(1);
    let config = scene.config("out");
    let said = succeed(&["run", &config, "--shard-of", "2/3"]);
    assert!(
        said.contains("0 committed now, 0 before, 0 in part 2/3 of 1 planned"),
        "{said}"
    );
}

#[test]
fn a_part_that_there_is_not_is_wrong_usage() {
    for part in ["3/3", "0/0", "one"] {
        let output = run(&["run", "any.toml", "--shard-of", part]);
        assert_eq!(code(&output), 2);
        let message = messages(&output);
        assert!(
            message.contains(part) && message.contains("from 0 to M - 1"),
            "{message}"
        );
    }
    let output = run(&["run", "any.toml", "--shard-of", "0/2", "--new-plan"]);
    assert_eq!(code(&output), 2, "an array's parts do not each make a plan");
}

#[test]
fn units_one_by_one_end_with_a_card_too() {
    let scene = SmallRun::new(2);
    let config = scene.config("out");
    let said = succeed(&["unit", &config, "--unit", "1"]);
    assert!(said.contains("1 committed now, 0 before, unit 1 of 2"), "{said}");
    assert!(!scene.path("out").join("README.md").exists());
    succeed(&["unit", &config, "--unit", "0"]);
    assert!(scene.path("out").join("README.md").exists());
}

#[test]
fn a_unit_of_one_input_does_not_mind_another_that_changed() {
    let scene = SmallRun::new(1);
    let (a, b) = (scene.path("in/a.parquet"), scene.path("in/b.parquet"));
    std::fs::create_dir(scene.path("in")).unwrap();
    for file in [&a, &b] {
        std::fs::copy(scene.path("pairs.parquet"), file).unwrap();
    }
    let config = scene.config_over("out", &scene.path("in"));
    succeed(&["plan", &config]);
    scene.write_input("in/b.parquet", std::iter::once(scene.site.url("/rocket.jpg")));
    succeed(&["unit", &config, "--unit", "0"]);
    let message = program::complaint(&["unit", &config, "--unit", "1"], 2);
    assert!(message.contains("in/b.parquet changed"), "{message}");
}
