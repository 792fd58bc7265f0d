//! `img2tokens export` interrupted at any moment, with any number of workers: the bytes of one that nobody disturbed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod export_scene;
mod program;
mod small_run;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use export_scene::{FORMATS, Held, Scene, UNITS};
use program::{code, complaint, messages, program, run, succeed};

#[test]
fn the_bytes_do_not_depend_on_the_number_of_workers() {
    let scene = Scene::new();
    for format in FORMATS {
        let export = |workers: &str| {
            let name = format!("{}-{workers}", format[0]);
            scene.export(&[format, &["--workers", workers]].concat(), &name);
            name
        };
        let one = export("1");
        for workers in ["2", "4", "50"] {
            scene.expect_equal(&export(workers), &one);
        }
    }
}

#[test]
fn exports_killed_again_and_again_end_with_the_bytes_of_undisturbed_ones() {
    let scene = Scene::new();
    for format in FORMATS {
        let (whole, disturbed) = (format!("{}-whole", format[0]), format!("{}-disturbed", format[0]));
        scene.export(format, &whole);
        for unit in [1, 2, 5, 6, 11] {
            let held = Held::new(&scene, unit);
            let mut export = held.start(&scene, format, &disturbed);
            // Packing has no step before its first full file, of a hundred million ids.
            let steps = if format[0] == "packed" {
                0
            } else {
                unit.div_ceil(2)
            };
            scene.wait_for_steps(&disturbed, steps, &mut export);
            assert!(
                export.try_wait().unwrap().is_none(),
                "{disturbed} waits for unit {unit}"
            );
            export.kill().unwrap();
            export.wait().unwrap();
            assert!(!scene.path(&disturbed).exists());
        }
        scene.export(format, &disturbed);
        scene.expect_equal(&disturbed, &whole);
    }
}

#[test]
fn an_export_killed_wherever_it_is_ends_with_the_bytes_of_an_undisturbed_one() {
    let scene = Scene::new();
    scene.export(&["olmo"], "whole");
    let mut kills = 0;
    for steps in 0..UNITS {
        let mut export = scene.start(&["olmo"], "disturbed");
        scene.wait_for_steps("disturbed", steps, &mut export);
        kills += usize::from(export.try_wait().unwrap().is_none());
        let _ = export.kill();
        export.wait().unwrap();
    }
    assert!(kills > 0, "no export lived long enough to be killed");
    // One that was killed after its folder had its name is done, and says so when it is asked again.
    if !scene.path("disturbed").exists() || scene.staged("disturbed").exists() {
        scene.export(&["olmo"], "disturbed");
    }
    scene.expect_equal("disturbed", "whole");
}

#[test]
fn what_an_earlier_start_exported_is_not_read_again() {
    let scene = Scene::new();
    scene.export(&["megatron"], "whole");
    let broken = scene.data_file(7);
    let real = fs::read(&broken).unwrap();
    fs::write(&broken, &real[..real.len() / 2]).unwrap();
    let arguments = scene.arguments(&["megatron"], "dest");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert!(complaint(&arguments, 1).contains("part-00007"));
    fs::write(&broken, &real).unwrap();
    // Whoever reads one of these now fails; the first of all says what is exported.
    let units: Vec<(PathBuf, Vec<u8>)> = (1..7)
        .map(|unit| scene.data_file(unit))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    for (path, _) in &units {
        fs::remove_file(path).unwrap();
    }
    let said = scene.export(&["megatron"], "dest");
    assert!(
        said.contains("\n7 of the units were exported by an earlier start\n"),
        "{said}"
    );
    scene.expect_equal("dest", "whole");
}

#[test]
fn what_is_taken_down_between_a_kill_and_the_next_start_is_not_exported() {
    let scene = Scene::new();
    for format in FORMATS {
        let held = Held::new(&scene, 6);
        let mut export = held.start(&scene, format, format[0]);
        scene.wait_for_steps(format[0], usize::from(format[0] != "packed"), &mut export);
        export.kill().unwrap();
        export.wait().unwrap();
    }
    let list = scene.path("list.txt");
    fs::write(&list, format!("{}\n", scene.run.site.url("/rocket.jpg"))).unwrap();
    let output = scene.path("out");
    succeed(&[
        "takedown",
        output.to_str().unwrap(),
        "--list",
        list.to_str().unwrap(),
    ]);
    for format in FORMATS {
        let whole = format!("{}-whole", format[0]);
        let said = scene.export(format, &whole);
        assert!(said.starts_with("48 sequences"), "{said}");
        assert_eq!(
            scene
                .export(format, format[0])
                .lines()
                .next()
                .unwrap()
                .split(" in ")
                .next(),
            said.split(" in ").next()
        );
        scene.expect_equal(format[0], &whole);
    }
}

#[test]
fn other_options_or_units_begin_anew() {
    let scene = Scene::new();
    let small = ["mds", "--shard-size", "1000"];
    let interrupt = |format: &[&str]| {
        let held = Held::new(&scene, 9);
        let mut export = held.start(&scene, format, "dest");
        scene.wait_for_steps("dest", 2, &mut export);
        export.kill().unwrap();
        export.wait().unwrap();
    };
    for (index, then) in [&["megatron"][..], &["mds", "--shard-size", "1500"], &small]
        .iter()
        .enumerate()
    {
        interrupt(&small);
        if index == 2 {
            fs::remove_file(scene.path("out/stats/part-00000.json")).unwrap();
        }
        let whole = format!("whole-{index}");
        scene.export(then, &whole);
        let said = scene.export(then, "dest");
        assert!(!said.contains("earlier start"), "{said}");
        scene.expect_equal("dest", &whole);
        fs::remove_dir_all(scene.path("dest")).unwrap();
    }
}

#[test]
fn a_stopped_export_says_so_exits_with_75_and_keeps_what_is_done() {
    let scene = Scene::new();
    scene.export(&["datatrove"], "whole");
    for (signal, unit) in [("-INT", 5), ("-TERM", 8)] {
        let held = Held::new(&scene, unit);
        let mut export = held.start(&scene, &["datatrove", "--workers", "1"], "dest");
        scene.wait_for_steps("dest", 1, &mut export);
        while scene.units_done("dest") < unit {
            assert!(export.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        let sent = Command::new("kill")
            .args([signal, &export.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let mut lines = BufReader::new(export.stderr.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().contains("run the same command again")),
            "it says what to do"
        );
        held.release();
        assert_eq!(export.wait().unwrap().code(), Some(75));
        assert!(!scene.path("dest").exists());
    }
    let said = scene.export(&["datatrove"], "dest");
    assert!(said.contains("\n8 of the units were exported"), "{said}");
    scene.expect_equal("dest", "whole");
}

/// Runs a shell script in a mount namespace of its own.
fn with_small_disk(scene: &Scene, format: &[&str], kilobytes: usize) -> Output {
    let text = r#"
        mount -t tmpfs -o size="$SIZE"k none "$DISK" && "$@"
        code=$?
        cp -a "$DISK/." "$KEPT" && exit $code
        "#;
    let mut command = Command::new("unshare");
    command
        .args(["-Urm", "sh", "-c", text, "sh"])
        .arg(program().get_program())
        .args(scene.arguments(format, "disk/dest"))
        .env("SIZE", kilobytes.to_string())
        .env("DISK", scene.path("disk"))
        .env("KEPT", scene.path("kept"));
    command.output().unwrap()
}

fn can_mount() -> bool {
    let made = Command::new("unshare")
        .args(["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    made.is_ok_and(|made| made.status.success())
}

fn move_folder(from: &Path, to: &Path) {
    fs::remove_dir_all(to).unwrap();
    fs::rename(from, to).unwrap();
}

#[test]
fn a_full_disk_ends_an_export_in_one_line_and_it_goes_on_when_there_is_room() {
    if !can_mount() {
        eprintln!("no file system can be mounted here");
        return;
    }
    let scene = Scene::new();
    for format in FORMATS {
        let whole = format!("{}-whole", format[0]);
        scene.export(format, &whole);
        fs::create_dir(scene.path("disk")).unwrap();
        fs::create_dir(scene.path("kept")).unwrap();
        // Contexts are compressed.
        let kilobytes = if format[0] == "packed" { 8 } else { 24 };
        let ended = with_small_disk(&scene, format, kilobytes);
        let said = messages(&ended);
        assert_eq!(code(&ended), 1, "{format:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains("disk/dest")
                && said.contains("No space left on device")
                && said.contains("make room"),
            "{said}"
        );
        assert!(!scene.path("kept/dest").exists());
        // What was done on the small disk is taken over to the real one: there is room again.
        move_folder(&scene.path("kept"), &scene.path("disk"));
        let said = scene.export(format, "disk/dest");
        if !matches!(format[0], "mds" | "packed") {
            assert!(said.contains("exported by an earlier start"), "{said}");
        }
        assert_eq!(fs::read_dir(scene.path("disk")).unwrap().count(), 1);
        fs::rename(scene.path("disk/dest"), scene.path("dest")).unwrap();
        scene.expect_equal("dest", &whole);
        fs::remove_dir_all(scene.path("disk")).unwrap();
        fs::remove_dir_all(scene.path("dest")).unwrap();
    }
}

#[test]
fn a_second_export_to_the_same_folder_is_refused_while_the_first_one_runs() {
    let scene = Scene::new();
    let held = Held::new(&scene, 3);
    let mut export = held.start(&scene, &["megatron"], "dest");
    scene.wait_for_steps("dest", 1, &mut export);
    let arguments = scene.arguments(&["megatron"], "dest");
    let second = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code(&second), 1, "{}", messages(&second));
    assert!(messages(&second).contains("is running"), "{}", messages(&second));
    export.kill().unwrap();
    export.wait().unwrap();
}
