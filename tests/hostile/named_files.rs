//! Names that files hold: whoever may write into an output does not thereby write, move or delete anywhere else.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::confined::Ended;
use crate::scene::Scene;

/// The kinds of names that are none of ours, for the victim beside the output; `{VICTIM}` is its absolute path.
const STRANGE: [&str; 8] = [
    "../victim/precious",
    ".tmp/../../victim/precious",
    "{VICTIM}",
    "/{VICTIM}",
    ".tmp/part-00000.data./../../../victim/precious",
    "data/../../victim/precious",
    "plan.json",
    "stats/part-00001.json",
];

/// An output of two units: of the first, the commit marker is put away, and an election stands in its place.
struct Elected {
    scene: Scene,
    /// The stats of the first unit.
    stats: Value,
}

impl Elected {
    fn new() -> Self {
        let scene = Scene::of_good_pairs();
        scene.run(&[]).expect_code(0);
        let file = scene.output().join("stats/part-00000.json");
        let stats = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        Self { scene, stats }
    }

    /// Leaves an election that names these files, as an attempt that died would, under the name `file`.
    fn elect(&self, file: &str, names: &[(&str, String)], stats: &Value) {
        let mut election = json!({ "stats": stats });
        for kind in ["data", "failures"] {
            election[kind] = json!(format!(".tmp/part-00000.{kind}.dead"));
        }
        for (kind, name) in names {
            election[*kind] = json!(name);
        }
        let staging = self.scene.output().join(".tmp");
        fs::create_dir_all(&staging).unwrap();
        fs::write(staging.join(file), election.to_string()).unwrap();
    }

    fn victim(&self) -> String {
        self.scene.path("victim/precious").display().to_string()
    }

    /// The standing files of the output that nobody may move or remove through a name.
    fn expect_output_whole(&self) {
        for file in ["plan.json", "stats/part-00001.json", "data/part-00001.parquet"] {
            assert!(self.scene.output().join(file).is_file(), "{file} is gone");
        }
        self.scene.expect_victim_untouched();
    }
}

/// Every strange name in every place of an election of an uncommitted unit, one after the other; each time a run ends.
fn try_all(kind: &str) {
    let elected = Elected::new();
    for strange in STRANGE {
        let name = strange.replace("{VICTIM}", &elected.victim());
        let _ = fs::remove_file(elected.scene.output().join("stats/part-00000.json"));
        elected.elect(
            "part-00000.elected-0.json",
            &[(kind, name.clone())],
            &elected.stats,
        );
        let ended = elected.scene.run(&[]);
        ended.expect_code_among(&[0, 1]);
        elected.expect_output_whole();
        if ended.code == 1 {
            // Refused in words that name the file; without it, the run goes on.
            ended.expect_words(&["elected-0.json"]);
            fs::remove_dir_all(elected.scene.output().join(".tmp")).unwrap();
            elected.scene.run(&[]).expect_code(0);
        }
        elected.scene.of_output("verify", &[]).expect_code(0);
    }
    elected.scene.expect_good_pairs();
}

#[test]
fn an_elections_data_file_is_one_of_the_staging_folder() {
    try_all("data");
}

#[test]
fn an_elections_failures_file_is_one_of_the_staging_folder() {
    try_all("failures");
}

#[test]
fn an_elections_images_and_packed_files_are_of_the_staging_folder() {
    try_all("images");
    try_all("packed");
}

/// Elections of committed units are finished or swept by `takedown` and by the end of a run.
#[test]
fn an_election_left_at_a_committed_unit_removes_nothing_elsewhere() {
    for revision in [0, 1] {
        let elected = Elected::new();
        let list = elected.scene.path("list");
        fs::write(&list, "key:good-0\n").unwrap();
        let mut stats = elected.stats.clone();
        stats["revision"] = json!(revision);
        let file = match revision {
            0 => "part-00000.elected-0.json",
            _ => "part-00000.revised-1-0.json",
        };
        for strange in STRANGE {
            let name = strange.replace("{VICTIM}", &elected.victim());
            for kind in ["data", "failures", "images", "packed"] {
                elected.elect(file, &[(kind, name.clone())], &stats);
                let list = list.to_str().unwrap();
                for ended in [
                    elected.scene.of_output("takedown", &["--list", list]),
                    elected.scene.run(&[]),
                ] {
                    ended.expect_code_among(&[0, 1, 2]);
                    elected.expect_output_whole();
                }
            }
        }
    }
}

/// The unit that the stats inside an election claim is not the one of its name: nothing of the other unit is replaced.
#[test]
fn an_election_speaks_of_its_own_unit_alone() {
    let elected = Elected::new();
    let other = elected.scene.output().join("data/part-00001.parquet");
    let before = fs::read(&other).unwrap();
    let mut stats = elected.stats.clone();
    stats["unit"] = json!(1);
    let staging = elected.scene.output().join(".tmp");
    fs::create_dir_all(&staging).unwrap();
    fs::write(staging.join("part-00000.data.dead"), "no table").unwrap();
    fs::write(staging.join("part-00000.failures.dead"), "no table").unwrap();
    fs::remove_file(elected.scene.output().join("stats/part-00000.json")).unwrap();
    elected.elect("part-00000.elected-0.json", &[], &stats);
    elected.scene.run(&[]).expect_code_among(&[0, 1]);
    assert!(
        fs::read(&other).unwrap() == before,
        "another unit's file was replaced"
    );
}

/// A link at a name that we write to is replaced or refused, never written through.
#[test]
fn a_link_in_the_output_is_not_written_through() {
    for (name, target) in [
        ("README.md", "victim/precious"),
        ("plan.json", "victim/new-plan.json"),
        ("stats/part-00000.json", "victim/precious"),
        ("data/part-00000.parquet", "victim/precious"),
        (".tmp/new-plan.lock", "victim/precious"),
    ] {
        let scene = Scene::of_good_pairs();
        link(&scene, name, target);
        for further in [&[][..], &["--new-plan"]] {
            let ended = scene.run(further);
            ended.expect_code_among(&[0, 1, 2]);
            scene.expect_victim_untouched();
        }
    }
}

/// A folder of the output that is a link leads elsewhere: nothing is written or removed there.
#[test]
fn a_linked_folder_in_the_output_does_not_lead_elsewhere() {
    for name in ["data", "failures", "stats", ".tmp"] {
        let scene = Scene::of_good_pairs();
        fs::write(scene.path("victim/part-00000.data.old"), "not ours").unwrap();
        link(&scene, name, "victim");
        let ended: Ended = scene.run(&[]);
        ended.expect_code_among(&[0, 1, 2]);
        let ours = scene.path("victim/part-00000.data.old");
        assert!(ours.is_file(), "{name}: a file behind the link was removed");
        fs::remove_file(ours).unwrap();
        if ended.code != 0 {
            scene.expect_victim_untouched();
        }
    }
}

/// Makes `name` in the output a link to `target` in the scene's folder.
fn link(scene: &Scene, name: &str, target: &str) {
    let name = scene.output().join(name);
    fs::create_dir_all(Path::parent(&name).unwrap()).unwrap();
    std::os::unix::fs::symlink(scene.path(target), name).unwrap();
}
