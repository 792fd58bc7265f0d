//! Which format a file has: as its name says, or else as its first bytes say.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The formats that inputs come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputFormat {
    /// Apache Parquet, with URLs or with embedded pictures.
    Parquet,
    /// Comma-separated values with a header line, quoted as in RFC 4180.
    Csv,
    /// The same with tabs.
    Tsv,
    /// A JSON object a line.
    Jsonl,
    /// A tar of pictures, captions and metadata, grouped by name, as img2dataset writes it.
    WebDataset,
}

impl InputFormat {
    /// The format that a file's name promises. `.json` promises nothing: it may be one document.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let plain = [".gz", ".zst", ".zstd"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(&name);
        match Path::new(plain).extension()?.to_str()? {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "tar" | "tgz" => Some(Self::WebDataset),
            _ => None,
        }
    }

    /// The format that a file's first (decompressed) bytes show. Tables of plain text show none.
    #[must_use]
    pub fn of_content(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        if head.get(257..262) == Some(b"ustar") {
            return Some(Self::WebDataset);
        }
        (head.trim_ascii_start().first() == Some(&b'{')).then_some(Self::Jsonl)
    }
}

impl fmt::Display for InputFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::WebDataset => "webdataset",
        })
    }
}

/// How a whole file is compressed (Parquet compresses inside).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

impl Compression {
    /// The compression that a file's first bytes show, whatever its name says.
    #[must_use]
    pub fn of_content(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats_through_compression_and_case() {
        for (name, format) in [
            ("a/part-0.PARQUET", Some(InputFormat::Parquet)),
            ("a.csv.gz", Some(InputFormat::Csv)),
            ("a.tsv", Some(InputFormat::Tsv)),
            ("a.ndjson.zst", Some(InputFormat::Jsonl)),
            ("00000.tar.zstd", Some(InputFormat::WebDataset)),
            ("a.tgz", Some(InputFormat::WebDataset)),
            ("00000_stats.json", None),
            ("parquet", None),
            (".gz", None),
        ] {
            assert_eq!(InputFormat::of_name(name), format, "{name}");
        }
    }
}
