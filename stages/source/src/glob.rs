//! Globs over object paths: `*`, `?` and `[..]` within a segment, `**` over any number of segments.

/// A pattern, segment by segment.
#[derive(Debug)]
pub(crate) struct Glob {
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    AnyDepth,
    Tokens(Vec<Token>),
}

#[derive(Debug)]
enum Token {
    Star,
    AnyChar,
    Literal(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Whether a path holds wildcards at all.
pub(crate) fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// The leading segments without wildcards: what is worth listing.
pub(crate) fn literal_prefix(pattern: &str) -> String {
    let segments: Vec<&str> = pattern
        .split('/')
        .take_while(|segment| !is_glob(segment))
        .collect();
    segments.join("/")
}

impl Glob {
    /// Parses a pattern; the error says what is wrong with it.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let segments = pattern
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| {
                if segment == "**" {
                    Ok(Segment::AnyDepth)
                } else {
                    parse_segment(segment)
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { segments })
    }

    /// Whether the whole path matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        // reached[i]: the path so far matches the first i segments of the pattern.
        let mut reached = vec![false; self.segments.len() + 1];
        enter(&mut reached, 0, &self.segments);
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let mut next = vec![false; reached.len()];
            for (at, segment) in self.segments.iter().enumerate().filter(|(at, _)| reached[*at]) {
                match segment {
                    Segment::AnyDepth => enter(&mut next, at, &self.segments),
                    Segment::Tokens(tokens) if matches_tokens(tokens, part) => {
                        enter(&mut next, at + 1, &self.segments);
                    }
                    Segment::Tokens(_) => {}
                }
            }
            reached = next;
        }
        reached.last() == Some(&true)
    }
}

/// Marks a place as reached, and those after it that `**` reaches with no segment at all.
fn enter(reached: &mut [bool], mut at: usize, segments: &[Segment]) {
    reached[at] = true;
    while matches!(segments.get(at), Some(Segment::AnyDepth)) {
        at += 1;
        reached[at] = true;
    }
}

fn parse_segment(segment: &str) -> Result<Segment, String> {
    let mut tokens = Vec::new();
    let mut chars = segment.chars().peekable();
    while let Some(char) = chars.next() {
        tokens.push(match char {
            '*' => Token::Star,
            '?' => Token::AnyChar,
            '[' => parse_class(&mut chars).ok_or_else(|| format!("`[` without `]` in `{segment}`"))?,
            literal => Token::Literal(literal),
        });
    }
    Ok(Segment::Tokens(tokens))
}

fn parse_class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if(|char| matches!(char, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = chars.next()?;
        if first == ']' && !ranges.is_empty() {
            return Some(Token::Class { negated, ranges });
        }
        let mut ahead = chars.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                ranges.push((first, last));
                *chars = ahead;
            }
            _ => ranges.push((first, first)),
        }
    }
}

/// Greedy matching that steps back to the last star: at most pattern x text steps.
fn matches_tokens(tokens: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::Star) => {
                last_star = Some((token, at));
                token += 1;
            }
            Some(single) if matches_char(single, text[at]) => {
                token += 1;
                at += 1;
            }
            _ => match &mut last_star {
                Some((star, taken)) => {
                    *taken += 1;
                    (token, at) = (*star + 1, *taken);
                }
                None => return false,
            },
        }
    }
    tokens[token..].iter().all(|token| matches!(token, Token::Star))
}

fn matches_char(token: &Token, char: char) -> bool {
    match token {
        Token::Star => false,
        Token::AnyChar => true,
        Token::Literal(literal) => *literal == char,
        Token::Class { negated, ranges } => {
            ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&char))
                != *negated
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).expect("valid pattern").matches(path)
    }

    #[test]
    fn wildcards_stay_within_a_segment_and_double_stars_do_not() {
        assert!(matches("data/*.parquet", "data/part-0.parquet"));
        assert!(!matches("data/*.parquet", "data/deep/part-0.parquet"));
        assert!(matches("data/**/*.parquet", "data/part-0.parquet"));
        assert!(matches("data/**/*.parquet", "data/a/b/part-0.parquet"));
        assert!(matches("**", "a/b/c") && matches("a/**", "a/b/c"));
        assert!(!matches("data/**/*.parquet", "other/part-0.parquet"));
    }

    #[test]
    fn characters_and_classes_match_as_in_a_shell() {
        assert!(matches("part-?.csv", "part-1.csv") && !matches("part-?.csv", "part-12.csv"));
        assert!(matches("part-[0-3a].csv", "part-2.csv") && matches("part-[0-3a].csv", "part-a.csv"));
        assert!(!matches("part-[0-3].csv", "part-7.csv") && matches("part-[!0-3].csv", "part-7.csv"));
        assert!(matches("a[]]b", "a]b") && matches("a[[]b", "a[b") && matches("a[b-]c", "a-c"));
        assert!(matches("*a*b*c", "xxaxxbxbxxc") && !matches("*a*b*c", "xxaxxcxxb"));
        assert!(Glob::parse("part-[0-3.csv").is_err());
    }

    #[test]
    fn the_literal_prefix_ends_before_the_first_wildcard() {
        assert_eq!(literal_prefix("a/b/part-*.csv"), "a/b");
        assert_eq!(literal_prefix("*.csv"), "");
        assert_eq!(literal_prefix("a/**/b"), "a");
    }
}
