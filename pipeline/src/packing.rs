//! Sequences to contexts that say whose ids they hold: for a unit's packed file and for the export `packed`.

use std::sync::Arc;

use img2tokens_schemas::{Order, PackedRow, PackedSegment, Packing, Vocabulary};
use img2tokens_sequence::{Pack, PackConfig, PackError, PackStats, Packer};

use crate::config::Sequence;

/// Packs named sequences. Memory and determinism are the [`Packer`]'s.
pub struct ContextPacker {
    packer: Packer<(Arc<str>, Order)>,
}

impl ContextPacker {
    /// A packer of sequences over this vocabulary.
    ///
    /// # Errors
    /// If the length is 0, or no pack may be open.
    pub fn new(config: PackConfig, vocabulary: Vocabulary) -> Result<Self, PackError> {
        let packer = Packer::new(config, vocabulary)?;
        Ok(Self { packer })
    }

    /// Takes a sequence; the contexts that are done by it.
    ///
    /// # Errors
    /// As [`Packer::push`].
    pub fn push(
        &mut self,
        key: &str,
        order: Order,
        ids: &[u32],
    ) -> Result<impl Iterator<Item = PackedRow> + use<>, PackError> {
        let packs = self.packer.push((key.into(), order), ids)?;
        Ok(packs.into_iter().map(context))
    }

    /// The contexts that are left, and what packing came to.
    pub fn finish(self) -> (impl Iterator<Item = PackedRow>, PackStats) {
        let (packs, stats) = self.packer.finish();
        (packs.into_iter().map(context), stats)
    }
}

fn context(pack: Pack<(Arc<str>, Order)>) -> PackedRow {
    let segments = pack.pieces.into_iter().map(|piece| PackedSegment {
        // Sequences and contexts have at most `i32::MAX` ids.
        start: piece.range.start as u32,
        offset: piece.offset as u32,
        key: piece.document.0.to_string(),
        order: piece.document.1,
    });
    PackedRow {
        segments: segments.collect(),
        input_ids: pack.input_ids,
    }
}

/// How the config wants sequences packed, if it does.
#[must_use]
pub fn pack_config(sequence: &Sequence) -> Option<PackConfig> {
    sequence.pack.map(|length| PackConfig {
        method: sequence.packing,
        length: length as usize,
        ..PackConfig::default()
    })
}

/// The same as a packed file says it of itself.
#[must_use]
pub fn packing(config: PackConfig) -> Packing {
    Packing {
        method: config.method.name().to_owned(),
        length: u32::try_from(config.length).unwrap_or(u32::MAX),
    }
}
