//! Visual codes and text ids to sequences, in either order; packing; and the way back.
//!
//! The layout of the ids is [`img2tokens_schemas::Vocabulary`]'s: V text ids, `[IMG]`, `[/IMG]`, K codes. A sequence is
//!
//! ```text
//! (BOS) segment .. segment (EOS)          a segment is text, t1 .. tn, or an image, [IMG] v1 .. vT [/IMG]
//! ```
//!
//! so that a pair ([`SequenceStage::assemble`]), a text alone ([`SequenceStage::assemble_text`]) and a document of many
//! texts and images ([`SequenceStage::assemble_document`]) are one form, and [`parse`] inverts all three.
//!
//! Nothing here is random. What is drawn ([`draw`]: the order of a pair, whether its text is dropped, which of its
//! captions it takes) is a function of the sample's key and the configured seed, so it depends on neither machine nor
//! timing nor on the other rows.

pub mod draw;

mod assemble;
mod captions;
mod config;
mod error;
mod layout;
mod mix;
mod order;
mod pack;
mod parse;

pub use assemble::{Document, SequenceStage};
pub use captions::{CaptionChoice, CaptionChoiceError};
pub use config::SequenceConfig;
pub use error::{PackError, ParseError, SequenceError};
pub use layout::{Segment, Span};
pub use mix::TextMix;
pub use order::OrderPolicy;
pub use pack::{Pack, PackConfig, PackMethod, PackStats, Packer, Piece};
pub use parse::{PairParts, Parsed, parse, parse_pair};
