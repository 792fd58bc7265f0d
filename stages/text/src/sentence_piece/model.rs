//! The model file: pieces, and what the trainer was told (`sentencepiece_model.proto`).

use super::ModelError;
use super::wire::{Fields, Value};

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// One piece; its id is its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: PieceKind,
}

/// How texts are cut into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelKind {
    Unigram,
    Bpe,
}

/// What the trainer was told, as far as it concerns encoding.
#[derive(Debug, Clone)]
pub(super) struct TrainerSpec {
    pub(super) kind: ModelKind,
    pub(super) byte_fallback: bool,
    pub(super) whitespace_as_suffix: bool,
    pub(super) bos_piece: String,
    pub(super) eos_piece: String,
    /// What an unknown piece is decoded to.
    pub(super) unknown_surface: String,
}

/// How texts are normalised.
#[derive(Debug, Clone)]
pub(super) struct NormalizerSpec {
    /// Empty: none.
    pub(super) precompiled_charsmap: Vec<u8>,
    pub(super) add_dummy_prefix: bool,
    pub(super) remove_extra_whitespaces: bool,
    pub(super) escape_whitespaces: bool,
}

/// A model file as it stands.
#[derive(Debug, Clone)]
pub(super) struct ModelFile {
    pub(super) pieces: Vec<Piece>,
    pub(super) trainer: TrainerSpec,
    pub(super) normalizer: NormalizerSpec,
}

impl Default for TrainerSpec {
    fn default() -> Self {
        Self {
            kind: ModelKind::Unigram,
            byte_fallback: false,
            whitespace_as_suffix: false,
            bos_piece: "<s>".to_owned(),
            eos_piece: "</s>".to_owned(),
            unknown_surface: " \u{2047} ".to_owned(),
        }
    }
}

impl Default for NormalizerSpec {
    fn default() -> Self {
        Self {
            precompiled_charsmap: Vec::new(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        }
    }
}

impl ModelFile {
    pub(super) fn parse(file: &[u8]) -> Result<Self, ModelError> {
        let mut model = Self {
            pieces: Vec::new(),
            trainer: TrainerSpec::default(),
            normalizer: NormalizerSpec::default(),
        };
        for field in Fields::new(file) {
            match field? {
                (1, Value::Bytes(message)) => {
                    let id = u32::try_from(model.pieces.len()).unwrap_or(u32::MAX);
                    model.pieces.push(Piece::parse(id, message)?);
                }
                (2, Value::Bytes(message)) => model.trainer.merge(message)?,
                (3, Value::Bytes(message)) => model.normalizer.merge(message)?,
                _ => {}
            }
        }
        Ok(model)
    }
}

impl Piece {
    fn parse(id: u32, message: &[u8]) -> Result<Self, ModelError> {
        let mut piece = Self {
            text: String::new(),
            score: 0.0,
            kind: PieceKind::Normal,
        };
        for field in Fields::new(message) {
            match field? {
                (1, Value::Bytes(bytes)) => piece.text = text("piece", bytes)?,
                // A zero has no sign here: scores are compared as numbers, as in the library.
                (2, Value::Fixed32(bits)) => piece.score = f32::from_bits(bits) + 0.0,
                (3, Value::Varint(number)) => {
                    piece.kind = match number {
                        1 => PieceKind::Normal,
                        2 => PieceKind::Unknown,
                        3 => PieceKind::Control,
                        4 => PieceKind::UserDefined,
                        5 => PieceKind::Unused,
                        6 => PieceKind::Byte,
                        _ => return Err(ModelError::PieceType { id, number }),
                    }
                }
                _ => {}
            }
        }
        Ok(piece)
    }
}

impl TrainerSpec {
    fn merge(&mut self, message: &[u8]) -> Result<(), ModelError> {
        for field in Fields::new(message) {
            match field? {
                (3, Value::Varint(1)) => self.kind = ModelKind::Unigram,
                (3, Value::Varint(2)) => self.kind = ModelKind::Bpe,
                (3, Value::Varint(number)) => return Err(ModelError::ModelType { number }),
                (24, Value::Varint(flag)) => self.whitespace_as_suffix = flag != 0,
                (35, Value::Varint(flag)) => self.byte_fallback = flag != 0,
                (44, Value::Bytes(bytes)) => self.unknown_surface = text("unk_surface", bytes)?,
                (46, Value::Bytes(bytes)) if !bytes.is_empty() => self.bos_piece = text("bos_piece", bytes)?,
                (47, Value::Bytes(bytes)) if !bytes.is_empty() => self.eos_piece = text("eos_piece", bytes)?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl NormalizerSpec {
    fn merge(&mut self, message: &[u8]) -> Result<(), ModelError> {
        for field in Fields::new(message) {
            match field? {
                (2, Value::Bytes(bytes)) => self.precompiled_charsmap = bytes.to_vec(),
                (3, Value::Varint(flag)) => self.add_dummy_prefix = flag != 0,
                (4, Value::Varint(flag)) => self.remove_extra_whitespaces = flag != 0,
                (5, Value::Varint(flag)) => self.escape_whitespaces = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

fn text(field: &'static str, bytes: &[u8]) -> Result<String, ModelError> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| ModelError::Utf8 { field })
}
