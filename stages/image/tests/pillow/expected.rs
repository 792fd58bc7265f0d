//! `images/expected.csv`: what Pillow makes of each file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::corpus::read;

/// A row of `images/expected.csv`.
pub struct Expected {
    pub file: String,
    /// What Pillow sees, if it opens the file.
    pub seen: Option<Seen>,
}

/// What Pillow sees.
pub struct Seen {
    pub width: u32,
    pub height: u32,
    pub mean_rgb: [f64; 3],
    /// Row by row.
    pub grid: Vec<f64>,
}

impl Expected {
    pub fn bytes(&self) -> Vec<u8> {
        read(&format!("images/files/{}", self.file))
    }
}

/// The whole table.
pub fn expected() -> Vec<Expected> {
    let table = String::from_utf8(read("images/expected.csv")).unwrap();
    table.lines().skip(1).map(parse).collect()
}

// Only rows of refused files have a quoted field, and of those only the first three are read.
fn parse(line: &str) -> Expected {
    let fields: Vec<&str> = line.split(',').collect();
    let number = |field: usize| fields[field].parse::<f64>().unwrap();
    let seen = (fields[2] == "opens").then(|| Seen {
        width: number(5) as u32,
        height: number(6) as u32,
        mean_rgb: [number(7), number(8), number(9)],
        grid: fields[10]
            .split(' ')
            .map(|value| value.parse().unwrap())
            .collect(),
    });
    Expected {
        file: fields[0].to_owned(),
        seen,
    }
}
