//! The dynamic visual tokenizer on CUDA, in every build: driver and cuBLASLt are loaded when a device is asked for.
//!
//! The model (`model`) is written once over a [`device`] that has the kernels and a [`machine`] with memory and matrix
//! products. The GPU (`gpu`) is one: cuBLASLt's products, and the kernels of `kernels/`, compiled to PTX beside their
//! sources. The tests have two more, on the CPU: every kernel's twin in Rust, and the kernels' own sources, emulated.
//!
//! Batches are filled up to one shape, and how a row of a product is summed is chosen once for a layer: so ids depend
//! on nothing but the picture.

mod device;
mod error;
#[expect(
    unsafe_code,
    reason = "calls into NVIDIA's libraries; each says what makes it sound"
)]
mod gpu;
mod launch;
mod machine;
mod model;
mod number;
mod settings;
mod tokenizer;

#[cfg(test)]
#[expect(unsafe_code, reason = "runs kernels compiled from C++")]
mod emulated;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;

pub use gpu::{Card, Unavailable};
pub use settings::{Batch, Settings};
pub use tokenizer::CudaTokenizer;
