//! A model at work: text to ids and back.

use super::ModelError;
use super::bpe;
use super::model::{ModelFile, ModelKind, PieceKind};
use super::normalizer::{MAX_GROWTH, Normalizer, SPACE};
use super::pieces::Pieces;
use super::unigram::Unigram;
use crate::TextError;
use crate::tokenizer::{NO_TOKEN, Tokenizer};

/// A SentencePiece model.
#[derive(Debug, Clone)]
pub(crate) struct SentencePiece {
    pieces: Pieces,
    /// The lookup of a unigram model; none for BPE.
    unigram: Option<Unigram>,
    normalizer: Normalizer,
    bos: u32,
    eos: u32,
    unknown_surface: String,
    /// Whether a text begins with a space of the model's own, or has none where it begins.
    strips_leading_space: bool,
}

impl SentencePiece {
    /// The model that these bytes of a `tokenizer.model` hold.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, ModelError> {
        let model = ModelFile::parse(file)?;
        let pieces = Pieces::new(&model)?;
        let trainer = &model.trainer;
        Ok(Self {
            unigram: (trainer.kind == ModelKind::Unigram).then(|| Unigram::new(&pieces)),
            normalizer: Normalizer::new(&model.normalizer, trainer)?,
            bos: pieces.control(&trainer.bos_piece).unwrap_or(NO_TOKEN),
            eos: pieces.control(&trainer.eos_piece).unwrap_or(NO_TOKEN),
            unknown_surface: trainer.unknown_surface.clone(),
            strips_leading_space: model.normalizer.add_dummy_prefix
                || model.normalizer.remove_extra_whitespaces,
            pieces,
        })
    }

    /// The bytes of these segments that are in no piece become byte pieces; without those, a run of them is one
    /// unknown piece.
    fn spell(&self, segments: &[(&str, u32)]) -> Vec<u32> {
        let unknown = self.pieces.unknown();
        let mut ids = Vec::with_capacity(segments.len());
        let mut after_unknown = false;
        for (text, id) in segments {
            match self.pieces.bytes() {
                Some(bytes) if *id == unknown => {
                    ids.extend(text.bytes().filter_map(|byte| bytes.get(usize::from(byte))));
                }
                None if *id == unknown && after_unknown => {}
                _ => ids.push(*id),
            }
            after_unknown = *id == unknown;
        }
        ids
    }
}

impl Tokenizer for SentencePiece {
    fn ids(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let normalized = self
            .normalizer
            .normalize(text, self.pieces.user_defined())
            .ok_or_else(|| TextError::Tokenizer {
                message: format!("normalised, the caption is more than {MAX_GROWTH} times as long"),
            })?;
        let segments = match &self.unigram {
            Some(unigram) => unigram.segment(&self.pieces, &normalized),
            None => bpe::segment(&self.pieces, &normalized),
        };
        Ok(self.spell(&segments))
    }

    fn decode(&self, ids: &[u32]) -> String {
        let mut text = Vec::new();
        for piece in ids.iter().filter_map(|id| self.pieces.get(*id)) {
            match piece.kind {
                PieceKind::Control => {}
                PieceKind::Unknown => text.extend(self.unknown_surface.bytes()),
                PieceKind::Byte => {
                    let digits = piece
                        .text
                        .get(3..5)
                        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                    text.extend(digits);
                }
                PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused => {
                    text.extend(piece.text.replace(SPACE, " ").bytes());
                }
            }
        }
        let text = String::from_utf8_lossy(&text);
        let stripped = if self.strips_leading_space {
            text.strip_prefix(' ')
        } else {
            None
        };
        stripped.unwrap_or(&text).to_owned()
    }

    fn vocabulary_size(&self) -> u32 {
        u32::try_from(self.pieces.len()).unwrap_or(u32::MAX)
    }

    fn bos(&self) -> u32 {
        self.bos
    }

    fn eos(&self) -> u32 {
        self.eos
    }
}
