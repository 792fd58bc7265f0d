//! Documents over three pictures, in the shapes of OBELICS and MMC4, runs over them, and what they leave.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray};
use img2tokens_test_support::{Reply, StaticSite};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::program::{batches, succeed, test_data, write_config};

/// The golden pictures that documents show.
pub const PICTURES: [&str; 3] = ["astronaut.jpg", "chelsea.png", "rocket.jpg"];

/// A part of a document: a text, or the path of a picture.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    Text(&'static str),
    Image(&'static str),
}
use Part::{Image, Text};

/// Documents of every kind: whole ones, ones that lack an image, one that lacks all.
pub const DOCUMENTS: [&[Part]; 6] = [
    &[
        Text("one"),
        Image("astronaut.jpg"),
        Text("two"),
        Image("chelsea.png"),
        Text("three"),
    ],
    &[Image("rocket.jpg"), Image("astronaut.jpg"), Text("both before")],
    &[
        Text("a"),
        Image("gone.jpg"),
        Text("b"),
        Image("broken.jpg"),
        Image("rocket.jpg"),
        Text("c"),
    ],
    &[
        Image("gone.jpg"),
        Text("nothing is left"),
        Image("broken.jpg"),
        Text("here"),
    ],
    &[
        Text("twice"),
        Image("chelsea.png"),
        Text("the same"),
        Image("chelsea.png"),
        Text("picture"),
    ],
    &[Image("chelsea.png"), Text("the last")],
];

/// A site of the pictures, and a folder.
pub struct Case {
    pub folder: tempfile::TempDir,
    pub site: StaticSite,
}

impl Case {
    /// The scene, with `obelics.parquet` and `mmc4.jsonl` of the same documents.
    pub fn new() -> Self {
        let (folder, site) = (tempfile::tempdir().unwrap(), StaticSite::start());
        for name in PICTURES {
            let bytes = std::fs::read(test_data("golden/images").join(name)).unwrap();
            site.put(format!("/{name}"), Reply::ok(bytes));
        }
        site.put("/broken.jpg", Reply::ok("no picture".as_bytes().to_vec()));
        let case = Self { folder, site };
        case.write_obelics("obelics.parquet", &DOCUMENTS);
        case.write_lines("mmc4.jsonl", &case.mmc4());
        case
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn url(&self, name: &str) -> String {
        self.site.url(&format!("/{name}"))
    }

    /// OBELICS: at each place an image or a text, and the other list has null there.
    pub fn write_obelics(&self, name: &str, documents: &[&[Part]]) {
        let rows = documents.iter().map(|parts| {
            let places = parts.iter().map(|part| match part {
                Text(text) => (None, Some((*text).to_owned())),
                Image(name) => (Some(self.url(name)), None),
            });
            let (images, texts): (Vec<_>, Vec<_>) = places.unzip();
            (Some(images), Some(texts))
        });
        let (images, texts): (Vec<_>, Vec<_>) = rows.unzip();
        write_lists(&self.path(name), images, texts);
    }

    /// MMC4: every image is told with the number of the text that follows it.
    pub fn mmc4(&self) -> Vec<Value> {
        DOCUMENTS.iter().map(|parts| self.mmc4_of(parts)).collect()
    }

    fn mmc4_of(&self, parts: &[Part]) -> Value {
        let (mut texts, mut images) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Text(text) => texts.push(*text),
                Image(name) => images.push(json!({
                    "image_name": name, "raw_url": self.url(name), "matched_sim": 0.3,
                    "matched_text_index": texts.len(),
                })),
            }
        }
        json!({
            "url": "https://page.example/", "text_list": texts, "image_info": images,
            "similarity_matrix": [[0.1, 0.2]],
        })
    }

    pub fn write_lines(&self, name: &str, records: &[Value]) {
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        std::fs::write(self.path(name), lines).unwrap();
    }

    /// Writes a config for a run over an input.
    pub fn config(&self, input: &str, output: &str) -> PathBuf {
        let config = self.path(&format!("{output}.toml"));
        let further = "[fetch]\nallow_private_addresses = true\nports = []\nretries = 0\n";
        write_config(&config, &self.path(input), &self.path(output), further);
        config
    }

    /// Runs over an input with these settings; gives the output.
    pub fn run(&self, input: &str, output: &str, settings: &[&str]) -> PathBuf {
        let config = self.config(input, output);
        succeed(&with_settings(config.to_str().unwrap(), settings));
        self.path(output)
    }
}

/// The arguments of a run with these settings.
pub fn with_settings<'a>(config: &'a str, settings: &[&'a str]) -> Vec<&'a str> {
    let set = settings.iter().flat_map(|setting| ["--set", setting]);
    ["run", config].into_iter().chain(set).collect()
}

/// A cell of a column of lists of text.
pub type Texts = Option<Vec<Option<String>>>;

/// Writes a Parquet file of columns `images` and `texts`.
pub fn write_lists(file: &Path, images: Vec<Texts>, texts: Vec<Texts>) {
    let column = |rows: Vec<Texts>| -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in rows {
            match row {
                Some(items) => lists.append_value(items),
                None => lists.append_null(),
            }
        }
        Arc::new(lists.finish())
    };
    let columns = [("images", column(images), true), ("texts", column(texts), true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// An image as a row tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageItem {
    pub place: i32,
    pub start: i32,
    pub len: i32,
    pub url: String,
    pub sha256: String,
    pub kept: String,
    pub size: (i32, i32),
}

/// A document as a row tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub key: String,
    pub input_ids: Vec<i32>,
    pub images: Vec<ImageItem>,
    /// Where each text begins, how many ids it has, and the text.
    pub texts: Vec<(i32, i32, String)>,
    /// Place and reason.
    pub dropped: Vec<(i32, String)>,
}

impl Document {
    /// The ids of a stretch of the sequence.
    pub fn ids(&self, start: i32, len: i32) -> &[i32] {
        &self.input_ids[start as usize..(start + len) as usize]
    }
}

/// All documents of an output, in the order of rows.
pub fn documents(output: &Path) -> Vec<Document> {
    let batches = batches(&output.join("data"));
    batches
        .iter()
        .flat_map(|batch| {
            let is_document = |row: &usize| batch["order"].as_string::<i32>().value(*row) == "document";
            let rows = (0..batch.num_rows()).filter(is_document);
            rows.map(|row| document(batch, row)).collect::<Vec<_>>()
        })
        .collect()
}

fn document(batch: &RecordBatch, row: usize) -> Document {
    let list = |name: &str| batch[name].as_list::<i32>().value(row);
    let items = |name: &str| -> StructArray { list(name).as_struct().clone() };
    let (images, texts, dropped) = (items("images"), items("texts"), items("dropped_images"));
    let (starts, lens) = (numbers(&texts, "start"), numbers(&texts, "len"));
    let stretches = starts.into_iter().zip(lens).zip(strings(&texts, "text"));
    Document {
        key: batch["key"].as_string::<i32>().value(row).to_owned(),
        input_ids: list("input_ids").as_primitive::<Int32Type>().values().to_vec(),
        images: (0..images.len()).map(|item| image(&images, item)).collect(),
        texts: stretches.map(|((start, len), text)| (start, len, text)).collect(),
        dropped: numbers(&dropped, "place")
            .into_iter()
            .zip(strings(&dropped, "reason"))
            .collect(),
    }
}

fn image(items: &StructArray, item: usize) -> ImageItem {
    let number = |name: &str| numbers(items, name)[item];
    let mask = items.column_by_name("kept_patches").unwrap().as_binary::<i32>();
    let hex = mask.value(item).iter().map(|byte| format!("{byte:02x}"));
    ImageItem {
        place: number("place"),
        start: number("start"),
        len: number("len"),
        url: strings(items, "url")[item].clone(),
        sha256: strings(items, "sha256")[item].clone(),
        kept: hex.collect(),
        size: (number("width"), number("height")),
    }
}

fn numbers(items: &StructArray, name: &str) -> Vec<i32> {
    let column = items.column_by_name(name).unwrap();
    column.as_primitive::<Int32Type>().values().to_vec()
}

fn strings(items: &StructArray, name: &str) -> Vec<String> {
    let column: &StringArray = items.column_by_name(name).unwrap().as_string::<i32>();
    column
        .iter()
        .map(|text| text.unwrap_or_default().to_owned())
        .collect()
}
