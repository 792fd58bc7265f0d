//! Web-scale image-text pairs to token sequences that a multimodal language model trains on.

pub mod samples;
