//! SQL in colours, as it is typed.
//!
//! Invariant: with the colours taken out the text is what it was.

/// Words with a meaning of their own.
pub(super) const KEYWORDS: [&str; 43] = [
    "SELECT", "FROM", "WHERE", "JOIN", "INNER", "ON", "AS", "AND", "OR", "NOT", "NULL", "TRUE",
    "FALSE", "INSERT", "INTO", "VALUES", "UPDATE", "SET", "DELETE", "SHOW", "LIMIT", "OFFSET",
    "ORDER", "BY", "ASC", "DESC", "GROUP", "HAVING", "DISTINCT", "COUNT", "SUM", "MIN", "MAX",
    "AVG", "BETWEEN", "IN", "IS", "LIKE", "ILIKE", "LEFT", "CROSS", "ANALYZE", "EXPLAIN",
];

const KEYWORD: &str = "\x1b[1;34m";
const TEXT: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[33m";
const COMMENT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// The line with colours for a terminal.
pub(super) fn coloured(line: &str) -> String {
    let mut out = String::with_capacity(line.len() * 2);
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (len, colour) = token(rest, first);
        let (token, after) = rest.split_at(len);
        match colour {
            Some(colour) => {
                out.push_str(colour);
                out.push_str(token);
                out.push_str(PLAIN);
            }
            None => out.push_str(token),
        }
        rest = after;
    }
    out
}

/// The length of the first token in bytes, and its colour.
fn token(text: &str, first: char) -> (usize, Option<&'static str>) {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let while_true = |accept: &dyn Fn(char) -> bool| {
        text.find(|letter: char| !accept(letter))
            .unwrap_or(text.len())
    };
    if text.starts_with("--") {
        return (text.len(), Some(COMMENT));
    }
    if first == '\'' {
        let end = text[1..].find('\'').map_or(text.len(), |at| at + 2);
        return (end, Some(TEXT));
    }
    if first.is_ascii_digit() {
        let len = while_true(&|letter| is_name(letter) || letter == '.');
        return (len, Some(NUMBER));
    }
    if is_name(first) {
        let len = while_true(&is_name);
        let word = text.get(..len).unwrap_or(text);
        let is_keyword = KEYWORDS
            .iter()
            .any(|keyword| word.eq_ignore_ascii_case(keyword));
        return (len, is_keyword.then_some(KEYWORD));
    }
    (first.len_utf8(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_texts_and_numbers_have_their_colours() {
        let shown = coloured("select x_1 from t where n = 12 and s = 'it''s' -- why");
        assert!(
            shown.starts_with("\x1b[1;34mselect\x1b[0m x_1 "),
            "{shown:?}"
        );
        assert!(shown.contains("\x1b[33m12\x1b[0m"), "{shown:?}");
        assert!(
            shown.contains("\x1b[32m'it'\x1b[0m\x1b[32m's'\x1b[0m"),
            "{shown:?}"
        );
        assert!(shown.ends_with("\x1b[2m-- why\x1b[0m"), "{shown:?}");
    }

    #[test]
    fn any_text_is_kept() {
        for line in ["", "'open", "\u{e9}\u{1fa90}9x.5'", "a--b", "''", "5'"] {
            let mut plain = coloured(line);
            for colour in [KEYWORD, TEXT, NUMBER, COMMENT, PLAIN] {
                plain = plain.replace(colour, "");
            }
            assert_eq!(plain, line);
        }
    }
}
