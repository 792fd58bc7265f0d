//! A `tokenizer.json` whose vocabulary goes on with the ids of pictures, for the model that is trained on them.
//!
//! The tokens are special and come in the order of the layout: `[IMG]`, `[/IMG]`, then `[IMG_c]` for visual code c. They
//! are spliced into the file's own `added_tokens`; all other text stays byte for byte, so that no score of a unigram
//! model is rounded on the way.

use std::path::{Path, PathBuf};

use img2tokens_schemas::Vocabulary;
use img2tokens_schemas::{read_regular, shown};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Deserializer, json};

use crate::TextSetupError;
use crate::hugging_face::HuggingFace;
use crate::stage::MAX_FILE_BYTES;
use crate::tokenizer::Tokenizer;

/// A tokenizer of texts that knows the ids of pictures too.
#[derive(Debug, Clone)]
pub struct ExtendedTokenizer {
    json: String,
    vocabulary: Vocabulary,
}

/// Why a tokenizer cannot be extended.
#[derive(Debug, thiserror::Error)]
pub enum ExtensionError {
    /// The file is no tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TextSetupError),
    /// It is extended already, or uses a name for something else.
    #[error("{} has the token `{token}` already, with id {id}: give the tokenizer of texts alone", shown(path.display()), token = shown(token))]
    Taken {
        /// The file.
        path: PathBuf,
        /// The name.
        token: String,
        /// Its id.
        id: u32,
    },
    /// The library numbers new tokens by their count, so after holes they would not follow the greatest id.
    #[error("the ids in {} have holes, so that `{token}` would not get id {expected}, the next after the greatest: number \
         its tokens without holes",
        path.display(), token = shown(token))]
    Holes {
        /// The file.
        path: PathBuf,
        /// The first token that would be wrong.
        token: String,
        /// The id it has in sequences.
        expected: u32,
    },
    /// Ids are 32-bit.
    #[error("{} has {text_size} ids: {codebook_size} codes more are too many", shown(path.display()))]
    TooManyIds {
        /// The file.
        path: PathBuf,
        /// V.
        text_size: u32,
        /// K.
        codebook_size: u32,
    },
}

impl ExtendedTokenizer {
    /// The tokenizer of the file at `path` and `codebook_size` visual codes.
    ///
    /// # Errors
    /// If the file cannot be read, is no `tokenizer.json`, has one of the tokens, or would give them other ids than
    /// sequences have.
    pub fn read(path: &Path, codebook_size: u32) -> Result<Self, ExtensionError> {
        let file = read_regular(path, MAX_FILE_BYTES).map_err(|source| TextSetupError::Read {
            path: path.to_owned(),
            source,
        })?;
        let original = HuggingFace::parse(path, &file)?;
        let vocabulary = Vocabulary {
            text_size: original.vocabulary_size(),
            codebook_size,
            bos: original.bos(),
            eos: original.eos(),
        };
        let room = u32::MAX - vocabulary.text_size;
        if codebook_size.checked_add(2).is_none_or(|added| added > room) {
            return Err(ExtensionError::TooManyIds {
                path: path.to_owned(),
                text_size: vocabulary.text_size,
                codebook_size,
            });
        }
        if let Some((token, id)) =
            tokens(&vocabulary).find_map(|(_, token)| original.id(&token).map(|id| (token, id)))
        {
            let path = path.to_owned();
            return Err(ExtensionError::Taken { path, token, id });
        }
        let json = splice(&file, &vocabulary).map_err(|source| TextSetupError::HuggingFace {
            path: path.to_owned(),
            source,
        })?;
        let extended = HuggingFace::parse(path, json.as_bytes())?;
        match tokens(&vocabulary).find(|(id, token)| extended.id(token) != Some(*id)) {
            Some((expected, token)) => Err(ExtensionError::Holes {
                path: path.to_owned(),
                token,
                expected,
            }),
            None => Ok(Self { json, vocabulary }),
        }
    }

    /// The text of the extended `tokenizer.json`.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The layout of its ids.
    #[must_use]
    pub const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

/// The id and the name of every token that is added.
fn tokens(vocabulary: &Vocabulary) -> impl Iterator<Item = (u32, String)> {
    let codes = (0..vocabulary.codebook_size).map(|code| format!("[IMG_{code}]"));
    let names = ["[IMG]", "[/IMG]"].map(str::to_owned).into_iter().chain(codes);
    (vocabulary.image_start()..vocabulary.size()).zip(names)
}

/// The file of a tokenizer with the tokens at the end of its `added_tokens`, one a line.
fn splice(file: &[u8], vocabulary: &Vocabulary) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let text = std::str::from_utf8(file)?;
    let lines: Vec<String> = tokens(vocabulary)
        .map(|(id, content)| {
            let token = json!({
                "id": id, "content": content, "special": true,
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            });
            format!("\n    {token}")
        })
        .collect();
    let lines = lines.join(",");
    let Some((before, value, after)) = split_at_value(text, "added_tokens")? else {
        return Ok(text.replacen('{', &format!("{{\n  \"added_tokens\": [{lines}\n  ],"), 1));
    };
    let list = value.strip_suffix(']').unwrap_or(value).trim_end();
    let comma = if list == "[" { "" } else { "," };
    Ok(format!("{before}{list}{comma}{lines}\n  ]{after}"))
}

/// What stands before, in and after the value of a key of a JSON object; nothing if the object does not have it.
fn split_at_value<'a>(
    object: &'a str,
    key: &str,
) -> Result<Option<(&'a str, &'a str, &'a str)>, serde_json::Error> {
    let mut rest = object.trim_start().trim_start_matches('{');
    loop {
        let (name, after_name) = next::<String>(rest)?;
        let from_value = after_name.trim_start().trim_start_matches(':').trim_start();
        let (_, after) = next::<IgnoredAny>(from_value)?;
        if name == key {
            let (before, _) = object.split_at(object.len() - from_value.len());
            let (value, _) = from_value.split_at(from_value.len() - after.len());
            return Ok(Some((before, value, after)));
        }
        match after.trim_start().strip_prefix(',') {
            Some(further) => rest = further,
            None => return Ok(None),
        }
    }
}

/// The JSON value that the text begins with, and the text after it.
fn next<T: DeserializeOwned>(text: &str) -> Result<(T, &str), serde_json::Error> {
    let mut values = Deserializer::from_str(text).into_iter();
    let value = values
        .next()
        .unwrap_or_else(|| Err(serde::de::Error::custom("a value is missing")))?;
    let (_, after) = text.split_at(values.byte_offset());
    Ok((value, after))
}
