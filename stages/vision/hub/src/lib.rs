//! A model's files from the Hugging Face hub, in the cache that Python's `huggingface_hub` shares.
//!
//! [`Hub::fetch`] asks for the files that a model needs (docs/spec/tokenizer.md, section 6) and no others, and gives the
//! [`Snapshot`] they lie in, which is a model directory. Endpoint, token, cache and revision are as in the Hugging
//! Face client. Its Rust crate `hf-hub` is not used: it brings 67 crates for a handful of requests, and lets the HTTP
//! client follow redirects, which sends the token to a foreign host that redirects once more.
//!
//! - **Resumed**: a broken download goes on where it was, in this run and in the next.
//! - **Checked**: a file gets its name only when its size and its SHA-256 (small files: its git object id) are those
//!   that the hub stated before the download.
//! - **Once**: two processes that want the same file wait for one another, with the locks that Python's client takes.
//! - **Offline**: with `HF_HUB_OFFLINE` set, nothing is asked of any network.
//!
//! The token is sent to the endpoint and to no host that it redirects to.

mod check;
mod client;
mod download;
mod error;
mod event;
mod facts;
mod hub;
mod layout;
mod parts;
mod place;
mod request;
mod settings;
mod snapshot;

pub use error::HubError;
pub use event::Event;
pub use hub::Hub;
pub use parts::Part;
pub use request::{Repository, Request, Revision};
pub use snapshot::Snapshot;
