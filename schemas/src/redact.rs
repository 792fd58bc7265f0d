//! URLs as people may see them: without their secrets.

use std::borrow::Cow;

/// A text for people with the secrets of its URLs struck out: user names and passwords, and all that stands behind the
/// `?` of a web address, where signatures and tokens stand.
///
/// ```
/// # use img2tokens_schemas::redact;
/// let text = "no answer from https://me:pass@host/a.csv?sig=1, sorry";
/// assert_eq!(redact(text), "no answer from https://***@host/a.csv?*** sorry");
/// ```
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let scheme = before.to_ascii_lowercase();
        let is_web = scheme.ends_with("http") || scheme.ends_with("https");
        let end = end_of_url(after);
        let (url, further) = after.split_at(end);
        redact_url(url, is_web, &mut shown);
        rest = further;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The length of the URL that a text begins with: up to what no URL holds unescaped. JSON may escape the quotation mark.
fn end_of_url(text: &str) -> usize {
    let mut letters = text.char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        let is_end = letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '`' | '<' | '>');
        match letters.peek() {
            _ if is_end => return place,
            Some((_, '"')) if letter == '\\' => return place,
            Some(_) if letter == '\\' => {
                letters.next();
            }
            _ => {}
        }
    }
    text.len()
}

/// One URL behind its `://`.
fn redact_url(url: &str, is_web: bool, shown: &mut String) {
    let (place, query) = match url.split_once('?') {
        Some((place, _)) if is_web => (place, "?***"),
        _ => (url, ""),
    };
    let authority = place.find(['/', '\\', '?', '#']).unwrap_or(place.len());
    let (authority, path) = place.split_at(authority);
    match authority.rsplit_once('@') {
        // `abfss://container@account` has no password in it.
        Some((user, host)) if is_web || user.contains(':') => {
            shown.push_str("***@");
            shown.push_str(host);
        }
        _ => shown.push_str(authority),
    }
    shown.push_str(path);
    shown.push_str(query);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_passwords_and_queries_are_struck_out_wherever_they_stand() {
        for (text, expected) in [
            ("plain text?", "plain text?"),
            ("HTTPS://u:p@h:1/a?b=c", "HTTPS://***@h:1/a?***"),
            (
                "`http://token@h` and http://p@ss@h/x",
                "`http://***@h` and http://***@h/x",
            ),
            ("(http://u:p@h/?a=(1)&sig=2)", "(http://***@h/?***"),
            ("s3://bucket/part-?.csv", "s3://bucket/part-?.csv"),
            ("s3://key:secret@bucket/x", "s3://***@bucket/x"),
            ("abfss://container@account/x", "abfss://container@account/x"),
            ("http://h/a@b", "http://h/a@b"),
            (
                r#"{"a":"at \"http://u:p@h/?b=c\" now"}"#,
                r#"{"a":"at \"http://***@h/?***\" now"}"#,
            ),
            (r#"{"a":"http://h/?b\\"}"#, r#"{"a":"http://h/?***"}"#),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
