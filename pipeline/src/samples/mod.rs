//! The embedded sample set: captioned pictures that the program makes and serves itself, so that a first run needs no
//! network, no downloads and no permission (`configs/quickstart.toml`, `input.paths = ["builtin:samples"]`).
//!
//! A picture is a scene (shapes, a pattern, a gradient, a texture, a landscape) drawn by formula; its caption says what
//! was drawn. Some samples are missing or broken on purpose, as a web crawl's are. Everything follows from a sample's
//! index through a counter-based generator and exact arithmetic (no clock, no transcendental functions): every machine
//! draws the same pixels. Pictures are made on demand, one request at a time; nothing holds them all.
//!
//! The flow: [`SampleSet`] lists [`Sample`]s and answers a path, [`SampleSet::write_pairs`] writes the table of pairs,
//! [`SampleServer`] puts the set behind HTTP on a local address.

mod colour;
mod draws;
mod encoding;
mod gradient;
mod landscape;
mod noise;
mod pairs;
mod pattern;
mod sample;
mod scene;
mod server;
mod set;
mod shapes;
mod texture;

pub(crate) use draws::Draws;
pub use encoding::Encoding;
pub use pairs::PairsError;
pub use sample::{Mishap, Sample};
pub use server::SampleServer;
pub use set::{SampleError, SampleResponse, SampleSet};
