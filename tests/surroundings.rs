//! What is around the program fails: one clear line, the right exit code, and a later run that completes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;
mod small_run;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use program::{code, messages};
use small_run::{SmallRun, committed, expect_equal, expect_sound};

const UNITS: usize = 6;

/// Runs a shell script, in which `$PROGRAM` is the program and `$CONFIG` and `$OUT` are those of the scene, within
/// what `prefix` makes of it.
fn script(scene: &SmallRun, prefix: &[&str], text: &str) -> Output {
    let words = [prefix, &["sh", "-c", text]].concat();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env("PROGRAM", program::program().get_program())
        .env("CONFIG", scene.config("out"))
        .env("OUT", scene.path("out"));
    command.output().unwrap()
}

/// Its last message, the one line of the error.
fn complaint(output: &Output, expected: i32) -> String {
    let text = messages(output);
    assert_eq!(code(output), expected, "{text}");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("img2tokens: "))
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

/// What stands is whole, and the same command completes it.
fn expect_completion(scene: &SmallRun) {
    let output = scene.path("out");
    if output.join("plan.json").exists() {
        expect_sound(&output);
    }
    expect_equal(&scene.run("out", &[]), &scene.run("whole", &[]));
    assert!(!output.join(".tmp").exists(), "nothing is left over");
}

/// Whether a mount of one's own can be made here; where not, the limit on a file's size stands for a full disk.
fn can_mount() -> bool {
    let made = Command::new("unshare")
        .args(["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    made.is_ok_and(|made| made.status.success())
}

#[test]
fn a_full_disk_ends_the_run_for_a_person_and_loses_nothing() {
    if !can_mount() {
        eprintln!("no file system can be mounted here");
        return;
    }
    let scene = SmallRun::new(UNITS);
    fs::create_dir(scene.path("out")).unwrap();
    // What was done on the small disk is taken over to the real one: there is room again.
    let output = script(
        &scene,
        &["unshare", "-Urm"],
        r#"
        kept="$OUT.kept" && mkdir "$kept" && mount --bind "$OUT" "$kept" && mount -t tmpfs -o size=96k none "$OUT" &&
        "$PROGRAM" run "$CONFIG"
        code=$?
        cp -a "$OUT/." "$kept" && exit $code
        "#,
    );
    let message = complaint(&output, 1);
    assert!(
        message.contains("No space left on device") && message.contains("make room and run"),
        "{message}"
    );
    assert!(committed(&scene.path("out")).len() < UNITS);
    expect_completion(&scene);
}

#[test]
fn a_limit_on_a_files_size_is_told_as_such() {
    let scene = SmallRun::new(UNITS);
    let output = script(
        &scene,
        &[],
        "trap '' XFSZ; ulimit -f 16; \"$PROGRAM\" run \"$CONFIG\"",
    );
    let message = complaint(&output, 1);
    assert!(
        message.contains("File too large") && message.contains("make room"),
        "{message}"
    );
    assert!(committed(&scene.path("out")).is_empty());
    expect_completion(&scene);
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let scene = SmallRun::new(UNITS);
    fs::create_dir(scene.path("out")).unwrap();
    fs::set_permissions(scene.path("out"), Permissions::from_mode(0o555)).unwrap();
    // Root writes anywhere, unless it gives that up.
    let is_root = fs::metadata(scene.path("out")).unwrap().uid() == 0;
    let prefix: &[&str] = if is_root {
        &["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
    } else {
        &[]
    };
    let output = script(&scene, prefix, "\"$PROGRAM\" run \"$CONFIG\"");
    let message = complaint(&output, 1);
    let folder = scene.path("out").display().to_string();
    assert!(
        message.contains("Permission denied") && message.contains(&folder),
        "{message}"
    );
    assert!(message.contains("let this user"), "{message}");
    fs::set_permissions(scene.path("out"), Permissions::from_mode(0o755)).unwrap();
    expect_completion(&scene);
}

#[test]
fn an_output_on_a_read_only_file_system_is_named() {
    if !can_mount() {
        eprintln!("no file system can be mounted here");
        return;
    }
    let scene = SmallRun::new(UNITS);
    fs::create_dir(scene.path("out")).unwrap();
    let output = script(
        &scene,
        &["unshare", "-Urm"],
        r#"mount --bind "$OUT" "$OUT" && mount -o remount,bind,ro "$OUT" && "$PROGRAM" run "$CONFIG""#,
    );
    let message = complaint(&output, 1);
    assert!(message.contains("Read-only file system"), "{message}");
    expect_completion(&scene);
}

#[test]
fn an_output_below_a_file_is_named() {
    let scene = SmallRun::new(UNITS);
    fs::write(scene.path("out"), "no folder").unwrap();
    let message = scene.complaint("out", &[], 1);
    assert!(
        message.contains(&scene.path("out").display().to_string()),
        "{message}"
    );
    fs::remove_file(scene.path("out")).unwrap();
    expect_completion(&scene);
}

#[test]
fn files_from_the_future_are_neither_trusted_nor_in_the_way() {
    let scene = SmallRun::new(UNITS);
    let future = SystemTime::now() + Duration::from_secs(40 * 365 * 86_400);
    let input = File::options()
        .write(true)
        .open(scene.path("pairs.parquet"))
        .unwrap();
    input.set_modified(future).unwrap();
    let staged = scene.path("out/.tmp");
    fs::create_dir_all(&staged).unwrap();
    let leftover = staged.join("part-00002.data.dead");
    File::create(&leftover).unwrap().set_modified(future).unwrap();
    scene.run("out", &[]);
    assert!(
        !leftover.exists(),
        "its unit is committed, whatever the clock says"
    );
    expect_completion(&scene);
}
