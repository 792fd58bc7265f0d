//! Files that vanish under a run or between two: nothing of that keeps later runs from their end.

use std::fs;

use serde_json::json;

use crate::program::files;
use crate::scene::Scene;

/// Every election that can be held names files that are gone, in all rounds: a cleaner of temporary files took them.
#[test]
fn elections_whose_files_a_cleaner_took_do_not_stop_a_run_for_ever() {
    let scene = Scene::of_good_pairs();
    scene.run(&[]).expect_code(0);
    let stats = scene.output().join("stats/part-00000.json");
    let committed: serde_json::Value = serde_json::from_slice(&fs::read(&stats).unwrap()).unwrap();
    for file in [
        "stats/part-00000.json",
        "data/part-00000.parquet",
        "failures/part-00000.parquet",
    ] {
        fs::remove_file(scene.output().join(file)).unwrap();
    }
    fs::create_dir(scene.output().join(".tmp")).unwrap();
    for round in 0..40 {
        let election = json!({
            "data": format!(".tmp/part-00000.data.{round}"),
            "failures": format!(".tmp/part-00000.failures.{round}"),
            "stats": committed,
        });
        let name = format!(".tmp/part-00000.elected-{round}.json");
        fs::write(scene.output().join(name), election.to_string()).unwrap();
    }
    scene.run(&[]).expect_code(0);
    scene.expect_good_pairs();
    scene.of_output("verify", &[]).expect_code(0);
    assert!(!files(&scene.output()).keys().any(|name| name.starts_with(".tmp")));
}

/// An election that is no JSON, or of another program, is void too.
#[test]
fn elections_that_cannot_be_read_do_not_stop_a_run_for_ever() {
    for text in ["", "{", "null", "[]", "{\"data\":1}", "\u{feff}{}"] {
        let scene = Scene::of_good_pairs();
        fs::create_dir_all(scene.output().join(".tmp")).unwrap();
        fs::write(scene.output().join(".tmp/part-00000.elected-0.json"), text).unwrap();
        scene.run(&[]).expect_code(0);
        scene.expect_good_pairs();
    }
}

/// Round and revision stand in an election's name, as large as one likes.
#[test]
fn an_election_of_the_last_round_and_revision_there_can_be_does_not_stop_a_run() {
    let scene = Scene::of_good_pairs();
    fs::create_dir_all(scene.output().join(".tmp")).unwrap();
    for name in [
        "part-00000.elected-4294967295.json",
        "part-00000.revised-18446744073709551615-0.json",
        "part-18446744073709551615.elected-0.json",
    ] {
        fs::write(scene.output().join(".tmp").join(name), "{}").unwrap();
    }
    scene.run(&[]).expect_code(0);
    scene.expect_good_pairs();
    scene.of_output("verify", &[]).expect_code(0);
}

/// The commit marker of a unit that the plan does not have.
#[test]
fn a_marker_of_a_unit_that_is_not_planned_is_found() {
    let scene = Scene::of_good_pairs();
    scene.run(&[]).expect_code(0);
    let stats = scene.output().join("stats");
    fs::copy(
        stats.join("part-00000.json"),
        stats.join("part-18446744073709551615.json"),
    )
    .unwrap();
    scene.of_output("verify", &[]).expect_code(1);
    scene.run(&[]).expect_code_among(&[0, 1, 2]);
    scene.expect_good_pairs();
}
