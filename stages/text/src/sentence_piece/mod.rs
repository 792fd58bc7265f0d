//! SentencePiece `tokenizer.model` files: BPE and unigram models, ids equal to the sentencepiece library's.
//!
//! The way of a text: `Normalizer` (the model's character map, white space to `▁`), then `bpe` or `unigram` cuts it
//! into pieces, then `SentencePiece` spells what is in no piece as bytes. The file is a protobuf
//! (`sentencepiece_model.proto`), read by `wire` and `model`; nothing in it is trusted.

mod bpe;
mod charsmap;
mod error;
mod model;
mod normalizer;
mod pieces;
mod processor;
mod trie;
mod unigram;
mod wire;

pub use error::ModelError;
pub(crate) use processor::SentencePiece;
