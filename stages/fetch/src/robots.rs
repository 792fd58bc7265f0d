//! robots.txt as RFC 9309 reads it.

/// The rules of one robots.txt that concern us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RobotsRules(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allow: bool,
    /// Normalised; `*` stands for anything, `$` at the end for the end.
    pattern: String,
}

impl RobotsRules {
    /// Keeps the rules of every group that names `agent` (lowercase), or, if none does, of those that name `*`.
    pub(crate) fn parse(text: &str, agent: &str) -> Self {
        let (mut named, mut any) = (None::<Vec<Rule>>, Vec::new());
        let (mut for_us, mut for_any, mut in_rules) = (false, false, false);
        for line in text.trim_start_matches('\u{feff}').lines() {
            let Some((key, value)) = line.split('#').next().and_then(|line| line.split_once(':')) else {
                continue;
            };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            if key == "user-agent" {
                if in_rules {
                    (for_us, for_any, in_rules) = (false, false, false);
                }
                for_any |= value == "*";
                if product(value) == agent {
                    for_us = true;
                    named.get_or_insert_default();
                }
                continue;
            }
            let allow = match &*key {
                "allow" => true,
                "disallow" => false,
                _ => continue,
            };
            in_rules = true;
            // An empty pattern matches nothing.
            if !value.is_empty() {
                let rule = Rule {
                    allow,
                    pattern: normalise(value),
                };
                if for_any {
                    any.push(rule.clone());
                }
                if let (true, Some(rules)) = (for_us, &mut named) {
                    rules.push(rule);
                }
            }
        }
        Self(named.unwrap_or(any))
    }

    /// The memory the rules take.
    pub(crate) fn bytes(&self) -> usize {
        let patterns: usize = self.0.iter().map(|rule| rule.pattern.capacity()).sum();
        patterns + self.0.capacity() * size_of::<Rule>()
    }

    /// Whether a path (with its query) may be fetched: the longest pattern that matches decides, allow before
    /// disallow where two are as long.
    pub(crate) fn allows(&self, path: &str) -> bool {
        let path = normalise(path);
        let deciding = self
            .0
            .iter()
            .filter(|rule| matches(&rule.pattern, &path))
            .max_by_key(|rule| (rule.pattern.len(), rule.allow));
        path == "/robots.txt" || deciding.is_none_or(|rule| rule.allow)
    }
}

/// The product token that a `User-agent` line names: letters, hyphens and underscores, and the digits of ours.
fn product(value: &str) -> String {
    value
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
        .map(|character| character.to_ascii_lowercase())
        .collect()
}

/// Whether a pattern matches the beginning of a path. Each piece between the stars is taken as early as it comes,
/// so the time is linear in both.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, anchored) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        // The last piece of an anchored pattern belongs at the end, not where it comes first.
        if let Some(piece) = last.replace(piece) {
            match rest.split_once(piece) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
    }
    match (last, anchored) {
        (Some(piece), true) => rest.ends_with(piece),
        (Some(piece), false) => rest.contains(piece),
        (None, true) => rest.is_empty(),
        (None, false) => true,
    }
}

/// Brings the spellings of a path together: what is not ASCII as `%XX`, an escape of a plain character undone, the
/// other escapes in uppercase.
fn normalise(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut normal = String::with_capacity(path.len());
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let escaped = (byte == b'%').then(|| path.get(place + 1..place + 3)).flatten();
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        place += if escaped.is_some() { 3 } else { 1 };
        match escaped {
            Some(plain) if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => {
                normal.push(char::from(plain));
            }
            Some(other) => normal.push_str(&format!("%{other:02X}")),
            None if byte.is_ascii_graphic() => normal.push(char::from(byte)),
            None => normal.push_str(&format!("%{byte:02X}")),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(robots: &str, path: &str) -> bool {
        RobotsRules::parse(robots, "img2tokens").allows(path)
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        // RFC 9309, 5.1.
        let robots = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n\
                      User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n\
                      User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\n\
                      User-Agent: quxbot\n\nEOF";
        let parsed = |agent| RobotsRules::parse(robots, agent);
        assert!(!parsed("other").allows("/a.gif") && parsed("other").allows("/a.gif?x"));
        assert!(parsed("foobot").allows("/example/page.html") && !parsed("foobot").allows("/a"));
        assert!(!parsed("bazbot").allows("/example/page.html") && parsed("bazbot").allows("/a.gif"));
        assert!(parsed("quxbot").allows("/a.gif"));
        // RFC 9309, 5.2: the longest match.
        let robots = "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif";
        let parsed = RobotsRules::parse(robots, "foobot");
        assert!(parsed.allows("/example/page/x") && !parsed.allows("/example/page/disallowed.gif"));
    }

    #[test]
    fn rules_for_us_stand_before_those_for_all() {
        let robots = "User-agent: *\nDisallow: /\nUser-agent: IMG2TOKENS/9\nDisallow: /a # comment\nUser-agent: x\nDisallow: /b";
        assert!(!allows(robots, "/a/b") && allows(robots, "/b") && allows(robots, "/"));
    }

    #[test]
    fn of_two_patterns_as_long_the_one_that_allows_decides() {
        assert!(allows("user-agent: *\ndisallow: /a\nallow: /a", "/a"));
    }

    #[test]
    fn stars_and_the_end_match_as_written() {
        for (pattern, path, matches) in [
            ("/fish*", "/fish.html", true),
            ("/fish*", "/Fish", false),
            ("/*.php$", "/a.php", true),
            ("/*.php$", "/a.php.php", true),
            ("/*.php$", "/a.php?x", false),
            ("/fish*.php", "/fishh/x.php?y", true),
            ("/a*b*c", "/abc", true),
            ("/a*b*c", "/acb", false),
            ("/$", "/", true),
            ("/$", "/a", false),
            ("/a**b$", "/axxb", true),
            ("*", "/", true),
        ] {
            assert_eq!(
                !allows(&format!("User-agent: *\nDisallow: {pattern}"), path),
                matches,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn spellings_of_one_path_are_one_path() {
        for (pattern, path) in [
            ("/ä", "/%C3%A4"),
            ("/%c3%a4", "/%C3%A4"),
            ("/%61", "/a"),
            ("/a%2fb", "/a%2Fb"),
        ] {
            assert!(
                !allows(&format!("User-agent: *\nDisallow: {pattern}"), path),
                "{pattern} {path}"
            );
        }
        assert!(allows("User-agent: *\nDisallow: /a%2Fb", "/a/b"));
    }

    #[test]
    fn an_empty_file_or_pattern_and_robots_txt_itself_allow() {
        assert!(allows("", "/a") && allows("User-agent: *\nDisallow:", "/a"));
        assert!(allows("User-agent: *\nDisallow: /", "/robots.txt"));
    }

    proptest! {
        #[test]
        fn any_text_parses_and_any_path_is_decided(text in "(?s).{0,200}", path in "/.{0,40}") {
            RobotsRules::parse(&text, "img2tokens").allows(&path);
        }
    }
}
