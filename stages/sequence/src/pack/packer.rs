//! A stream of documents to a stream of packs.

use img2tokens_schemas::Vocabulary;
use serde::{Deserialize, Serialize};

use super::Pack;
use super::best_fit::BestFit;
use super::concat::Concat;
use super::piece::cut;
use crate::PackError;

/// How documents are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackMethod {
    /// One after the other; what overflows a pack starts the next. Images may be split. All packs but the last are
    /// full.
    Concat,
    /// Each document whole, into the open pack that it fills best; one longer than a pack is cut, never within an image.
    #[default]
    BestFit,
}

impl PackMethod {
    /// As it stands in a config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Concat => "concat",
            Self::BestFit => "best_fit",
        }
    }
}

impl std::str::FromStr for PackMethod {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Concat, Self::BestFit]
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or_else(|| format!("`{name}` is neither concat nor best_fit"))
    }
}

/// Into what documents are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackConfig {
    /// How.
    pub method: PackMethod,
    /// The context length in ids.
    pub length: usize,
    /// For best fit, how many packs wait for what fills them; with `length` it bounds the memory that packing takes.
    pub open_packs: usize,
}

impl Default for PackConfig {
    fn default() -> Self {
        Self {
            method: PackMethod::BestFit,
            length: 2_048,
            open_packs: 256,
        }
    }
}

/// What packing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PackStats {
    /// Documents pushed.
    pub documents: u64,
    /// Packs made.
    pub packs: u64,
    /// Ids in them.
    pub tokens: u64,
    /// Ids that would have been in them, had all been full.
    pub capacity: u64,
}

impl PackStats {
    /// The part of the packs that is ids and not room left, from 0 to 1; 1 where there are no packs.
    #[must_use]
    pub fn fill_rate(&self) -> f64 {
        if self.capacity == 0 {
            1.0
        } else {
            self.tokens as f64 / self.capacity as f64
        }
    }
}

/// Packs a stream of documents, each known by a `D` of the caller's. What comes out is a function of what went in, in that order. Memory: at most
/// `open_packs` packs of `length` ids (one, for `concat`), and the document at hand.
#[derive(Debug, Clone)]
pub struct Packer<D> {
    config: PackConfig,
    vocabulary: Vocabulary,
    method: State<D>,
    stats: PackStats,
}

#[derive(Debug, Clone)]
enum State<D> {
    Concat(Concat<D>),
    BestFit(BestFit<D>),
}

impl<D: Clone> Packer<D> {
    /// A packer of sequences over this vocabulary.
    ///
    /// # Errors
    /// If the length is 0, or no pack may be open.
    pub fn new(config: PackConfig, vocabulary: Vocabulary) -> Result<Self, PackError> {
        if config.length == 0 {
            return Err(PackError::ZeroLength);
        }
        if config.open_packs == 0 {
            return Err(PackError::NoOpenPacks);
        }
        let method = match config.method {
            PackMethod::Concat => State::Concat(Concat::new()),
            PackMethod::BestFit => State::BestFit(BestFit::new()),
        };
        Ok(Self {
            config,
            vocabulary,
            method,
            stats: PackStats::default(),
        })
    }

    /// Takes the ids of one document, BOS and EOS included; the packs that are done by it.
    ///
    /// # Errors
    /// For best fit, if the ids are no sequence, or one of its images is longer than a pack. The document is then left
    /// out whole, and the next may be pushed.
    pub fn push(&mut self, document: D, ids: &[u32]) -> Result<Vec<Pack<D>>, PackError> {
        let number = self.stats.documents;
        let PackConfig {
            length, open_packs, ..
        } = self.config;
        self.stats.documents += 1;
        let mut packs = Vec::new();
        match &mut self.method {
            State::Concat(concat) => packs = concat.push(length, &document, ids),
            State::BestFit(best_fit) => {
                for range in cut(&self.vocabulary, length, number, ids)? {
                    let offset = range.start;
                    packs.extend(best_fit.push(length, open_packs, &ids[range], document.clone(), offset));
                }
            }
        }
        count(&mut self.stats, length, &packs);
        Ok(packs)
    }

    /// The packs that are left, and what packing came to.
    #[must_use]
    pub fn finish(self) -> (Vec<Pack<D>>, PackStats) {
        let packs: Vec<Pack<D>> = match self.method {
            State::Concat(concat) => concat.finish().into_iter().collect(),
            State::BestFit(best_fit) => best_fit.finish().collect(),
        };
        let mut stats = self.stats;
        count(&mut stats, self.config.length, &packs);
        (packs, stats)
    }
}

fn count<D>(stats: &mut PackStats, length: usize, packs: &[Pack<D>]) {
    stats.packs += packs.len() as u64;
    stats.capacity += (packs.len() * length) as u64;
    stats.tokens += packs.iter().map(|pack| pack.input_ids.len() as u64).sum::<u64>();
}
