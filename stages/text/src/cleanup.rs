//! What may be done to a caption before it is tokenized.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::Cleanup;

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();

impl Cleanup {
    /// The caption after the steps that are on.
    #[must_use]
    pub fn apply(self, caption: &str) -> String {
        let mut caption = Cow::Borrowed(caption);
        if self.html_entities {
            caption = Cow::Owned(htmlize::unescape(&*caption).into_owned());
        }
        if self.whitespace {
            caption = Cow::Owned(collapse_whitespace(&caption));
        }
        if self.nfc {
            caption = Cow::Owned(NFC.normalize(&caption).into_owned());
        }
        caption.into_owned()
    }
}

fn collapse_whitespace(caption: &str) -> String {
    let mut collapsed = String::with_capacity(caption.len());
    let blank = |character: char| character.is_whitespace() || character.is_control();
    for word in caption.split(blank).filter(|word| !word.is_empty()) {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}
