//! What is wrong, and where.

use img2tokens_schemas::shown::{message, shown};

/// Something wrong with an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the output root.
    pub file: String,
    /// The row in it, from 0, if it is one row's.
    pub row: Option<u64>,
    /// What is wrong, in words.
    pub what: String,
}

/// `FILE: row N: what`.
impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Words and text from outside together: cut as a message is, and not escaped a second time.
        let (file, what) = (shown(&self.file), message(&self.what));
        match self.row {
            Some(row) => write!(formatter, "{file}: row {row}: {what}"),
            None => write!(formatter, "{file}: {what}"),
        }
    }
}

/// The first findings in full, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first ones, at most [`Findings::LISTED`].
    pub listed: Vec<Finding>,
    /// All of them, those listed included.
    pub total: u64,
}

impl Findings {
    /// How many are kept in full: enough to see what is wrong, whatever the size of the file.
    pub const LISTED: usize = 100;

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Adds one.
    pub fn add(&mut self, file: &str, row: Option<u64>, what: impl Into<String>) {
        self.total += 1;
        if self.listed.len() < Self::LISTED {
            self.listed.push(Finding {
                file: file.to_owned(),
                row,
                what: what.into(),
            });
        }
    }

    /// Adds what another check found.
    pub fn merge(&mut self, other: Self) {
        self.total += other.total;
        let room = Self::LISTED.saturating_sub(self.listed.len());
        self.listed.extend(other.listed.into_iter().take(room));
    }
}
