//! Words of one text, as a shell would split them: quotes keep spaces.

/// The words; none if a quote is not closed.
pub(crate) fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for letter in text.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => word.get_or_insert_default().push(letter),
            None if letter == '"' || letter == '\'' => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::split_words;

    #[test]
    fn quotes_keep_spaces() {
        let split = |text: &str| split_words(text).map(|words| words.join("|"));
        assert_eq!(split("  a  b ").as_deref(), Some("a|b"));
        assert_eq!(
            split("--features 'a b' x\"y z\"").as_deref(),
            Some("--features|a b|xy z")
        );
        assert_eq!(split("''").as_deref(), Some(""));
        assert_eq!(split_words("").as_deref(), Some(&[][..]));
        assert_eq!(split("'a"), None);
        assert_eq!(split("\"it's\"").as_deref(), Some("it's"));
    }
}
