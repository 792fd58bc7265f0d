//! Whether an answer opts out of machine learning.

use reqwest::header::{HeaderMap, HeaderValue};

/// The directives of `X-Robots-Tag` that opt out, without hyphens; `none` means noindex and nofollow.
const OPT_OUTS: [&str; 5] = ["noai", "noimageai", "noindex", "noimageindex", "none"];

/// Directives that have a value after a colon: what stands before the colon is no user agent's name.
const WITH_VALUE: [&str; 4] = [
    "maxsnippet",
    "maximagepreview",
    "maxvideopreview",
    "unavailableafter",
];

/// The header that opts out, as `name: value`, if one does.
///
/// `X-Robots-Tag` may come several times and hold several directives; a user agent's name before a colon limits what
/// follows it in the same header to that agent. What stands there and is no such name limits nothing.
/// `tdm-reservation: 1` is the W3C community group's TDMRep protocol.
pub(crate) fn opt_out(headers: &HeaderMap, agent: &str) -> Option<String> {
    let robots = headers
        .get_all("x-robots-tag")
        .iter()
        .map(text)
        .find(|value| opts_out(value, agent));
    if let Some(value) = robots {
        return Some(format!("x-robots-tag: {value}"));
    }
    let tdm = headers
        .get_all("tdm-reservation")
        .iter()
        .map(text)
        .find(|value| value.trim() == "1");
    tdm.map(|value| format!("tdm-reservation: {value}"))
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn opts_out(value: &str, agent: &str) -> bool {
    let mut for_us = true;
    for part in value.split([',', ';']) {
        let mut directives = part;
        if let Some((name, rest)) = part.split_once(':')
            && is_agent(name.trim())
        {
            for_us = matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case(agent);
            directives = rest;
        }
        if for_us && any_opts_out(directives) {
            return true;
        }
    }
    false
}

/// Whether what stands before a colon can name a user agent. The hours of a date cannot, nor can a directive.
fn is_agent(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*')
        && name
            .chars()
            .skip(1)
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
        && !WITH_VALUE.contains(&plain(name).as_str())
}

/// Whether one of the directives opts out, which some part by white space only, and some write with a space inside.
fn any_opts_out(directives: &str) -> bool {
    if OPT_OUTS.contains(&plain(directives).as_str()) {
        return true;
    }
    let joined = directives.replace(" :", ":");
    let mut words = joined.split_whitespace();
    while let Some(word) = words.next() {
        match word.strip_suffix(':') {
            Some(name) if WITH_VALUE.contains(&plain(name).as_str()) => {
                words.next();
            }
            _ if OPT_OUTS.contains(&plain(word).as_str()) => return true,
            _ => (),
        }
    }
    false
}

/// A directive in lowercase, without the white space, hyphens and underscores that some write into it.
fn plain(directive: &str) -> String {
    directive
        .chars()
        .filter(|character| !character.is_whitespace() && !matches!(character, '-' | '_'))
        .map(|character| character.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opted_out(headers: &[(&'static str, &'static str)]) -> bool {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        opt_out(&headers, "img2tokens").is_some()
    }

    #[test]
    fn every_spelling_of_an_opt_out_is_understood() {
        for value in [
            "noai",
            "NoAI",
            "no-ai",
            "noimageai",
            "noindex",
            "noimageindex",
            "none",
            " noai ",
            "nofollow, noai",
            "nofollow,noimageai",
            "nofollow; noindex",
            "max-snippet: 20, noindex",
            "img2tokens: noai",
            "Img2Tokens : nofollow, noindex",
            "*: noai",
            "otherbot: nofollow, img2tokens: noai",
            "unavailable_after: 25 Jun 2010 15:00:00 PST, noindex",
            "unavailable_after: Saturday, 15-Aug-05 15:52:01 UTC, noai",
            "unavailable_after: 2025-08-15T15:52:01+00:00, noai",
            "unavailable_after: 25 Jun 2010 15:00:00 PST noai",
            "noindex noai",
            "nofollow noai",
            "all\tnoimageai",
            "no ai",
            "max-snippet: 20 noai",
            "otherbot/2.0 (+http://example.org): noai",
            "img2tokens: nofollow noai",
        ] {
            assert!(opted_out(&[("x-robots-tag", value)]), "{value}");
        }
        assert!(opted_out(&[
            ("x-robots-tag", "nofollow"),
            ("x-robots-tag", "noai")
        ]));
        assert!(opted_out(&[
            ("x-robots-tag", "otherbot: noai"),
            ("x-robots-tag", "noai")
        ]));
        assert!(opted_out(&[("tdm-reservation", "1")]) && opted_out(&[("tdm-reservation", " 1 ")]));
    }

    #[test]
    fn what_is_no_opt_out_or_another_agents_is_not_taken_for_one() {
        for value in [
            "all",
            "nofollow",
            "noarchive",
            "",
            ",",
            ":",
            "max-image-preview: none",
            "max-image-preview:none",
            "nofollow max-image-preview : none",
            "img2tokens: max-image-preview: none",
            "otherbot: nofollow noai",
            "otherbot: unavailable_after: Saturday, 15-Aug-05 15:52:01 UTC, noai",
            "unavailable_after: Saturday, 15-Aug-05 15:52:01 UTC",
            "otherbot: noai",
            "otherbot: noindex, nofollow, noai",
            "img2tokens: all, otherbot: noai",
            "noaim",
            "unavailable_after: noai",
        ] {
            assert!(!opted_out(&[("x-robots-tag", value)]), "{value}");
        }
        assert!(
            !opted_out(&[("tdm-reservation", "0")]) && !opted_out(&[("tdm-policy", "1")]) && !opted_out(&[])
        );
    }
}
