//! What stands where a file should: pipes, devices, folders. Whoever opens a pipe waits for ever for its other end.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::confined;
use crate::scene::Scene;

fn make_pipe(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What reads an output, as arguments before and after its path.
fn readers(scene: &Scene) -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let (output, list, export) = (scene.output(), scene.path("list"), scene.path("export"));
    fs::write(&list, "key:good-0\n").unwrap();
    let (output, list) = (output.to_str().unwrap(), list.to_str().unwrap());
    vec![
        words(&["verify", output]),
        words(&["inspect", output]),
        words(&["takedown", output, "--list", list]),
        words(&["export", "olmo", output, export.to_str().unwrap()]),
        words(&["run", &scene.config()]),
    ]
}

/// Puts a pipe at `name` of a finished output; every command then ends, one way or the other.
fn expect_no_reader_hangs(name: &str) {
    let scene = Scene::of_good_pairs();
    scene.run(&[]).expect_code(0);
    make_pipe(&scene.output().join(name));
    for reader in readers(&scene) {
        let arguments: Vec<&str> = reader.iter().map(String::as_str).collect();
        let ended = confined::run(&arguments);
        ended.expect_code_among(&[0, 1, 2]);
        if arguments[0] == "verify" {
            ended.expect_code_among(&[1, 2]);
        }
    }
}

#[test]
fn a_pipe_among_the_data_keeps_nobody_waiting() {
    expect_no_reader_hangs("data/part-00000.parquet");
}

#[test]
fn a_pipe_among_the_failures_keeps_nobody_waiting() {
    expect_no_reader_hangs("failures/part-00000.parquet");
}

#[test]
fn a_pipe_among_the_stats_keeps_nobody_waiting() {
    expect_no_reader_hangs("stats/part-00000.json");
}

#[test]
fn a_pipe_for_a_plan_keeps_nobody_waiting() {
    expect_no_reader_hangs("plan.json");
}

#[test]
fn pipes_in_the_staging_folder_keep_nobody_waiting() {
    for name in [
        "part-00000.elected-0.json",
        "part-00000.data.x",
        "part-00000.revised-1-0.json",
        "new-plan.lock",
    ] {
        let scene = Scene::of_good_pairs();
        scene.run(&[]).expect_code(0);
        let readers = readers(&scene);
        for (number, reader) in readers.iter().enumerate() {
            make_pipe(&scene.output().join(".tmp").join(name));
            let arguments: Vec<&str> = reader.iter().map(String::as_str).collect();
            confined::run(&arguments).expect_code_among(&[0, 1, 2]);
            if number == readers.len() - 1 {
                confined::run(&[&arguments[..], &["--new-plan"]].concat()).expect_code_among(&[0, 1, 2]);
            }
        }
    }
}

#[test]
fn pipes_at_the_tombstones_keep_nobody_waiting() {
    let scene = Scene::of_good_pairs();
    scene.run(&[]).expect_code(0);
    let readers = readers(&scene);
    let takedown = readers.iter().find(|reader| reader[0] == "takedown").unwrap();
    let arguments: Vec<&str> = takedown.iter().map(String::as_str).collect();
    confined::run(&arguments).expect_code(0);
    let folder = scene.output().join("takedowns");
    let files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    files.iter().for_each(|file| make_pipe(file));
    for reader in &readers {
        let arguments: Vec<&str> = reader.iter().map(String::as_str).collect();
        confined::run(&arguments).expect_code_among(&[0, 1, 2]);
    }
}

/// A pipe or a device among the inputs of a folder is passed over or refused.
#[test]
fn pipes_and_devices_among_the_inputs_keep_nobody_waiting() {
    for link in [None, Some("/dev/zero"), Some("/dev/stdin")] {
        let scene = Scene::new();
        fs::create_dir(scene.path("inputs")).unwrap();
        let strange = scene.path("inputs/a.parquet");
        match link {
            Some(device) => std::os::unix::fs::symlink(device, &strange).unwrap(),
            None => make_pipe(&strange),
        }
        scene.write_pairs(&[]);
        fs::rename(scene.path("pairs.parquet"), scene.path("inputs/pairs.parquet")).unwrap();
        let config = scene.config_over("inputs");
        confined::run(&["run", &config])
            .expect_code_among(&[0, 1, 2])
            .expect_peak_below(crate::scene::BASE_BYTES);
    }
}

/// The same of files that a user names: they are read whole.
#[test]
fn a_device_named_as_a_picture_is_refused() {
    for device in ["/dev/zero", "/dev/urandom"] {
        for command in ["prepare", "tokenize"] {
            confined::run(&[command, device])
                .expect_code_among(&[1, 2])
                .expect_peak_below(crate::scene::BASE_BYTES);
        }
    }
}
