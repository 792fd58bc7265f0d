//! A model's pieces, by id and by text.

use std::collections::HashMap;

use super::ModelError;
use super::model::{ModelFile, Piece, PieceKind};
use super::trie::Trie;

/// The longest piece; those of published models have a hundred bytes, and the library's own limit is 8,000. From every
/// place of a text as many bytes are looked at, so this bounds what a caption of a mebibyte costs.
const MAX_PIECE_BYTES: usize = 512;

/// The pieces of a model: checked, and indexed.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// Those that stand in texts: normal, user-defined and unused ones.
    ordinary: HashMap<String, u32>,
    /// Those that do not: unknown, control and byte pieces.
    reserved: HashMap<String, u32>,
    user_defined: Trie,
    unknown: u32,
    /// The ids of `<0x00>` to `<0xFF>`, if what is in no piece is spelled as bytes.
    bytes: Option<Vec<u32>>,
    longest: usize,
}

impl Pieces {
    pub(super) fn new(model: &ModelFile) -> Result<Self, ModelError> {
        let mut ordinary = HashMap::new();
        let mut reserved = HashMap::new();
        let mut user_defined = Vec::new();
        let mut unknown = None;
        for (id, piece) in (0..).zip(&model.pieces) {
            check(id, piece)?;
            let map = match piece.kind {
                PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused => &mut ordinary,
                PieceKind::Unknown | PieceKind::Control | PieceKind::Byte => &mut reserved,
            };
            if map.insert(piece.text.clone(), id).is_some() {
                return Err(ModelError::Piece {
                    id,
                    problem: "is there twice",
                });
            }
            if piece.kind == PieceKind::UserDefined {
                user_defined.push((piece.text.as_bytes(), id));
            }
            if piece.kind == PieceKind::Unknown && unknown.replace(id).is_some() {
                return Err(ModelError::Piece {
                    id,
                    problem: "is a second unknown piece",
                });
            }
        }
        let bytes = if model.trainer.byte_fallback {
            Some(byte_ids(&reserved)?)
        } else {
            None
        };
        Ok(Self {
            user_defined: Trie::new(user_defined),
            longest: ordinary.keys().map(String::len).max().unwrap_or(0),
            pieces: model.pieces.clone(),
            ordinary,
            reserved,
            unknown: unknown.ok_or(ModelError::NoUnknown)?,
            bytes,
        })
    }

    /// How many there are: V.
    pub(super) const fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Piece> {
        self.pieces.get(id as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Piece)> {
        (0..).zip(&self.pieces)
    }

    /// The piece of this text among those that stand in texts, and its id.
    pub(super) fn ordinary(&self, text: &str) -> Option<(u32, &Piece)> {
        if text.len() > self.longest {
            return None;
        }
        let id = *self.ordinary.get(text)?;
        Some((id, self.get(id)?))
    }

    /// The id of the piece of this text among those that stand in texts, or that of the unknown one.
    pub(super) fn id(&self, text: &str) -> u32 {
        self.ordinary(text).map_or(self.unknown, |(id, _)| id)
    }

    /// The id of the control piece of this text.
    pub(super) fn control(&self, text: &str) -> Option<u32> {
        let id = *self.reserved.get(text)?;
        self.get(id)
            .filter(|piece| piece.kind == PieceKind::Control)
            .map(|_| id)
    }

    pub(super) const fn unknown(&self) -> u32 {
        self.unknown
    }

    pub(super) const fn user_defined(&self) -> &Trie {
        &self.user_defined
    }

    /// The ids of the 256 byte pieces, if the model falls back to them.
    pub(super) fn bytes(&self) -> Option<&[u32]> {
        self.bytes.as_deref()
    }
}

fn check(id: u32, piece: &Piece) -> Result<(), ModelError> {
    let problem = if piece.text.is_empty() {
        "is empty"
    } else if piece.text.len() > MAX_PIECE_BYTES {
        "is too long"
    } else if piece.text.contains('\0') {
        "contains a NUL"
    } else if !piece.score.is_finite() {
        "has a score that is no number"
    } else {
        return Ok(());
    };
    Err(ModelError::Piece { id, problem })
}

fn byte_ids(reserved: &HashMap<String, u32>) -> Result<Vec<u32>, ModelError> {
    (0..=u8::MAX)
        .map(|byte| {
            reserved
                .get(&format!("<0x{byte:02X}>"))
                .copied()
                .ok_or(ModelError::MissingByte { byte })
        })
        .collect()
}
