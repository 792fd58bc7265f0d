//! Text from outside (keys, captions, URLs, the names of columns and files, what servers say), made fit to print for
//! people: nothing in it can move a cursor, turn the direction of writing, hide, or break a line.
//!
//! [`shown`] is for one piece of such text in a message. [`screen`] and [`message`] are the gates that all text for
//! people passes at last, so that a piece that nobody wrapped does no harm either. What machines read (JSON, tables)
//! passes none of them.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// The most characters of a piece of text from outside in a message.
pub const LONGEST: usize = 500;
/// The most characters of a whole message, which may hold several pieces.
pub const LONGEST_MESSAGE: usize = 4_000;

/// The characters that people do not see, or that act on what they see: categories Cc, Cf, Zl and Zp of Unicode, and all
/// that it says to ignore in display (`Default_Ignorable_Code_Point`). First and last of each range, ascending.
const HIDDEN: [(char, char); 27] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character must not reach a terminal as it is.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    // Most text is printable ASCII.
    if (' '..='~').contains(&character) {
        return false;
    }
    let after = HIDDEN.partition_point(|(first, _)| *first <= character);
    after
        .checked_sub(1)
        .and_then(|range| HIDDEN.get(range))
        .is_some_and(|(_, last)| character <= *last)
}

/// A piece of text from outside, as it may stand in a message: hidden characters as `\u{1b}`, a backslash that would
/// look like such an escape as `\u{5c}`, and at most [`LONGEST`] characters, then `…`.
pub const fn shown<T: Display>(text: T) -> Shown<T> {
    Shown {
        text,
        longest: LONGEST,
    }
}

/// Text from outside that displays harmlessly; made by [`shown`].
#[derive(Debug, Clone, Copy)]
pub struct Shown<T> {
    text: T,
    longest: usize,
}

impl<T> Shown<T> {
    /// All of it, for where the text itself is what a person asked to see.
    #[must_use]
    pub fn whole(self) -> Self {
        let longest = usize::MAX;
        Self { longest, ..self }
    }
}

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.to_string();
        let escaped = text.char_indices().map(|(at, character)| {
            let is_like_ours = character == '\\' && text[at..].starts_with("\\u{");
            (character, is_like_ours || is_hidden(character))
        });
        write_cut(formatter, escaped, self.longest)
    }
}

/// Text that we wrote, with whatever came into it from outside: its line breaks stay, every other hidden character is
/// escaped.
#[must_use]
pub fn screen(text: &str) -> Cow<'_, str> {
    let acts = |character| character != '\n' && is_hidden(character);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut screened = String::with_capacity(text.len() + 16);
    let escaped = text.chars().map(|character| (character, acts(character)));
    // Writing to a string cannot fail.
    let _ = write_cut(&mut screened, escaped, usize::MAX);
    Cow::Owned(screened)
}

/// A message on one line: hidden characters are escaped, line breaks become spaces, and it has at most
/// [`LONGEST_MESSAGE`] characters.
#[must_use]
pub fn message(text: &str) -> String {
    let one_line = text.chars().map(|character| match character {
        '\n' => (' ', false),
        other => (other, is_hidden(other)),
    });
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _ = write_cut(&mut line, one_line, LONGEST_MESSAGE);
    line
}

/// Writes characters, escaped where that is asked for; where more than `longest` would be written, as many as fit and
/// `…`. An escape is whole or left out.
fn write_cut(
    out: &mut impl Write,
    characters: impl Iterator<Item = (char, bool)>,
    longest: usize,
) -> fmt::Result {
    let mut left = longest;
    for (character, is_escaped) in characters {
        let width = if is_escaped {
            character.escape_unicode().len()
        } else {
            1
        };
        let Some(rest) = left.checked_sub(width) else {
            return out.write_char('…');
        };
        left = rest;
        match is_escaped {
            true => write!(out, "{}", character.escape_unicode())?,
            false => out.write_char(character)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    /// What [`shown`] was given, read back.
    fn read_back(shown: &str) -> String {
        let escape = Regex::new(r"\\u\{([0-9a-f]+)\}").unwrap();
        let character = |found: &regex::Captures<'_>| {
            let number = u32::from_str_radix(&found[1], 16).unwrap();
            char::from_u32(number).unwrap().to_string()
        };
        escape.replace_all(shown, character).into_owned()
    }

    #[test]
    fn hidden_are_all_control_format_separator_and_ignorable_characters_and_no_others() {
        let acts = Regex::new(r"^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]$").unwrap();
        for character in '\0'..=char::MAX {
            let expected = acts.is_match(character.encode_utf8(&mut [0; 4]));
            assert_eq!(is_hidden(character), expected, "U+{:04X}", u32::from(character));
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        for (text, expected) in [
            ("\x1b]0;pwned\x07", "\\u{1b}]0;pwned\\u{7}"),
            ("\u{9b}31mred", "\\u{9b}31mred"),
            ("a\u{202e}fdp.exe", "a\\u{202e}fdp.exe"),
            ("line\r\nline", "line\\u{d}\\u{a}line"),
            ("zero\u{200b}width\u{2028}", "zero\\u{200b}width\\u{2028}"),
            ("C:\\dir \\u{1b} \\ü", "C:\\dir \\u{5c}u{1b} \\ü"),
            ("wörter 画像 ‘x’ 🙂", "wörter 画像 ‘x’ 🙂"),
        ] {
            assert_eq!(shown(text).to_string(), expected);
        }
    }

    #[test]
    fn text_from_outside_is_cut_between_characters_and_never_within_an_escape() {
        let long = "ä".repeat(LONGEST + 1);
        assert_eq!(shown(&long).to_string(), format!("{}…", "ä".repeat(LONGEST)));
        assert_eq!(shown(&long).whole().to_string(), long);
        let exact = "ä".repeat(LONGEST);
        assert_eq!(shown(&exact).to_string(), exact);
        let at_the_end = format!("{}\x1b", "a".repeat(LONGEST - 3));
        assert_eq!(
            shown(at_the_end).to_string(),
            format!("{}…", "a".repeat(LONGEST - 3))
        );
    }

    proptest! {
        #[test]
        fn shown_text_hides_nothing_and_reads_back(text in ".*|[\\\\u{}0-9a-f\u{0}-\u{ff}\u{2000}-\u{206f}]*") {
            let whole = shown(&text).whole().to_string();
            prop_assert!(!whole.contains(is_hidden), "{whole:?}");
            prop_assert_eq!(read_back(&whole), text);
        }

        #[test]
        fn a_screened_text_keeps_its_lines_and_hides_nothing(text in "(.|\n)*") {
            let screened = screen(&text);
            prop_assert!(!screened.contains(|character| character != '\n' && is_hidden(character)));
            prop_assert_eq!(screened.lines().count(), text.lines().count());
            prop_assert_eq!(screen(&screened), &*screened, "twice is as once");
        }

        #[test]
        fn a_message_is_one_short_line(text in "(.|\n){0,8000}") {
            let line = message(&text);
            prop_assert!(!line.contains(is_hidden));
            prop_assert!(line.chars().count() <= LONGEST_MESSAGE + 1);
        }
    }
}
