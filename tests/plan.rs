//! The plan: agreed on, followed, refused, and replaced with nothing lost or mixed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;
mod small_run;

use std::fs;
use std::path::{Path, PathBuf};

use img2tokens_test_support::Reply;
use program::{complaint, data_rows, files, program, succeed};
use small_run::{SmallRun, committed, expect_equal, expect_sound, tables};

const OTHER: [&str; 2] = ["--set", "sequence.bos=true"];

/// The one folder of a plan that was replaced.
fn replaced(output: &Path) -> PathBuf {
    let mut folders = fs::read_dir(output.join("replaced")).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    assert!(folders.next().is_none());
    folder
}

#[test]
fn other_settings_are_refused_with_what_changed_and_what_to_do() {
    let run = SmallRun::new(1);
    run.run("out", &[]);
    let message = run.complaint("out", &OTHER, 2);
    for words in [
        "sequence.bos: planned false, now true",
        "--new-plan",
        "another output.path",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let message = run.complaint("out", &["--set", "text.max_tokens=3", "--limit", "2"], 2);
    assert!(
        message.contains("text.max_tokens: planned 1024, now 3")
            && message.contains("limit: planned null, now 2"),
        "{message}"
    );
}

#[test]
fn a_new_plan_sets_the_old_output_aside_whole_and_begins_anew() {
    let run = SmallRun::new(3);
    let output = run.run("out", &[]);
    let before = tables(&output);
    run.run("out", &[&OTHER[..], &["--new-plan"]].concat());
    let aside = replaced(&output);
    assert!(tables(&aside) == before);
    assert!(aside.join("README.md").exists());
    expect_sound(&aside);
    expect_sound(&output);
    assert!(data_rows(&output).iter().all(|row| row.input_ids[0] == 1), "BOS");
    expect_equal(&output, &run.run("fresh", &OTHER));
}

#[test]
fn the_same_command_again_goes_on_under_the_new_plan_and_loses_nothing() {
    let run = SmallRun::new(2);
    let output = run.run("out", &[]);
    let command = [&OTHER[..], &["--new-plan"]].concat();
    run.run("out", &command);
    let (after, asked) = (files(&output), run.site.total_requests());
    run.run("out", &command);
    assert!(files(&output) == after);
    assert_eq!(run.site.total_requests(), asked);
    run.run("out", &["--new-plan"]);
    run.run("out", &command);
    assert_eq!(
        fs::read_dir(output.join("replaced")).unwrap().count(),
        3,
        "each as it was"
    );
}

#[test]
fn a_plan_can_be_replaced_before_anything_is_run() {
    let run = SmallRun::new(2);
    let config = run.config("out");
    succeed(&["plan", &config]);
    let shown = succeed(&["plan", &config, "--new-plan", "--set", "input.unit_rows=2"]);
    assert!(shown.contains("units      4, of which 0"), "{shown}");
}

#[test]
fn a_new_plan_waits_until_nobody_is_at_work_under_the_old_one() {
    let run = SmallRun::new(1);
    run.site.put(
        "/astronaut.jpg",
        Reply::ok(small_run::picture("astronaut.jpg")).together(2),
    );
    let mut at_work = run.start("out", &[]);
    while run.site.requests("/astronaut.jpg") == 0 {
        std::thread::yield_now();
    }
    let message = run.complaint("out", &[&OTHER[..], &["--new-plan"]].concat(), 2);
    assert!(
        message.contains("another process is at work") && message.contains(".tmp/part-00000"),
        "{message}"
    );
    at_work.kill().unwrap();
    at_work.wait().unwrap();
}

#[test]
fn inputs_that_changed_came_or_went_are_named() {
    let run = SmallRun::new(1);
    let (first, second) = (run.path("in/a.parquet"), run.path("in/b.parquet"));
    fs::create_dir(run.path("in")).unwrap();
    fs::copy(run.path("pairs.parquet"), &first).unwrap();
    let config = run.config_over("out", &run.path("in"));
    succeed(&["run", &config]);

    fs::copy(&first, &second).unwrap();
    let message = complaint(&["run", &config], 2);
    assert!(
        message.contains("in/b.parquet was not there") && message.contains("--new-plan"),
        "{message}"
    );
    fs::rename(&first, run.path("in/hidden")).unwrap();
    let message = complaint(&["run", &config], 2);
    assert!(
        message.contains("in/a.parquet of the plan is no longer"),
        "{message}"
    );
    fs::remove_file(&second).unwrap();
    run.write_input("in/a.parquet", std::iter::once(run.site.url("/rocket.jpg")));
    let message = complaint(&["run", &config], 2);
    assert!(
        message.contains("in/a.parquet changed since it was planned"),
        "{message}"
    );

    succeed(&["run", &config, "--new-plan"]);
    assert_eq!(data_rows(&run.path("out")).len(), 1);
}

#[test]
fn an_output_inside_the_folder_of_inputs_is_no_input_of_its_own() {
    let run = SmallRun::new(1);
    fs::create_dir(run.path("in")).unwrap();
    fs::copy(run.path("pairs.parquet"), run.path("in/a.parquet")).unwrap();
    let config = run.config_over("in/out", &run.path("in"));
    let first = succeed(&["run", &config]);
    assert!(first.contains("1 committed now"), "{first}");
    let second = succeed(&["run", &config]);
    assert!(
        second.contains("0 committed now, 1 before, 1 planned"),
        "{second}"
    );
}

#[test]
fn planners_at_once_agree_on_one_plan() {
    let run = SmallRun::new(5);
    let config = run.config("out");
    let planners: Vec<_> = (0..6)
        .map(|_| {
            let mut planner = program();
            planner
                .args(["plan", &config])
                .stdout(std::process::Stdio::piped());
            planner.spawn().unwrap()
        })
        .collect();
    let shown: Vec<String> = planners
        .into_iter()
        .map(|planner| {
            let output = planner.wait_with_output().unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    assert!(
        shown
            .iter()
            .all(|plan| *plan == shown[0] && plan.contains("units      5"))
    );
}

#[test]
fn two_new_plans_at_once_replace_the_old_one_once() {
    let run = SmallRun::new(3);
    let output = run.run("out", &[]);
    let before = tables(&output);
    let command = [&OTHER[..], &["--new-plan"]].concat();
    let ends =
        [run.start("out", &command), run.start("out", &command)].map(|run| run.wait_with_output().unwrap());
    for end in &ends {
        assert!(end.status.success(), "{}", String::from_utf8_lossy(&end.stderr));
    }
    assert!(tables(&replaced(&output)) == before);
    expect_equal(&output, &run.run("fresh", &OTHER));
}

#[test]
fn a_plan_that_was_edited_is_no_plan() {
    let run = SmallRun::new(2);
    let output = run.run("out", &[]);
    let plan = fs::read_to_string(output.join("plan.json")).unwrap();
    let edited = plan.replace("[[0,4,null],[4,4,null]]", "[[0,3,null],[3,5,null]]");
    assert_ne!(edited, plan);
    fs::write(output.join("plan.json"), edited).unwrap();
    assert!(run.complaint("out", &[], 2).contains("plan.json was edited"));
    fs::write(output.join("plan.json"), "{}").unwrap();
    assert!(run.complaint("out", &[], 2).contains("plan.json is not a plan"));
    fs::write(output.join("plan.json"), plan).unwrap();
    run.run("out", &[]);
}

#[test]
fn units_whose_plan_is_gone_are_not_taken_for_those_of_another() {
    let run = SmallRun::new(2);
    let output = run.run("out", &[]);
    fs::remove_file(output.join("plan.json")).unwrap();
    let message = run.complaint("out", &OTHER, 2);
    assert!(
        message.contains("2 units are committed here, but their plan.json is gone"),
        "{message}"
    );
    run.run("out", &[&OTHER[..], &["--new-plan"]].concat());
    assert_eq!(committed(&replaced(&output)), [0, 1]);
    expect_sound(&output);
}

#[test]
fn every_file_and_the_card_say_where_they_come_from() {
    let run = SmallRun::new(2);
    let output = run.run("out", &[]);
    let plan: serde_json::Value =
        serde_json::from_slice(&fs::read(output.join("plan.json")).unwrap()).unwrap();
    for folder in ["data", "failures"] {
        let file = fs::File::open(output.join(folder).join("part-00001.parquet")).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let value = |key: &str| {
            let pair = metadata.iter().find(|pair| pair.key == key);
            pair.and_then(|pair| pair.value.clone())
                .unwrap_or_else(|| panic!("{folder}: {key}"))
        };
        let provenance: serde_json::Value = serde_json::from_str(&value("img2tokens.provenance")).unwrap();
        assert_eq!(provenance["program"], plan["program"]);
        assert_eq!(provenance["plan"], plan["hash"]);
        assert_eq!(plan["hash"], value("img2tokens.plan"));
        assert_eq!(
            provenance["identity"], plan["identity"],
            "model digest and settings"
        );
        assert_eq!(
            provenance["input"]["name"],
            run.path("pairs.parquet").to_str().unwrap()
        );
        assert_eq!(provenance["input"]["first_row"], 4);
    }
    let card = fs::read_to_string(output.join("README.md")).unwrap();
    let said = ["program", "hash"].map(|key| plan[key].as_str().unwrap());
    let digest = plan["identity"]["model"]["digest"].as_str().unwrap();
    for words in [said[0], said[1], digest, "pairs.parquet", "\"max_tokens\": 1024"] {
        assert!(card.contains(words), "{words} is not in {card}");
    }
}
