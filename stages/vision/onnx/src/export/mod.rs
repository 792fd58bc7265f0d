//! From a checkpoint to graphs, without PyTorch: every operator is written out, and weights go from map to file one
//! tensor at a time.

mod attention;
mod directory;
mod encoder;
mod graph;
mod layers;
mod proto;
mod tokenizer;
mod weights;

pub use directory::export;
