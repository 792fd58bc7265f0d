//! A poor machine and a careless folder: each is told in a line and costs no more than it must.

use std::fs;

use crate::confined::{self, run_within};
use crate::make;
use crate::scene::Scene;

#[test]
fn a_standard_error_that_takes_nothing_ends_no_run() {
    let scene = Scene::of_good_pairs();
    let config = scene.config();
    run_within(&[], "2>/dev/full", &["run", &config]).expect_code(0);
    scene.expect_good_pairs();
    // Nor one that is closed; nor does a message that cannot be said change the code.
    run_within(&[], "2>&-", &["run", &config]).expect_code(0);
    run_within(&[], "2>/dev/full", &["run", "absent.toml"]).expect_code(2);
    run_within(&[], "2>&-", &["run", "absent.toml"]).expect_code(2);
    run_within(&[], "2>/dev/full", &["no-such-command"]).expect_code(2);
}

#[test]
fn a_standard_output_that_takes_nothing_is_told() {
    let scene = Scene::of_good_pairs();
    scene.run(&[]).expect_code(0);
    let output = scene.output().display().to_string();
    for arguments in [
        &["verify", &output][..],
        &["inspect", &output],
        &["plan", &scene.config()],
    ] {
        run_within(&[], ">/dev/full", arguments).expect_code(1);
        run_within(&[], ">/dev/full 2>/dev/full", arguments).expect_code(1);
    }
}

#[test]
fn too_few_file_descriptors_are_told_before_the_run_or_are_enough() {
    for files in [8, 12, 16, 24, 32, 64, 128] {
        let scene = Scene::of_good_pairs();
        let ended = run_within(
            &[&format!("--nofile={files}:{files}")],
            "",
            &["run", &scene.config()],
        );
        ended.expect_code_among(&[0, 2]);
        if ended.code == 0 {
            scene.expect_good_pairs();
        } else if files >= 12 {
            ended.expect_words(&["file"]);
            assert!(
                !scene.output().join("data").exists(),
                "it is told before the run begins"
            );
        }
    }
}

#[test]
fn names_that_no_store_takes_are_passed_over_in_a_folder() {
    let scene = Scene::new();
    scene.write_pairs(&[]);
    fs::create_dir(scene.path("inputs")).unwrap();
    fs::rename(scene.path("pairs.parquet"), scene.path("inputs/pairs.parquet")).unwrap();
    for name in ["a\nb.parquet", "a\x1bb.parquet", "a\x7fb.parquet"] {
        fs::write(scene.path("inputs").join(name), "no table").unwrap();
    }
    use std::os::unix::ffi::OsStrExt;
    let not_text = std::ffi::OsStr::from_bytes(b"a\xffb.parquet");
    fs::write(scene.path("inputs").join(not_text), "no table").unwrap();
    let ended = confined::run(&["run", &scene.config_over("inputs")]);
    ended.expect_code(0);
    scene.expect_good_pairs();
}

/// A tar that is broken at its head is the loss of its own rows: the other inputs are done, and then it is named.
#[test]
fn one_broken_tar_costs_no_other_input() {
    for broken in [&b""[..], b"no tar at all, and not long", &[0xff; 4096], &[0; 512]] {
        let scene = Scene::new();
        fs::create_dir(scene.path("inputs")).unwrap();
        for (name, numbers) in [("a.tar", 0..2), ("c.tar", 2..4)] {
            fs::write(scene.path("inputs").join(name), tar_of(numbers)).unwrap();
        }
        fs::write(scene.path("inputs/b.tar"), broken).unwrap();
        let ended = confined::run(&["run", &scene.config_over("inputs")]);
        ended.expect_code_among(&[0, 1]);
        assert_eq!(
            crate::program::data_rows(&scene.output()).len(),
            4,
            "{}",
            ended.stderr
        );
        if ended.code == 1 {
            ended.expect_words(&["b.tar"]);
        }
    }
}

/// Pictures and captions of these numbers.
fn tar_of(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for number in numbers {
        for (suffix, bytes) in [
            ("png", make::good_picture(number * 2)),
            ("txt", b"a picture".to_vec()),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            let name = format!("{number:05}.{suffix}");
            archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
    }
    archive.into_inner().unwrap()
}
