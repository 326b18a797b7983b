//! Text to tokens, with sqlparser's tokenizer under our own dialect.
//!
//! The dialect keeps the case of names, quotes only with `"`, nests block comments and knows no
//! digit separators. White space and comments are dropped; positions are kept for messages.

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::error::SqlError;

/// Longest accepted text.
pub const SQL_BYTES_MAX: usize = 50_000;

/// Characters of a too long text that the error shows.
const SHOWN_CHARS: usize = 120;

#[derive(Debug)]
struct OurDialect;

impl Dialect for OurDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch.is_ascii_digit() || ch == '$' || ch == '_'
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        false
    }
}

/// The tokens of `sql` without blanks and comments.
pub(crate) fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>, SqlError> {
    if sql.len() > SQL_BYTES_MAX {
        let shown = sql.chars().take(SHOWN_CHARS).collect();
        return Err(SqlError::TooLong { shown });
    }
    let mut tokens = Tokenizer::new(&OurDialect, sql)
        .tokenize_with_location()
        .map_err(|error| SqlError::Syntax(error.to_string()))?;
    tokens.retain(|token| !is_blank(&token.token));
    Ok(tokens)
}

fn is_blank(token: &Token) -> bool {
    match token {
        Token::Whitespace(Whitespace::MultiLineComment(_)) => true,
        Token::Whitespace(_) => true,
        Token::Char(ch) => ch.is_whitespace(),
        _ => false,
    }
}

/// Tokens as text again: single blanks, none around dots and inside parentheses.
pub(crate) fn render(tokens: &[TokenWithSpan]) -> String {
    const RENDERED_MAX: usize = 400;
    let mut text = String::new();
    let mut glue = true;
    for token in tokens {
        let token = &token.token;
        let no_blank_before = matches!(
            token,
            Token::Comma | Token::RParen | Token::Period | Token::SemiColon
        );
        if !glue && !no_blank_before {
            text.push(' ');
        }
        match token {
            Token::Word(word) if word.quote_style.is_none() && is_clause_word(&word.value) => {
                text.push_str(&word.value.to_ascii_uppercase());
            }
            token => text.push_str(&token.to_string()),
        }
        glue = matches!(token, Token::LParen | Token::Period);
        if text.len() > RENDERED_MAX {
            text.push_str("...");
            break;
        }
    }
    text
}

fn is_clause_word(word: &str) -> bool {
    const WORDS: [&str; 40] = [
        "SELECT",
        "FROM",
        "WHERE",
        "AND",
        "OR",
        "NOT",
        "JOIN",
        "ON",
        "INNER",
        "CROSS",
        "LIMIT",
        "ORDER",
        "GROUP",
        "BY",
        "HAVING",
        "AS",
        "INSERT",
        "INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "SHOW",
        "CREATE",
        "DROP",
        "ALTER",
        "TABLE",
        "INDEX",
        "UNION",
        "ALL",
        "DISTINCT",
        "OFFSET",
        "IS",
        "IN",
        "LIKE",
        "BETWEEN",
        "NULL",
        "RETURNING",
        "USING",
        "EXPLAIN",
    ];
    WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}
