//! Small files that state gigabytes: each is read by a process of its own, within limits of memory and CPU time.
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

#[path = "support/hostile.rs"]
mod hostile;
mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use futures::StreamExt;
use img2tokens_source::{Input, Source, SourceConfig};
use object_store::local::LocalFileSystem;
use support::{config, keeping};

/// What a process may map, and how long it may compute.
const ADDRESS_SPACE_BYTES: u64 = 3 << 30;
const CPU_SECONDS: u64 = 30;
/// What it may hold at most: of Parquet the pages of a batch and what comes of them; of records a batch.
const PAGES_BYTES: u64 = 700 << 20;
const RECORDS_BYTES: u64 = 64 << 20;
const FILE: &str = "IMG2TOKENS_HOSTILE_FILE";
const DOCUMENTS: &str = "documents";

/// Reads the file that the environment names: the child of every test here.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "run by the others, with a file"]
async fn reads_a_file() {
    let path = std::env::var(FILE).expect("a file to read");
    let path = Path::new(&path);
    let folder = path.parent().expect("a folder");
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let input = Input {
        store: Arc::new(LocalFileSystem::new_with_prefix(folder).expect("a folder")),
        path: name.into(),
        name: name.to_owned(),
    };
    let (pairs, found) = match name.starts_with(DOCUMENTS) {
        true => (SourceConfig::default(), config(10_000, 1_024)),
        false => (
            SourceConfig {
                url_column: Some("url".into()),
                text_column: Some("caption".into()),
                ..config(10_000, 1_024)
            },
            keeping(
                &["caption"],
                SourceConfig {
                    text_column: Some("caption".into()),
                    ..config(10_000, 1_024)
                },
            ),
        ),
    };
    for config in [pairs, found] {
        println!("{}", read(&Source::new(config), &input).await);
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux's /proc");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("peak {}", peak.expect("a peak").trim().trim_end_matches(" kB"));
}

/// What came of a file, in a line.
async fn read(source: &Source, input: &Input) -> String {
    let survey = match source.survey(input).await {
        Ok(survey) => survey,
        Err(error) => return format!("refused: {error}"),
    };
    let (mut rows, mut failed) = (0, 0);
    for extent in &survey.extents {
        let mut batches = source.rows(input, &survey, extent, 0);
        while let Some(batch) = batches.next().await {
            match batch {
                Ok(batch) => {
                    rows += batch.rows_read;
                    failed += batch.rows.iter().filter(|row| row.is_err()).count();
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    return format!("broken: {error}: {}", cause.unwrap_or_default());
                }
            }
        }
    }
    format!("read: {rows} rows, {failed} failed")
}

fn child(path: &Path) -> Output {
    Command::new("prlimit")
        .arg(format!("--as={ADDRESS_SPACE_BYTES}"))
        .arg(format!("--cpu={CPU_SECONDS}"))
        .arg(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "reads_a_file", "--nocapture"])
        .env(FILE, path)
        .output()
        .expect("prlimit of util-linux")
}

/// Reads a file under the limits; says what came of it.
fn outcome(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("room for a file");
    let output = child(&path);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{name}, {} bytes: {:?}\n{text}\n{}",
        bytes.len(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let peak = text.lines().find_map(|line| line.strip_prefix("peak "));
    let peak = peak.and_then(|peak| peak.parse::<u64>().ok()).expect("a peak") << 10;
    println!("{name}, {} bytes, peak {} MiB: {text}", bytes.len(), peak >> 20);
    let most = if name.ends_with(".parquet") {
        PAGES_BYTES
    } else {
        RECORDS_BYTES
    };
    assert!(peak <= most, "{name}: {peak} bytes");
    text
}

fn parquet(name: &str, bytes: &[u8]) -> String {
    outcome(&format!("{name}.parquet"), bytes)
}

#[test]
fn a_long_value_that_every_row_names_is_not_copied_for_every_row() {
    let bytes = hostile::long_value_in_a_dictionary(1_024, 2 << 20);
    assert!(bytes.len() < 1_000);
    let text = parquet("dictionary", &bytes);
    assert!(text.contains("read: 1024 rows, 1024 failed"), "{text}");
    // A caption as long as is allowed comes through, a few rows a batch.
    let text = parquet("allowed", &hostile::long_value_in_a_dictionary(300, 1 << 19));
    assert!(text.contains("read: 300 rows, 0 failed"), "{text}");
}

#[test]
fn pages_that_do_not_fit_together_are_read_a_few_at_a_time() {
    let text = parquet("pages", &hostile::a_large_page_a_row(64, 64 << 20));
    assert!(text.contains("read: 64 rows, 64 failed"), "{text}");
}

#[test]
fn a_page_beyond_the_limit_is_refused_before_it_is_unpacked() {
    for stated in [i64::from(i32::MAX), 600 << 20, -1] {
        let text = parquet("page", &hostile::page_that_states(stated));
        assert!(text.contains("broken: "), "{text}");
    }
    let real = hostile::long_value_in_a_dictionary(1, 520 << 20);
    assert!(parquet("unpacked", &real).contains("broken: "));
}

#[test]
fn counts_in_pages_that_they_do_not_hold_are_refused() {
    for values in [i64::from(i32::MAX), 1 << 20] {
        let text = parquet("dictionary", &hostile::dictionary_that_states(values));
        assert!(text.contains("cannot hold"), "{text}");
    }
    for count in [2, 1 << 31, 1 << 40, u64::MAX] {
        let text = parquet("delta", &hostile::delta_lengths_that_state(count));
        assert!(text.contains("delta-encoded"), "{text}");
    }
}

#[test]
fn values_that_share_long_beginnings_are_counted_before_they_are_joined() {
    let text = parquet("prefixes", &hostile::shared_prefixes(200_000, 1 << 20));
    assert!(text.contains("broken: "), "{text}");
    let text = parquet("few", &hostile::shared_prefixes(100, 1 << 20));
    assert!(text.contains("read: 100 rows"), "{text}");
}

#[test]
fn rows_that_no_file_of_the_size_holds_are_refused() {
    for rows in [1 << 30, 400_000_000_000, i64::MAX] {
        let text = parquet("rows", &hostile::rows_that_are_not_there(rows));
        assert!(text.contains("broken: "), "{text}");
    }
}

#[test]
fn a_row_of_two_billion_items_is_refused() {
    let text = parquet(DOCUMENTS, &hostile::list_of_nothings((1 << 31) - 1));
    assert!(text.contains("broken: "), "{text}");
    let text = parquet(DOCUMENTS, &hostile::list_of_nothings(1_000));
    assert!(text.contains("read: 1 rows, 1 failed"), "{text}");
}

#[test]
fn schemas_that_state_or_nest_too_much_are_refused_before_they_are_built() {
    assert!(parquet("width", &hostile::wide_values(i32::MAX)).contains("broken: "));
    let children = [i64::from(i32::MAX), 1].into_iter();
    assert!(parquet("children", &hostile::schema_of(children)).contains("broken: "));
    let nested = (0..100_000).map(|element| i64::from(element < 99_999));
    assert!(parquet("nested", &hostile::schema_of(nested)).contains("broken: "));
}

#[test]
fn what_unpacks_to_thousands_of_its_size_ends_soon() {
    let text = outcome("bomb.jsonl.zst", &hostile::packed_lines("{}\n", 16 << 30));
    assert!(text.contains("broken: "), "{text}");
}

#[test]
fn lines_of_a_megabyte_that_are_no_records_or_columns_are_not_held() {
    let text = outcome("strings.jsonl", &hostile::long_lines(200, false));
    assert!(text.contains("broken: "), "{text}");
    let mut records = b"{\"url\":\"http://a/\",\"caption\":\"b\"}\n".to_vec();
    records.extend(hostile::long_lines(200, false));
    let text = outcome("mixed.jsonl", &records);
    assert!(text.contains("read: 201 rows, 200 failed"), "{text}");
    outcome("keys.jsonl", &hostile::long_lines(200, true));
    outcome("many.jsonl", &hostile::many_keys(200, 40_000));
}
