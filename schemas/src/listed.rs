//! Lists of what must not be used: one format for what is not fetched (`fetch.deny_list`) and what is taken down.
//!
//! One entry a line; what follows a `#` at the line's start or after white space is a comment. An entry may say of
//! which kind it is (`key:`, `url:`, `domain:`, `md5:`, `sha256:`). One that does not is told by its looks: a URL by its
//! `://`, a digest by its hexadecimal digits, a domain by its dot. A bare word is nothing: anything can be a key, so
//! a key must be called one.

use crate::shown;
use url::{Host, Url};

use crate::Digest;

/// The longest list that is read, in bytes: some ten million entries.
pub const MAX_LIST_BYTES: u64 = 1 << 30;

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listed {
    /// A pair's key.
    Key(String),
    /// A URL, as [`without_fragment`] writes it.
    Url(String),
    /// A host and all below it, as it stands in URLs.
    Domain(String),
    /// The MD5 digest of a file.
    Md5([u8; 16]),
    /// The SHA-256 digest of a file.
    Sha256(Digest),
}

/// A line that is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{entry}` is no URL, domain or digest; write key:, url:, domain:, md5: or sha256: before it", entry = shown(entry))]
pub struct UnreadableEntry {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub entry: String,
}

/// The entries of a list, each with its line, from 1.
pub fn read_list(text: &str) -> impl Iterator<Item = Result<(usize, Listed), UnreadableEntry>> {
    let lines = (1..).zip(text.lines().map(without_comment));
    lines
        .filter(|(_, entry)| !entry.is_empty())
        .map(|(line, entry)| match Listed::of(entry) {
            Some(listed) => Ok((line, listed)),
            None => Err(UnreadableEntry {
                line,
                entry: entry.to_owned(),
            }),
        })
}

/// A URL's spelling in lists: as the standard writes it, without the fragment, which no server sees.
#[must_use]
pub fn without_fragment(url: &Url) -> &str {
    url.as_str().split('#').next().unwrap_or_default()
}

/// The host of a URL, then every domain above it.
pub fn domains(url: &Url) -> impl Iterator<Item = &str> {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let above = host.match_indices('.').filter_map(|(dot, _)| host.get(dot + 1..));
    std::iter::once(host).chain(above)
}

impl Listed {
    fn of(entry: &str) -> Option<Self> {
        if let Some(key) = entry.strip_prefix("key:") {
            // A key may hold white space.
            return (!key.is_empty()).then(|| Self::Key(key.to_owned()));
        }
        if entry.contains(char::is_whitespace) {
            return None;
        }
        match entry.split_once(':') {
            Some(("url", url)) => Self::url(url),
            Some(("domain", host)) => Self::domain(host),
            Some(("md5", digits)) => hexadecimal(digits).map(Self::Md5),
            Some(("sha256", digits)) => Self::sha256(digits),
            _ if entry.contains("://") => Self::url(entry),
            _ => hexadecimal(entry)
                .map(Self::Md5)
                .or_else(|| Self::sha256(entry))
                // A digest that lost a digit must not pass for a domain of one word.
                .or_else(|| entry.contains(['.', ':']).then(|| Self::domain(entry))?),
        }
    }

    fn url(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        Some(Self::Url(without_fragment(&url).to_owned()))
    }

    fn domain(text: &str) -> Option<Self> {
        let host = Host::parse(text.trim_matches('.')).ok()?;
        Some(Self::Domain(host.to_string()))
    }

    fn sha256(digits: &str) -> Option<Self> {
        hexadecimal(digits).map(|digest| Self::Sha256(Digest(digest)))
    }
}

/// As it may stand in a list.
impl std::fmt::Display for Listed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(formatter, "key:{key}"),
            Self::Url(url) => write!(formatter, "url:{url}"),
            Self::Domain(domain) => write!(formatter, "domain:{domain}"),
            Self::Md5(digest) => {
                formatter.write_str("md5:")?;
                digest.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
            Self::Sha256(digest) => write!(formatter, "sha256:{digest}"),
        }
    }
}

fn without_comment(line: &str) -> &str {
    let begins_comment = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    // A URL may hold a `#`.
    let comment = line.match_indices('#').find(|(at, _)| begins_comment(*at));
    line[..comment.map_or(line.len(), |(at, _)| at)].trim()
}

fn hexadecimal<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(usize, Listed)>, UnreadableEntry> {
        read_list(text).collect()
    }

    #[test]
    fn entries_are_told_by_their_prefix_or_their_looks() {
        let digest = Digest([0xab; 32]);
        let text = format!(
            "# a list\nkey:a b # why\n\n url:HTTP://Example.com:80/x#y\nhttp://a.example/#b\ndomain:localhost\n\
             .Bücher.example.\nsha256:{digest}\n{digest}\nmd5:{md5}\n{md5}",
            md5 = "AB".repeat(16),
        );
        let expected = [
            (2, Listed::Key("a b".to_owned())),
            (4, Listed::Url("http://example.com/x".to_owned())),
            (5, Listed::Url("http://a.example/".to_owned())),
            (6, Listed::Domain("localhost".to_owned())),
            (7, Listed::Domain("xn--bcher-kva.example".to_owned())),
            (8, Listed::Sha256(digest)),
            (9, Listed::Sha256(digest)),
            (10, Listed::Md5([0xab; 16])),
            (11, Listed::Md5([0xab; 16])),
        ];
        assert_eq!(read(&text).unwrap(), expected);
        for (_, entry) in expected {
            assert_eq!(read(&entry.to_string()).unwrap(), [(1, entry)]);
        }
    }

    #[test]
    fn a_line_of_no_kind_is_refused_with_its_number() {
        let half_a_digest = "ab".repeat(31);
        for entry in [
            "word",
            "00012-000000345",
            "key:",
            "no domain.com",
            "http://a.example/ b",
            "Key:a",
            "domain:a|b",
            "sha256:ab",
            "url:a.example",
            "+f".repeat(16).as_str(),
            half_a_digest.as_str(),
        ] {
            let error = read(&format!("a.example\n\n{entry} # why\n")).unwrap_err();
            assert_eq!((error.line, error.entry.as_str()), (3, entry));
        }
    }

    #[test]
    fn a_host_comes_before_the_domains_above_it() {
        let url = Url::parse("https://a.b.example./x").unwrap();
        assert_eq!(
            domains(&url).collect::<Vec<_>>(),
            ["a.b.example", "b.example", "example"]
        );
    }
}
