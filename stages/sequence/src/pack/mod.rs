//! Sequences to contexts of one length, for trainers that take no padding.

mod best_fit;
mod concat;
mod packer;
mod piece;

pub use packer::{PackConfig, PackMethod, PackStats, Packer};
pub use piece::{Pack, Piece};
