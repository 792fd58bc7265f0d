//! `img2tokens`: web-scale image-text pairs to token sequences that a multimodal language model trains on.
//!
//! The library behind the program of the same name, and the one crate that names all stages:
//!
//! - [`config`]: what a user can turn;
//! - [`local_copy`]: models and tokenizers that lie in a store, brought here;
//! - [`stages`] and [`model`]: the stages and the model, built from it;
//! - [`plan`]: which rows make which unit, stored beside the output;
//! - [`job`]: all of that together, checked before anything runs;
//! - [`run`]: the running pipeline;
//! - [`deep`]: pairs of an output tokenized again and compared;
//! - [`export`]: committed shards in the formats of other trainers;
//! - [`commands`]: one file a command;
//! - [`descriptors`]: how many files a run may open;
//! - [`console`]: standard error and standard output.

#![deny(clippy::print_stderr, clippy::print_stdout)] // `console` says why

pub mod card;
pub mod cli;
pub mod commands;
pub mod config;
pub mod console;
pub mod corpus;
pub mod deep;
pub mod descriptors;
pub mod embedded;
pub mod exit;
pub mod export;
pub mod job;
pub mod local_copy;
pub mod logging;
pub mod model;
pub mod packing;
pub mod people;
pub mod plan;
pub mod progress;
pub mod run;
pub mod samples;
pub mod stages;
pub mod stop;
pub mod storage;
pub mod summary;

/// The program's name and version, as recorded in plans and shards.
pub const VERSION: &str = concat!("img2tokens ", env!("CARGO_PKG_VERSION"));
