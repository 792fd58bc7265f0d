//! Numbers that files hold: none of them sizes anything before it is checked.

use std::fs;

use serde_json::{Value, json};

use crate::confined::{self, Ended};
use crate::scene::{BASE_BYTES, BASE_CPU_S, Scene};

const LARGE: [u64; 5] = [0, 3, 100_000_000_000, 1 << 60, u64::MAX];

/// What reads the tables and stats of an output alone.
const READ_NO_PLAN: [&str; 2] = ["inspect", "export"];

/// A finished output, one of whose JSON files is then changed.
struct Finished(Scene);

impl Finished {
    fn new() -> Self {
        let scene = Scene::of_good_pairs();
        scene.run(&[]).expect_code(0);
        fs::write(scene.path("list"), "key:good-0\n").unwrap();
        Self(scene)
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.output().join(file)).unwrap()).unwrap()
    }

    fn write(&self, file: &str, json: &Value) {
        fs::write(self.0.output().join(file), json.to_string()).unwrap();
    }

    /// All that reads an output, each of which ends in its own time and memory, with words.
    fn read_by_all(&self) -> Vec<(&'static str, Ended)> {
        let (list, export) = (self.0.path("list"), self.0.path("export"));
        let _ = fs::remove_dir_all(&export);
        let (output, list) = (self.0.output(), list.to_str().unwrap());
        let output = output.to_str().unwrap();
        let commands: [(&str, &[&str]); 6] = [
            ("verify", &["verify", output]),
            ("inspect", &["inspect", output]),
            ("plan", &["plan", &self.0.config()]),
            ("run", &["run", &self.0.config()]),
            (
                "export",
                &["export", "megatron", output, export.to_str().unwrap()],
            ),
            ("takedown", &["takedown", output, "--list", list]),
        ];
        commands
            .map(|(name, arguments)| {
                let ended = confined::run(arguments);
                ended
                    .expect_code_among(&[0, 1, 2])
                    .expect_peak_below(BASE_BYTES)
                    .expect_cpu_below(BASE_CPU_S);
                assert!(!ended.stderr.contains("panicked"), "{name}: {}", ended.stderr);
                (name, ended)
            })
            .into()
    }
}

#[test]
fn a_plans_number_of_units_is_checked_before_it_sizes_anything() {
    let finished = Finished::new();
    let plan = finished.json("plan.json");
    for units in LARGE {
        let mut changed = plan.clone();
        changed["units"] = json!(units);
        finished.write("plan.json", &changed);
        for (name, ended) in finished.read_by_all() {
            let is_refused = ended.code != 0 || READ_NO_PLAN.contains(&name);
            assert!(is_refused, "{name} believes a plan of {units} units");
        }
    }
}

#[test]
fn a_plans_number_of_rows_is_checked() {
    let finished = Finished::new();
    let plan = finished.json("plan.json");
    for rows in LARGE {
        let mut changed = plan.clone();
        changed["rows"] = json!(rows);
        finished.write("plan.json", &changed);
        for (name, ended) in finished.read_by_all() {
            let is_refused = ended.code != 0 || READ_NO_PLAN.contains(&name);
            assert!(is_refused, "{name} believes a plan of {rows} rows");
        }
    }
}

/// Every number of the stats, one after the other.
#[test]
fn impossible_stats_are_found_by_verify_and_panic_nobody() {
    let finished = Finished::new();
    let stats = finished.json("stats/part-00000.json");
    for field in [
        "rows_read",
        "pairs",
        "sequences",
        "texts",
        "filtered",
        "text_rows",
        "revision",
        "unit",
    ] {
        for number in [1_u64 << 60, u64::MAX] {
            let mut changed = stats.clone();
            changed[field] = json!(number);
            finished.write("stats/part-00000.json", &changed);
            let verified = finished.0.of_output("verify", &[]);
            verified.expect_peak_below(BASE_BYTES);
            assert_eq!(
                verified.code, 1,
                "{field} of {number} is not found: {}",
                verified.stdout
            );
            assert!(
                !verified.stderr.contains("panicked"),
                "{field}: {}",
                verified.stderr
            );
        }
    }
    finished.write("stats/part-00000.json", &stats);
    finished.0.of_output("verify", &[]).expect_code(0);
}

/// Sums of two units' numbers go past 2^64.
#[test]
fn stats_whose_sums_overflow_are_refused_by_all() {
    let finished = Finished::new();
    for unit in 0..2 {
        let file = format!("stats/part-0000{unit}.json");
        let mut stats = finished.json(&file);
        for field in ["rows_read", "filtered"] {
            stats[field] = json!(u64::MAX - 10);
        }
        for distribution in ["image_codes", "input_ids"] {
            for (_, number) in stats[distribution].as_object_mut().unwrap() {
                if number.is_u64() {
                    *number = json!(u64::MAX - 10);
                }
            }
        }
        finished.write(&file, &stats);
    }
    for (name, ended) in finished.read_by_all() {
        if name == "verify" {
            ended.expect_code(1);
        }
    }
}

/// A file of many gigabytes, all of it a hole, in the place of each that is read whole.
#[test]
fn a_json_file_as_large_as_a_disk_is_not_read_whole() {
    const SIZE: u64 = 6 << 30;
    for file in [
        "plan.json",
        "stats/part-00000.json",
        ".tmp/part-00000.revised-1-0.json",
    ] {
        let finished = Finished::new();
        fs::create_dir_all(finished.0.output().join(".tmp")).unwrap();
        let large = fs::File::create(finished.0.output().join(file)).unwrap();
        large.set_len(SIZE).unwrap();
        finished.read_by_all();
    }
}
