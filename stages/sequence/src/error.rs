//! What can be wrong with parts, with ids, and with what is to be packed.

/// Parts of which no sequence can be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SequenceError {
    /// A pair without an image is none.
    #[error("the image has no codes")]
    NoCodes,
    /// A code past the codebook: model and vocabulary do not belong together.
    #[error("code {code} is not in a codebook of {codebook_size}")]
    Code {
        /// The code.
        code: u16,
        /// K.
        codebook_size: u32,
    },
    /// A text id past the text vocabulary: tokenizer and vocabulary do not belong together.
    #[error("text id {id} is not in a text vocabulary of {text_size}")]
    TextId {
        /// The id.
        id: u32,
        /// V.
        text_size: u32,
    },
    /// BOS or EOS inside a text would end or begin a document there.
    #[error("text id {id} is the tokenizer's own begin or end of sequence")]
    SpecialInText {
        /// The id.
        id: u32,
    },
    /// The config asks for a token that the text tokenizer does not have.
    #[error("sequence.{name} is on, but the text tokenizer has no such token")]
    NoSpecial {
        /// `bos` or `eos`.
        name: &'static str,
    },
    /// Not a probability.
    #[error("sequence.{name} is {value}, not a probability from 0 to 1")]
    Probability {
        /// The key of the config.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// More ids than a row can count.
    #[error("a sequence of {ids} ids is longer than {} ids", i32::MAX)]
    TooLong {
        /// The number of ids.
        ids: usize,
    },
}

/// Ids that are no sequence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// An id past all of them.
    #[error("id {id} at {position} is past a vocabulary of {size}")]
    Id {
        /// The id.
        id: u32,
        /// Its index.
        position: usize,
        /// V + 2 + K.
        size: u32,
    },
    /// A code without `[IMG]` before it, or `[/IMG]` without `[IMG]`.
    #[error("id {id} at {position} stands outside an image")]
    OutsideImage {
        /// The id.
        id: u32,
        /// Its index.
        position: usize,
    },
    /// A text id, or `[IMG]`, between `[IMG]` and `[/IMG]`.
    #[error("id {id} at {position} stands inside an image")]
    InsideImage {
        /// The id.
        id: u32,
        /// Its index.
        position: usize,
    },
    /// `[IMG]` with no `[/IMG]` after it.
    #[error("the image that begins at {position} has no end")]
    Unclosed {
        /// The index of its `[IMG]`.
        position: usize,
    },
    /// `[IMG] [/IMG]`.
    #[error("the image that begins at {position} has no codes")]
    EmptyImage {
        /// The index of its `[IMG]`.
        position: usize,
    },
    /// BOS or EOS amid a sequence.
    #[error("id {id} at {position}, a begin or end of sequence, stands amid the sequence")]
    SpecialAmid {
        /// The id.
        id: u32,
        /// Its index.
        position: usize,
    },
    /// The ids are a sequence, and not that of a pair in the stated order.
    #[error("the ids are not one image and at most one text in the order {order}")]
    NotThePair {
        /// The order that the sequence states.
        order: img2tokens_schemas::Order,
    },
    /// The span that the sequence states is not where its image is.
    #[error("the image is stated at {stated_start} with {stated_len} codes and stands at {start} with {len}")]
    Span {
        /// `image_start` as stated.
        stated_start: u32,
        /// `image_len` as stated.
        stated_len: u32,
        /// `image_start` as it is.
        start: u32,
        /// `image_len` as it is.
        len: u32,
    },
}
/// What cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// No context holds nothing.
    #[error("pack length must be at least 1")]
    ZeroLength,
    /// Best fit needs somewhere to fit things.
    #[error("pack open_packs must be at least 1")]
    NoOpenPacks,
    /// An image longer than the context, which would have to be split.
    #[error("document {document} has an image of {image} ids, more than the pack length {length}")]
    ImageTooLong {
        /// Which document, counted from 0 in the order pushed.
        document: u64,
        /// The image's ids, `[IMG]` and `[/IMG]` included.
        image: usize,
        /// The context length.
        length: usize,
    },
    /// Ids that are no sequence, in which images cannot be found.
    #[error("document {document} does not parse")]
    Document {
        /// Which document, counted from 0 in the order pushed.
        document: u64,
        /// Why.
        #[source]
        source: ParseError,
    },
}
