//! Text from outside reaches a person escaped, whatever command prints it; machines get it exactly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, StringArray};
use img2tokens_schemas::shown::is_hidden;
use img2tokens_test_support::{Reply, StaticSite};
use program::{code, program, rewrite_column, run, test_data, write_config, write_parquet};

/// A title for the window, colours in seven and eight bits, another direction of writing, nothing to see, a line of its
/// own, the end of a cell.
const HOSTILE: &str =
    "\x1b]0;pwned\x07\x1b[31mred\u{9b}2J\u{202e}txt.exe\u{2066}\u{200b}\u{e0041}\u{2028}\r\nforged\x7f`|";
/// The same as far as the name of a file in a store can hold it, and a config.
const NAME: &str = "a\u{202e}b\u{9b}31m\u{200b}`x";
/// What stands for the first of its characters.
const SEEN: &str = "\\u{1b}]0;pwned\\u{7}";

/// Asserts that nothing in the text acts on a terminal.
fn harmless(what: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let acts = |character| character != '\n' && is_hidden(character);
    assert!(!text.contains(acts), "{what}: {text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("forged")),
        "{what}: {text}"
    );
    text
}

/// Runs a command that prints for people; what it says on both streams.
fn told(arguments: &[&str], expected: i32) -> String {
    let output = run(arguments);
    let text = both(&format!("{arguments:?}"), &output);
    assert_eq!(code(&output), expected, "{arguments:?}: {text}");
    text
}

fn both(what: &str, output: &Output) -> String {
    harmless(what, &output.stdout) + &harmless(what, &output.stderr)
}

struct Case {
    folder: tempfile::TempDir,
    site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let site = StaticSite::start();
        let picture = std::fs::read(test_data("golden/images/rocket.jpg")).unwrap();
        site.put("/rocket.jpg", Reply::ok(picture));
        let folder = tempfile::tempdir().unwrap();
        Self { folder, site }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A config over this input into `out`.
    fn config(&self, input: &Path, further: &str) -> String {
        let config = self.path("run.toml");
        let further = format!("{further}\n[fetch]\nallow_private_addresses = true\nports = []\nretries = 0");
        write_config(&config, input, &self.path("out"), &further);
        config.to_str().unwrap().to_owned()
    }

    /// A finished output whose keys, captions, URLs, kept columns and input all are hostile.
    fn output(&self) -> String {
        let folder = self.path("in");
        std::fs::create_dir(&folder).unwrap();
        let column = |value: String| vec![Some(value); 2];
        let url = format!("{}?{HOSTILE}", self.site.url("/rocket.jpg"));
        let keys = [HOSTILE, "plain"].map(|key| Some(key.to_owned())).to_vec();
        write_parquet(
            &folder.join(format!("{NAME}.parquet").replace('\u{9b}', "")),
            &[
                ("URL", column(url)),
                ("TEXT", column(HOSTILE.to_owned())),
                ("id", keys),
                (HOSTILE, column(HOSTILE.to_owned())),
            ],
        );
        std::fs::write(
            folder.join(format!("{}.parquet", "b\x1b[31m\nforged")),
            "not read",
        )
        .unwrap();
        let kept = serde_json::to_string(HOSTILE).unwrap().replace('\x7f', "\\u007f");
        let config = self.config(&folder, &format!("key_column = \"id\"\nkeep_columns = [{kept}]"));
        let told = told(&["run", &config], 0);
        assert!(
            told.contains("passed over") && told.contains("b\\u{1b}[31m\\u{a}forged"),
            "{told}"
        );
        self.text("out")
    }
}

#[test]
fn an_output_of_hostile_pairs_is_read_back_escaped_and_its_card_has_no_markup() {
    let case = Case::new();
    let output = case.output();
    let inspected = told(&["inspect", &output], 0);
    for line in [
        SEEN.to_owned(),
        format!("  caption  {SEEN}"),
        format!("/rocket.jpg?{SEEN}"),
    ] {
        assert!(inspected.contains(&line), "{line} is not in {inspected}");
    }
    let one = told(&["inspect", &output, "--key", HOSTILE], 0);
    assert!(
        one.starts_with(SEEN) && inspected.starts_with(&one),
        "a key is found by what it is"
    );
    let none = told(&["inspect", &output, "--key", &format!("{HOSTILE}?")], 1);
    assert!(none.contains(SEEN), "{none}");
    told(&["plan", &case.text("run.toml")], 0);
    told(&["verify", &output], 0);
    told(
        &["export", "mds", &output, &case.text(&format!("mds{HOSTILE}"))],
        0,
    );
    let card = std::fs::read_to_string(case.path("out/README.md")).unwrap();
    harmless("the card", card.as_bytes());
    assert!(card.contains("a\\u{202e}b") && !card.contains('<'), "{card}");
    assert!(
        card.starts_with("---\nconfigs:\n") && card.matches("\n---\n").count() == 1,
        "{card}"
    );
    let captions = program::text_column(Path::new(&output), "caption");
    assert_eq!(captions, [HOSTILE, HOSTILE], "tables hold what was there");
}

#[test]
fn what_verify_and_takedown_name_is_escaped_and_cut() {
    let case = Case::new();
    let output = case.output();
    let long = "k".repeat(1 << 20);
    let list = case.path("list");
    // Lines end an entry, so a key on a list has none.
    let key = HOSTILE.replace(['\r', '\n', '\u{2028}'], "");
    std::fs::write(&list, format!("key:{key}\nkey:{long}\n")).unwrap();
    let taken = told(&["takedown", &output, "--list", list.to_str().unwrap()], 0);
    assert!(
        taken.contains(SEEN) && taken.contains("kk…") && taken.len() < 5_000,
        "{taken}"
    );
    std::fs::write(&list, format!("{key}{long}\n")).unwrap();
    let refused = told(&["takedown", &output, "--list", list.to_str().unwrap()], 2);
    assert!(refused.contains(SEEN) && refused.len() < 5_000, "{refused}");

    let same = |keys: &ArrayRef| -> ArrayRef {
        let keys = keys.as_string::<i32>().iter();
        Arc::new(StringArray::from_iter_values(keys.map(|_| HOSTILE)))
    };
    rewrite_column(Path::new(&output), 0, "key", same);
    let found = told(&["verify", &output], 1);
    assert!(found.contains("part-00000"), "{found}");
}

#[test]
fn documents_are_read_back_escaped() {
    let case = Case::new();
    let input = case.path("documents.jsonl");
    let row = serde_json::json!({
        "images": [case.site.url("/rocket.jpg"), null],
        "texts": [null, HOSTILE],
        "metadata": [null, null],
    });
    std::fs::write(&input, format!("{row}\n")).unwrap();
    told(&["run", &case.config(&input, "")], 0);
    let inspected = told(&["inspect", &case.text("out")], 0);
    assert!(inspected.contains(&format!(": {SEEN}")), "{inspected}");
}

#[test]
fn files_that_are_refused_are_named_escaped_and_columns_are_cut() {
    let case = Case::new();
    let folder = case.path("in");
    std::fs::create_dir(&folder).unwrap();
    let header = HOSTILE.replace(['\r', '\n'], "");
    let input = folder.join(format!("{NAME}.csv"));
    std::fs::write(&input, format!("{header},{}\na,b\n", "c".repeat(1 << 20))).unwrap();
    let config = case.config(&folder, "");
    let paths = format!("input.paths=[\"{}\"]", input.display());
    for further in [
        &[][..],
        &["--set", "input.url_column=\"\u{202e}\""],
        &["--set", "input.format=\"parquet\""],
    ] {
        let refused = told(&[&["run", &config, "--set", &paths], further].concat(), 2);
        assert!(
            refused.contains("a\\u{202e}b\\u{9b}31m") && refused.len() < 5_000,
            "{refused}"
        );
    }
    let missing = told(
        &["run", &config, "--set", &format!("input.paths=[\"/{NAME}\"]")],
        2,
    );
    assert!(missing.contains("a\\u{202e}b"), "{missing}");
}

#[test]
fn a_hostile_command_line_or_config_is_answered_escaped() {
    let case = Case::new();
    let config = case.config(Path::new("/nowhere"), "");
    let broken = case.text("broken.toml");
    std::fs::write(&broken, format!("[input]\npaths = [\"x\"]\n\"{NAME}\x1b\" = 1\n")).unwrap();
    let unknown = case.text("unknown.toml");
    std::fs::write(
        &unknown,
        format!("[input]\npaths = [\"x\"]\n\"{NAME}\" = 1\n[output]\npath = \"o\"\n"),
    )
    .unwrap();
    let (set, bound) = (
        format!("input.{HOSTILE}=1"),
        format!("input.key_column=[\"{NAME}\"]"),
    );
    for arguments in [
        &[HOSTILE][..],
        &["run", HOSTILE],
        &["run", &config, "--set", HOSTILE],
        &["run", &config, "--set", &set],
        &["run", &config, "--set", &bound],
        &["run", &config, "--limit", HOSTILE],
        &["run", &config, "--shard-of", HOSTILE],
        &["run", &config, &format!("--{HOSTILE}")],
        &["run", &broken],
        &["run", &unknown],
        &["inspect", HOSTILE],
        &["verify", HOSTILE],
        &["takedown", HOSTILE, "--list", HOSTILE],
        &["export", HOSTILE, HOSTILE, HOSTILE],
        &["export", "mds", HOSTILE, HOSTILE],
        &["text", "--tokenizer", HOSTILE],
        &["tokenize", "--model", HOSTILE, "x"],
        &["tokenize", "--device", HOSTILE, "x"],
        &["model", "info", HOSTILE],
        &["model", "fetch", HOSTILE],
        &["model", "convert", HOSTILE, HOSTILE],
        &["bench", "fetch", "--urls", HOSTILE],
    ] {
        let output = run(arguments);
        let text = both(&format!("{arguments:?}"), &output);
        assert!(
            matches!(code(&output), 1 | 2) && !text.is_empty(),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn models_and_their_files_are_named_escaped() {
    let case = Case::new();
    let model = case.text(&format!("model{HOSTILE}"));
    assert!(told(&["model", "convert", "builtin:nano", &model], 0).contains(SEEN));
    assert!(told(&["model", "info", &model], 0).contains(SEEN));
    let picture = case.text(&format!("picture{HOSTILE}.jpg"));
    std::fs::copy(test_data("golden/images/rocket.jpg"), &picture).unwrap();
    let compared = told(
        &[
            "model",
            "verify",
            &model,
            "builtin:nano",
            &picture,
            &format!("{picture}?"),
        ],
        1,
    );
    assert!(compared.contains(SEEN), "{compared}");
    let info = run(&["model", "info", &model, "--json"]);
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(info["model"], model, "JSON is exact");
}

#[test]
fn json_lines_and_json_logs_are_exact_beside_escaped_messages() {
    let case = Case::new();
    let picture = case.text(&format!("picture{HOSTILE}.jpg"));
    std::fs::copy(test_data("golden/images/rocket.jpg"), &picture).unwrap();
    for arguments in [
        ["prepare", &picture, "/nowhere"],
        ["tokenize", &picture, "/nowhere"],
    ] {
        let output = run(&arguments);
        harmless(arguments[0], &output.stderr);
        let first = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned();
        let line: serde_json::Value = serde_json::from_str(&first).unwrap();
        assert_eq!(line["path"], picture.as_str());
    }
    let folder = case.path("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a\x1b\u{202e}.csv"), "").unwrap();
    let config = case.config(&folder, "");
    let output = program()
        .args(["--log-format", "json", "run", &config])
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let said: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let message = said["fields"]["message"].as_str().unwrap();
    assert!(message.contains("a\\u{1b}\\u{202e}.csv"), "{message}");
}
