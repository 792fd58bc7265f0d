//! The program against those who mean harm: what a web site, a dataset, a file in the output, or a poor machine can do
//! to a run, tried on the real program in a process of its own under limits. docs/threats.md says what is promised.
//!
//! All inputs are made here, each small. What is asserted of a run: its exit code, what became of every row (the good
//! ones have the ids that they have without the hostile ones among them), peak memory, processor time, and that
//! nothing beside the output was touched. Time is never told by the clock; `timeout` only turns a hang into a failure.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod confined;
mod exports;
mod make;
mod memory;
mod memory_of_formats;
mod models;
mod named_files;
mod numbers;
mod people;
#[path = "../program/mod.rs"]
mod program;
mod scene;
mod special_files;
mod surroundings;
mod time;
mod wedge;
