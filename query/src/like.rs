//! LIKE: `%` is any text, `_` any one character.
//!
//! Matching takes time in the product of both lengths at worst, and no memory.

use crate::ast::Like;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
    ignore_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    AnyText,
    AnyChar,
    Char(char),
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("'")?;
        for part in &self.parts {
            match part {
                Part::AnyText => f.write_str("%")?,
                Part::AnyChar => f.write_str("_")?,
                Part::Char(ch) => write!(f, "{ch}")?,
            }
        }
        f.write_str("'")
    }
}

impl Pattern {
    /// `None` if the pattern ends in its escape character.
    pub(crate) fn new(like: &Like) -> Option<Pattern> {
        let mut parts = Vec::new();
        let mut chars = like.pattern.chars();
        while let Some(ch) = chars.next() {
            parts.push(match ch {
                ch if Some(ch) == like.escape => Part::Char(chars.next()?),
                '%' if parts.last() == Some(&Part::AnyText) => continue,
                '%' => Part::AnyText,
                '_' => Part::AnyChar,
                ch => Part::Char(ch),
            });
        }
        Some(Pattern {
            parts,
            ignore_case: like.ignore_case,
        })
    }

    /// The text that everything that matches starts with, if case matters.
    pub(crate) fn prefix(&self) -> String {
        let chars = self.parts.iter().map_while(|part| match part {
            Part::Char(ch) if !self.ignore_case => Some(*ch),
            _ => None,
        });
        chars.collect()
    }

    /// Whether a text in UTF-8 matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        // Where to go on after a mismatch: behind the last `%`, one character later.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        let (mut at, mut rest) = (0, text.chars());
        loop {
            let before = rest.clone();
            let part = self.parts.get(at);
            if part == Some(&Part::AnyText) {
                retry = Some((at + 1, before));
                at += 1;
                continue;
            }
            match (part, rest.next()) {
                (None, None) => return true,
                (Some(part), Some(ch)) if self.fits(*part, ch) => at += 1,
                // Longer texts for the `%` leave even less for the rest.
                (_, None) => return false,
                (_, Some(_)) => {
                    let Some((place, chars)) = &mut retry else {
                        return false;
                    };
                    if chars.next().is_none() {
                        return false;
                    }
                    (at, rest) = (*place, chars.clone());
                }
            }
        }
    }

    fn fits(&self, part: Part, ch: char) -> bool {
        match part {
            Part::Char(wanted) if self.ignore_case => wanted.eq_ignore_ascii_case(&ch),
            Part::Char(wanted) => wanted == ch,
            Part::AnyChar | Part::AnyText => true,
        }
    }
}

/// The least text that is greater than every text with the prefix, if there is one.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The code points between have no characters.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_text() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
        assert_eq!(after_prefix(""), None);
    }

    fn check(pattern: &str, text: &str, expected: bool) {
        let like = Like {
            pattern: pattern.to_owned(),
            escape: Some('!'),
            ignore_case: false,
        };
        let compiled = Pattern::new(&like).expect("a pattern");
        assert_eq!(
            compiled.matches(text.as_bytes()),
            expected,
            "{pattern} {text}"
        );
        let ignoring = Like {
            ignore_case: true,
            pattern: pattern.to_uppercase(),
            ..like
        };
        let compiled = Pattern::new(&ignoring).expect("a pattern");
        let lower = text.to_lowercase();
        assert_eq!(
            compiled.matches(lower.as_bytes()),
            expected,
            "{pattern} {text}"
        );
    }

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("%%", "abc", true),
            ("a%", "abc", true),
            ("a%", "bac", false),
            ("%c", "abc", true),
            ("%c", "abcd", false),
            ("a%c", "abcbc", true),
            ("%b%d%", "abcde", true),
            ("%d%b%", "abcde", false),
            ("_", "a", true),
            ("_", "", false),
            ("__", "a", false),
            ("a_c", "abc", true),
            ("%_", "", false),
            ("%ab", "aab", true),
            ("%aab%", "aaaab", true),
            ("50!%", "50%", true),
            ("50!%", "501", false),
            ("!!", "!", true),
        ] {
            check(pattern, text, expected);
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let text = "a".repeat(20_000);
        let like = Like {
            pattern: format!("{}b", "%a".repeat(500)),
            escape: None,
            ignore_case: false,
        };
        let pattern = Pattern::new(&like).expect("a pattern");
        assert!(!pattern.matches(text.as_bytes()));
    }

    #[test]
    fn an_escape_escapes_something() {
        let like = Like {
            pattern: "a!".to_owned(),
            escape: Some('!'),
            ignore_case: false,
        };
        assert_eq!(Pattern::new(&like), None);
    }

    #[test]
    fn the_fixed_beginning_is_known() {
        let prefix = |pattern: &str, ignore_case| {
            let like = Like {
                pattern: pattern.to_owned(),
                escape: None,
                ignore_case,
            };
            Pattern::new(&like).map(|pattern| pattern.prefix())
        };
        assert_eq!(prefix("ab%c", false).as_deref(), Some("ab"));
        assert_eq!(prefix("%ab", false).as_deref(), Some(""));
        assert_eq!(prefix("ab%", true).as_deref(), Some(""));
    }
}
