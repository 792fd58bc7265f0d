//! What a user, an input or a plan brings into the card, written so that no renderer of Markdown or HTML makes anything
//! of it: not a tag, not a link, not the end of a code span, a table's cell or a line.

use std::fmt::Write;

use img2tokens_schemas::shown;
use img2tokens_schemas::shown::is_hidden;
use serde_json::Value;

/// What Markdown or HTML may take for its own even within code: renderers differ.
const MARKUP: [char; 4] = ['<', '>', '`', '|'];

/// A code span of this text, on one line and of bounded length; what is markup or hidden in it stands as `\u{3c}`.
pub(super) fn code(text: &str) -> String {
    let mut span = String::from("`");
    for character in shown(text).to_string().chars() {
        match MARKUP.contains(&character) {
            true => span.extend(character.escape_unicode()),
            false => span.push(character),
        }
    }
    // Two marks with nothing between them are no span.
    if span.len() == 1 {
        span.push(' ');
    }
    span.push('`');
    span
}

/// A setting: numbers and truth as they are, all else as code.
pub(super) fn setting(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => code(text),
        Value::Array(_) | Value::Object(_) => code(&value.to_string()),
    }
}

/// A block of JSON: the very values, with what is markup or hidden in their strings as JSON's own escapes.
pub(super) fn json_block(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut block = String::from("```json\n");
    for character in text.chars() {
        // Such characters stand in strings only, save for the line breaks between values.
        if character != '\n' && (MARKUP.contains(&character) || is_hidden(character)) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(block, "\\u{unit:04x}");
            }
        } else {
            block.push(character);
        }
    }
    block.push_str("\n```");
    block
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};
    use serde_json::json;

    use super::*;

    fn events(markdown: &str) -> Vec<Event<'_>> {
        Parser::new_ext(markdown, Options::all()).collect()
    }

    #[test]
    fn a_setting_reads_as_it_is_written() {
        for (value, expected) in [
            (json!(7), "7"),
            (json!(true), "true"),
            (json!("f32"), "`f32`"),
            (json!(["a", "b c"]), "`[\"a\",\"b c\"]`"),
            (json!(""), "` `"),
        ] {
            assert_eq!(setting(&value), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_code_span_wherever_it_stands(text in ".*|[`<>|&\\\\\\[\\]()!*_~#a-c \n\r\u{1b}\u{202e}-]*") {
            let span = code(&text);
            prop_assert!(!span.contains(is_hidden) && span.lines().count() == 1);
            let list = format!("- {span}, 5 bytes");
            let spans = events(&list).into_iter().filter(|event| matches!(event, Event::Code(_))).count();
            prop_assert_eq!(spans, 1);
            let foreign = events(&list).into_iter().find(|event| !matches!(
                event,
                Event::Code(_) | Event::Text(_) | Event::Start(Tag::List(None) | Tag::Item) | Event::End(_)
            ));
            prop_assert_eq!(foreign, None);
            let table = format!("| a | b |\n|---|---|\n| {span} | 1 |\n");
            let cells = events(&table).into_iter().filter(|event| matches!(event, Event::Start(Tag::TableCell)));
            prop_assert_eq!(cells.count(), 4);
        }

        #[test]
        fn a_block_of_json_is_one_block_of_the_same_values(key in "(.|\n)*", text in "(.|\n|`)*") {
            let value = json!({ &key: [text], "n": 1 });
            let block = json_block(&value);
            prop_assert!(!block.contains(|character| character != '\n' && is_hidden(character)));
            let found = events(&block);
            let code: String = found.iter().filter_map(|event| match event {
                Event::Text(text) => Some(&**text),
                _ => None,
            }).collect();
            prop_assert_eq!(serde_json::from_str::<Value>(&code).unwrap(), value);
            let is_whole = matches!(found.first(), Some(Event::Start(Tag::CodeBlock(_))))
                && found.iter().filter(|event| matches!(event, Event::Start(_))).count() == 1;
            prop_assert!(is_whole, "{found:?}");
        }
    }
}
