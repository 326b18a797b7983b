//! Names of projects and databases.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use anyhow::{Result, bail};
use spacetime_types::Identity;

/// Letters at the end of a database's name, so that two people's projects do not meet.
const SUFFIX_CHARS: usize = 5;
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// `MyApp 2` as `my-app-2`; none if nothing would be left.
pub(crate) fn kebab_case(name: &str) -> Option<String> {
    let mut kebab = String::with_capacity(name.len());
    let mut was_lower = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() {
            was_lower = false;
            if !kebab.ends_with('-') {
                kebab.push('-');
            }
            continue;
        }
        if letter.is_ascii_uppercase() && was_lower {
            kebab.push('-');
        }
        was_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        kebab.push(letter.to_ascii_lowercase());
    }
    let kebab = kebab.trim_matches('-');
    (!kebab.is_empty()).then(|| kebab.to_owned())
}

/// Says what a name lacks before anything is done for it; identities are names, too.
pub(crate) fn check_database_name(name: &str) -> Result<()> {
    let is_part = |part: &str| {
        let mut letters = part.chars();
        !part.is_empty() && letters.all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    if name.split('-').all(is_part) || Identity::from_hex(name).is_ok() {
        return Ok(());
    }
    let better = kebab_case(name).map(|better| format!(", like `{better}`"));
    bail!(
        "`{name}` is no name for a database: it has lower-case letters, digits, and single dashes \
         between them{}",
        better.unwrap_or_default()
    )
}

/// The project's name and five random letters or digits.
pub(crate) fn database_name(project: &str) -> String {
    // The standard library draws the keys of its hash maps at random.
    let mut number = RandomState::new().build_hasher().finish();
    let mut name = format!("{project}-");
    for _ in 0..SUFFIX_CHARS {
        let at = usize::try_from(number % 36).unwrap_or_default();
        name.push(char::from(ALPHABET[at]));
        number /= 36;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_one_that_databases_may_have() {
        for (name, expected) in [
            ("chat", Some("chat")),
            ("MyApp", Some("my-app")),
            ("my_great app", Some("my-great-app")),
            ("--A  b--", Some("a-b")),
            ("HTTPServer2Go", Some("httpserver2-go")),
            ("!?", None),
            ("", None),
        ] {
            assert_eq!(kebab_case(name).as_deref(), expected, "{name}");
            if let Some(name) = expected {
                check_database_name(name).unwrap();
            }
        }
        check_database_name(&"c2".repeat(32)).unwrap();
        for name in ["", "A", "a--b", "-a", "a-", "a b", "\u{e9}", "a/b"] {
            check_database_name(name).unwrap_err();
        }
        let error = check_database_name("My App").unwrap_err().to_string();
        assert!(error.ends_with("between them, like `my-app`"), "{error}");
        let (one, other) = (database_name("a"), database_name("a"));
        assert_eq!(one.len(), 7);
        assert!(one.starts_with("a-"));
        assert!(
            one.chars()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
        );
        assert_ne!(one, other);
    }
}
