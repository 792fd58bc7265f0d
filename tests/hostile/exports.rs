//! What lies beside an export's destination, where others may write too: nothing of it leads the export elsewhere.

use std::fs;
use std::os::unix::fs::symlink;

use crate::confined::{self, Ended};
use crate::scene::Scene;

/// Exports a finished output to `dest` in the scene's folder, beside what lies there.
fn export(scene: &Scene) -> Ended {
    let destination = scene.path("dest");
    let (output, destination) = (scene.output(), destination.to_str().unwrap().to_owned());
    confined::run(&["export", "olmo", output.to_str().unwrap(), &destination])
}

fn finished() -> Scene {
    let scene = Scene::of_good_pairs();
    scene.run(&[]).expect_code(0);
    scene
}

#[test]
fn a_staged_folder_that_is_a_link_does_not_empty_what_it_leads_to() {
    let scene = finished();
    symlink(scene.path("victim"), scene.path(".dest.export")).unwrap();
    export(&scene).expect_code_among(&[0, 1, 2]);
    scene.expect_victim_untouched();
}

#[test]
fn a_staged_folder_of_files_that_is_a_link_does_not_empty_what_it_leads_to() {
    let scene = finished();
    fs::create_dir(scene.path(".dest.export")).unwrap();
    symlink(scene.path("victim"), scene.path(".dest.export/files")).unwrap();
    export(&scene).expect_code_among(&[0, 1, 2]);
    scene.expect_victim_untouched();
}

#[test]
fn a_journal_that_is_a_pipe_or_a_device_keeps_nobody_waiting() {
    let scene = finished();
    fs::create_dir(scene.path(".dest.export")).unwrap();
    let journal = scene.path(".dest.export/journal");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&journal)
            .status()
            .unwrap()
            .success()
    );
    export(&scene).expect_code_among(&[0, 1, 2]);
    let _ = fs::remove_dir_all(scene.path("dest"));
    fs::create_dir_all(scene.path(".dest.export")).unwrap();
    let _ = fs::remove_file(&journal);
    symlink("/dev/zero", &journal).unwrap();
    export(&scene)
        .expect_code_among(&[0, 1, 2])
        .expect_peak_below(crate::scene::BASE_BYTES);
}
