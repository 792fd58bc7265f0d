//! The program as a user runs it, and the files it reads and leaves.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt16Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

/// The program, ready for arguments.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_img2tokens"))
}

/// Runs the program with these arguments and waits for its end.
pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program starts")
}

/// Its exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().expect("the program ends by itself")
}

/// What the program says on standard error, but for the warning that it has no GPU.
pub fn messages(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.contains("the CPU computes")).collect()
}

/// Runs the program and asserts that it ends well.
pub fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(code(&output), 0, "{arguments:?}: {}", messages(&output));
    String::from_utf8(output.stdout).expect("standard output is text")
}

/// A file or folder of `tests/data`, or of the copy that `IMG2TOKENS_TEST_DATA` names.
pub fn test_data(path: &str) -> PathBuf {
    let root = std::env::var_os("IMG2TOKENS_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data"),
        PathBuf::from,
    );
    let found = root.join(path);
    assert!(found.exists(), "{} is missing", found.display());
    found
}

/// The same as an argument of the program.
pub fn path(name: &str) -> String {
    test_data(name).display().to_string()
}

/// What a command that ends well prints, as JSON.
pub fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeed(arguments)).unwrap()
}

/// The one line that a command which fails with this code says.
pub fn complaint(arguments: &[&str], expected: i32) -> String {
    let output = run(arguments);
    assert_eq!(code(&output), expected, "{arguments:?}: {}", messages(&output));
    let text = messages(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(output.stdout.is_empty(), "{arguments:?} prints nothing");
    text
}

/// Writes a LAION-like Parquet file of these columns.
pub fn write_parquet(file: &Path, columns: &[(&str, Vec<Option<String>>)]) {
    let arrays = columns.iter().map(|(name, values)| {
        (
            *name,
            Arc::new(StringArray::from(values.clone())) as ArrayRef,
            true,
        )
    });
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).expect("columns are of one length");
    let file = File::create(file).expect("the file can be made");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("the batch is written");
    writer.close().expect("the file is closed");
}

/// Writes URL and TEXT columns.
pub fn write_pairs(file: &Path, pairs: &[(String, &str)]) {
    let (urls, texts) = pairs
        .iter()
        .map(|(url, text)| (Some(url.clone()), Some((*text).to_owned())))
        .unzip();
    write_parquet(file, &[("URL", urls), ("TEXT", texts)]);
}

/// Writes a config that tokenizes `input` into `output` with the nano model, and these further lines.
pub fn write_config(file: &Path, input: &Path, output: &Path, further: &str) {
    let text = format!(
        "[input]\npaths = [{input:?}]\n{further}\n[output]\npath = {output:?}\n",
        input = input.display().to_string(),
        output = output.display().to_string(),
    );
    std::fs::write(file, text).expect("the config is written");
}

/// One row of a data file.
#[derive(Debug, Clone, PartialEq)]
pub struct DataRow {
    pub key: String,
    pub order: String,
    pub input_ids: Vec<i32>,
    pub num_tokens: i32,
    pub image_start: i32,
    pub image_len: i32,
    pub text_ids: Vec<i32>,
    pub image_codes: Vec<u16>,
    pub kept_patches: Vec<u8>,
    pub caption: String,
    pub url: Option<String>,
    pub size: (i32, i32),
    pub sha256: String,
}

/// All rows of the data files under an output, in order of file and row.
pub fn data_rows(output: &Path) -> Vec<DataRow> {
    batches(&output.join("data")).iter().flat_map(rows_of).collect()
}

fn rows_of(batch: &RecordBatch) -> Vec<DataRow> {
    let text = |name: &str, row: usize| {
        batch
            .column_by_name(name)
            .unwrap()
            .as_string::<i32>()
            .value(row)
            .to_owned()
    };
    let number = |name: &str, row: usize| {
        batch
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Int32Type>()
            .value(row)
    };
    let ids = |name: &str, row: usize| {
        let list = batch.column_by_name(name).unwrap().as_list::<i32>().value(row);
        list.as_primitive::<Int32Type>().values().to_vec()
    };
    (0..batch.num_rows())
        .map(|row| DataRow {
            key: text("key", row),
            order: text("order", row),
            input_ids: ids("input_ids", row),
            num_tokens: number("num_tokens", row),
            image_start: number("image_start", row),
            image_len: number("image_len", row),
            text_ids: ids("text_ids", row),
            image_codes: {
                let list = batch
                    .column_by_name("image_codes")
                    .unwrap()
                    .as_list::<i32>()
                    .value(row);
                list.as_primitive::<UInt16Type>().values().to_vec()
            },
            kept_patches: batch
                .column_by_name("kept_patches")
                .unwrap()
                .as_binary::<i32>()
                .value(row)
                .to_vec(),
            caption: text("caption", row),
            url: Some(text("url", row)).filter(|url| !url.is_empty()),
            size: (number("width", row), number("height", row)),
            sha256: text("sha256", row),
        })
        .collect()
}

/// Key and reason of every row of the failures files.
pub fn failures(output: &Path) -> BTreeMap<String, String> {
    let mut reasons = BTreeMap::new();
    for batch in batches(&output.join("failures")) {
        let text = |name: &str, row: usize| {
            batch
                .column_by_name(name)
                .unwrap()
                .as_string::<i32>()
                .value(row)
                .to_owned()
        };
        for row in 0..batch.num_rows() {
            let before = reasons.insert(text("key", row), text("reason", row));
            assert_eq!(before, None, "one failure a pair");
        }
    }
    reasons
}

/// All batches of the Parquet files in a folder, in order of file and row.
pub fn batches(folder: &Path) -> Vec<RecordBatch> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
            reader.build().unwrap().map(Result::unwrap).collect::<Vec<_>>()
        })
        .collect()
}

/// Every file under a folder that readers are meant to see, by relative name, with its bytes.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Key and attempts of every row of the failures files.
pub fn attempts(output: &Path) -> BTreeMap<String, u32> {
    let mut attempts = BTreeMap::new();
    for batch in batches(&output.join("failures")) {
        let keys = batch.column_by_name("key").unwrap().as_string::<i32>();
        let counts = batch
            .column_by_name("attempts")
            .unwrap()
            .as_primitive::<UInt32Type>();
        attempts.extend(
            keys.iter()
                .zip(counts.values())
                .map(|(key, count)| (key.unwrap().to_owned(), *count)),
        );
    }
    attempts
}

/// Key and URL of every row of the failures files.
pub fn failure_urls(output: &Path) -> BTreeMap<String, Option<String>> {
    let mut urls = BTreeMap::new();
    for batch in batches(&output.join("failures")) {
        let column = |name| batch.column_by_name(name).unwrap().as_string::<i32>().iter();
        urls.extend(
            column("key")
                .zip(column("url"))
                .map(|(key, url)| (key.unwrap().to_owned(), url.map(str::to_owned))),
        );
    }
    urls
}

/// The values of a kept text column.
pub fn text_column(output: &Path, name: &str) -> Vec<String> {
    batches(&output.join("data"))
        .iter()
        .flat_map(|batch| {
            let column = batch
                .column_by_name(name)
                .unwrap_or_else(|| panic!("{name} is not in {:?}", batch.schema()));
            column
                .as_string::<i32>()
                .iter()
                .map(|value| value.unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The values of a column of booleans.
pub fn bool_column(output: &Path, name: &str) -> Vec<Option<bool>> {
    let batches = batches(&output.join("data"));
    let columns = batches
        .iter()
        .map(|batch| batch.column_by_name(name).unwrap().as_boolean());
    columns
        .flat_map(|column| column.iter().collect::<Vec<_>>())
        .collect()
}

/// Rewrites a unit's data file with one column changed, and lets its stats vouch for the new bytes.
pub fn rewrite_column(output: &Path, unit: usize, column: &str, change: impl Fn(&ArrayRef) -> ArrayRef) {
    let file = output.join(format!("data/part-{unit:05}.parquet"));
    rewrite_parquet(&file, column, change);
    let bytes = std::fs::read(&file).unwrap();
    let stats = output.join(format!("stats/part-{unit:05}.json"));
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&stats).unwrap()).unwrap();
    json["data_file"]["size"] = bytes.len().into();
    json["data_file"]["blake3"] = blake3::hash(&bytes).to_hex().as_str().into();
    std::fs::write(&stats, json.to_string()).unwrap();
}

/// Rewrites a Parquet file with one column changed and the same metadata.
pub fn rewrite_parquet(file: &Path, column: &str, change: impl Fn(&ArrayRef) -> ArrayRef) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    let described = builder.metadata().file_metadata().key_value_metadata().cloned();
    let mut batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1, "a small table");
    let batch = batches.pop().unwrap();
    let schema = Arc::new(
        batch
            .schema()
            .as_ref()
            .clone()
            .with_metadata(arrow_schema::Metadata::default()),
    );
    let mut columns = batch.columns().to_vec();
    let place = schema.index_of(column).unwrap();
    columns[place] = change(&columns[place]);
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let described = described.map(|pairs| {
        let ours = pairs.into_iter().filter(|pair| pair.key != "ARROW:schema");
        ours.collect()
    });
    let properties = WriterProperties::builder()
        .set_key_value_metadata(described)
        .build();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A server that promises a body and sends half of it; it holds its connections until it is dropped.
pub struct StallingServer {
    address: std::net::SocketAddr,
}

impl StallingServer {
    /// Where to ask.
    pub fn url(&self) -> String {
        format!("http://{}/stalls.jpg", self.address)
    }
}

/// Starts a [`StallingServer`] on a thread that ends with the test's process.
pub fn stalling_server() -> StallingServer {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
            held.push(stream);
        }
    });
    StallingServer { address }
}
