//! What can be wrong with a model file.

/// A SentencePiece model that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Not a protobuf message.
    #[error("not a sentencepiece model: {0}")]
    Wire(&'static str),
    /// A name or a piece that is not text.
    #[error("`{field}` is not UTF-8")]
    Utf8 {
        /// Which field.
        field: &'static str,
    },
    /// A model of another kind.
    #[error("model type {number} is neither unigram (1) nor BPE (2)")]
    ModelType {
        /// As in the file.
        number: u64,
    },
    /// A piece of a kind that is not known.
    #[error("piece {id} has the unknown type {number}")]
    PieceType {
        /// The piece's id.
        id: u32,
        /// As in the file.
        number: u64,
    },
    /// A piece that the library refuses too.
    #[error("piece {id} {problem}")]
    Piece {
        /// The piece's id.
        id: u32,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No piece stands for what is in no piece.
    #[error("the model has no unknown piece")]
    NoUnknown,
    /// Byte fallback needs all of them.
    #[error("the model falls back to bytes and has no piece for byte {byte:#04x}")]
    MissingByte {
        /// The first that is missing.
        byte: u8,
    },
    /// A table of replaced characters that leads nowhere.
    #[error("the precompiled character map is broken: {0}")]
    CharacterMap(&'static str),
}
