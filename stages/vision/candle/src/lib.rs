//! The dynamic visual tokenizer in candle, on the CPU.
//!
//! One part of the model a file, in the order of the flow: `encoder`, `selector`, `merger` (or `packed`), `codebook`.
//! A picture is computed alone, with shapes that depend on nothing but the model and the picture; a batch is spread
//! over the tokenizer's own threads picture by picture. So ids depend on no batch and no thread count. The work
//! itself is done by `kernels`; candle's tensors hold what passes between them.

mod attention;
mod block;
mod codebook;
mod decoder;
mod encoder;
mod error;
mod kernels;
mod layers;
mod merger;
mod model;
mod packed;
mod rows;
mod selector;
mod settings;
mod tokenizer;
mod weights;

pub use kernels::peak_flops_per_second;
pub use settings::Settings;
pub use tokenizer::CandleTokenizer;
