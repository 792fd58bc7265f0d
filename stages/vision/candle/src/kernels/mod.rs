//! What takes the time, by hand: matrix products, attention weights, GELU, LayerNorm, on slices of float32.
//!
//! Every kernel is written once, over sixteen [`lanes::Lanes`] at a time, and compiled for each instruction set: one
//! operation of a lane is one IEEE operation everywhere, sums over lanes are folded in one order, and an element of a
//! product is one chain of fused multiply-adds in a fixed order. So AVX-512, with its products of bf16 or without them,
//! AVX2 and plain Rust give the same bits (but for sums of bf16 below 1e-38, which its instruction takes for 0), and a picture's ids do not depend on the machine.

#![expect(
    unsafe_code,
    reason = "vector instructions, and tiles too hot for bounds checks"
)]

mod format;
mod functions;
mod gemm;
mod isa;
mod lanes;
mod norm;
mod panels;
mod rate;
mod softmax;
mod tile;
mod view;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use gemm::{Epilogue, Product, Scratch};
pub(crate) use isa::Isa;
pub(crate) use norm::Norm;
pub(crate) use panels::Panels;
pub use rate::peak_flops_per_second;
pub(crate) use softmax::SoftmaxRow;
pub(crate) use view::{View, ViewMut};
