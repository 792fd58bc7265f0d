//! The model over both stand-ins for a GPU, with golden data; and kernel by kernel, one against the other.

mod golden;
mod kernels;
