//! Tokens to the [`ast`](crate::ast): recursive descent over the small grammar we run.
//!
//! Invariants
//!   * Linear in the number of tokens: no construct is tried twice.
//!   * Recursion stops at [`DEPTH_MAX`](crate::ast::DEPTH_MAX).
//!   * Known SQL that we do not run is reported as unsupported, the rest as a syntax error.

mod change;
mod expr;
mod select;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::ast::{At, Literal, Parsed};
use crate::error::SqlError;
use crate::lexer::{render, tokenize};

/// Which language a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// Everything.
    Full,
    /// `SELECT` of whole rows, asked once.
    OneOff,
    /// `SELECT` that is kept current.
    Subscription,
}

/// Parses one statement.
pub(crate) fn parse(sql: &str, language: Language) -> Result<Parsed, SqlError> {
    let tokens = tokenize(sql)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
        language,
        start: 0,
    };
    parser.request()
}

struct Parser<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
    depth: usize,
    language: Language,
    /// Where the statement starts, for messages that show all of it.
    start: usize,
}

impl<'a> Parser<'a> {
    fn request(&mut self) -> Result<Parsed, SqlError> {
        while self.eat(&Token::SemiColon) {}
        if self.peek().is_none() {
            return Err(SqlError::Empty);
        }
        self.start = self.at;
        let parsed = self.statement()?;
        if self.peek().is_some() && !self.at_end_of_statement() {
            return Err(self.expected("end of statement"));
        }
        while self.eat(&Token::SemiColon) {}
        match self.peek() {
            Some(_) => Err(SqlError::MultipleStatements),
            None => Ok(parsed),
        }
    }

    fn statement(&mut self) -> Result<Parsed, SqlError> {
        let first = self.keyword();
        let full = self.language == Language::Full;
        match first {
            Some(Keyword::SELECT) => self.select().map(Parsed::Select),
            Some(Keyword::INSERT) if full => self.insert(),
            Some(Keyword::UPDATE) if full => self.update(),
            Some(Keyword::DELETE) if full => self.delete(),
            Some(Keyword::SET) if full => self.set_variable(),
            Some(Keyword::SHOW) if full => self.show_variable(),
            Some(Keyword::EXPLAIN) if full => self.explain(),
            _ if self.starts_other_sql(first) => Err(if full {
                self.unsupported()
            } else {
                SqlError::Unsupported("Non-SELECT queries".to_owned())
            }),
            _ => Err(self.expected("an SQL statement")),
        }
    }

    /// `EXPLAIN [ANALYZE] SELECT ...`
    fn explain(&mut self) -> Result<Parsed, SqlError> {
        self.expect_keyword(Keyword::EXPLAIN)?;
        let analyze = self.eat_keyword(Keyword::ANALYZE);
        match self.keyword() {
            Some(Keyword::SELECT) => {
                let select = self.select()?;
                Ok(Parsed::Explain { select, analyze })
            }
            _ => Err(self.unsupported()),
        }
    }

    /// Statements of SQL at large.
    fn starts_other_sql(&self, first: Option<Keyword>) -> bool {
        use Keyword as K;
        if matches!(self.peek(), Some(Token::LParen)) {
            return true;
        }
        matches!(
            first,
            Some(
                K::INSERT
                    | K::UPDATE
                    | K::DELETE
                    | K::SET
                    | K::SHOW
                    | K::WITH
                    | K::VALUES
                    | K::CREATE
                    | K::DROP
                    | K::ALTER
                    | K::TRUNCATE
                    | K::BEGIN
                    | K::START
                    | K::COMMIT
                    | K::ROLLBACK
                    | K::SAVEPOINT
                    | K::EXPLAIN
                    | K::ANALYZE
                    | K::DESCRIBE
                    | K::DESC
                    | K::GRANT
                    | K::REVOKE
                    | K::USE
                    | K::CALL
                    | K::MERGE
                    | K::PREPARE
                    | K::EXECUTE
                    | K::DEALLOCATE
                    | K::DECLARE
                    | K::FETCH
                    | K::CLOSE
                    | K::COMMENT
                    | K::KILL
                    | K::DISCARD
                    | K::CACHE
                    | K::UNCACHE
                    | K::ASSERT
            )
        )
    }

    // --- tokens ---

    fn peek(&self) -> Option<&'a Token> {
        self.peek_ahead(0)
    }

    fn peek_ahead(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead).map(|token| &token.token)
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.advance();
        }
        found
    }

    /// The unquoted keyword at the cursor.
    fn keyword(&self) -> Option<Keyword> {
        keyword_of(self.peek())
    }

    fn eat_keyword(&mut self, keyword: Keyword) -> bool {
        let found = self.keyword() == Some(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, token: &Token) -> Result<(), SqlError> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.expected(&token.to_string()))
    }

    fn expect_keyword(&mut self, keyword: Keyword) -> Result<(), SqlError> {
        if self.eat_keyword(keyword) {
            return Ok(());
        }
        Err(self.expected(&format!("{keyword:?}")))
    }

    fn at_end_of_statement(&self) -> bool {
        matches!(self.peek(), None | Some(Token::SemiColon))
    }

    /// Any word, quoted or not.
    fn word(&mut self, what: &str) -> Result<String, SqlError> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.advance();
                Ok(word.value.clone())
            }
            _ => Err(self.expected(what)),
        }
    }

    /// `word { "." word }`, joined with dots.
    fn dotted_name(&mut self, what: &str) -> Result<String, SqlError> {
        let mut name = self.word(what)?;
        while self.eat(&Token::Period) {
            name.push('.');
            name.push_str(&self.word("identifier")?);
        }
        Ok(name)
    }

    /// A literal with its optional sign; the cursor stays when there is none.
    fn literal(&mut self) -> Option<Literal> {
        let (sign, ahead) = match self.peek()? {
            Token::Minus => ("-", 1),
            Token::Plus => ("+", 1),
            _ => ("", 0),
        };
        let literal = match self.peek_ahead(ahead)? {
            Token::Number(digits, _) => Literal::Number(format!("{sign}{digits}")),
            _ if ahead > 0 => return None,
            Token::SingleQuotedString(text) => Literal::Str(text.clone()),
            Token::HexStringLiteral(digits) => Literal::Hex(digits.clone()),
            token => match keyword_of(Some(token)) {
                Some(Keyword::TRUE) => Literal::Bool(true),
                Some(Keyword::FALSE) => Literal::Bool(false),
                _ => return None,
            },
        };
        self.at += ahead + 1;
        Some(literal)
    }

    /// Where the next token stands.
    fn place(&self) -> At {
        let start = self.tokens.get(self.at).map(|token| token.span.start);
        start.map_or(At::default(), |start| At {
            line: u32::try_from(start.line).unwrap_or(0),
            column: u32::try_from(start.column).unwrap_or(0),
        })
    }

    // --- errors ---

    fn expected(&self, what: &str) -> SqlError {
        SqlError::Syntax(match self.tokens.get(self.at) {
            None => format!("Expected: {what}, found: EOF"),
            Some(token) => {
                let place = token.span.start;
                let mut found = token.token.to_string();
                if found.len() > 60 {
                    found = found.chars().take(60).chain("...".chars()).collect();
                }
                format!(
                    "Expected: {what}, found: {found} at Line: {}, Column: {}",
                    place.line, place.column
                )
            }
        })
    }

    fn too_deep(&self) -> SqlError {
        SqlError::Syntax("recursion limit exceeded".to_owned())
    }

    /// The text from token `from` to the end of the statement.
    fn text_from(&self, from: usize) -> String {
        let rest = self.tokens.get(from..).unwrap_or_default();
        let end = rest.iter().position(|t| t.token == Token::SemiColon);
        render(&rest[..end.unwrap_or(rest.len())])
    }

    /// The text from token `from` to the next comma, closing parenthesis or clause.
    fn short_text_from(&self, from: usize) -> String {
        let rest = self.tokens.get(from..).unwrap_or_default();
        let mut depth = 0_usize;
        let mut len = 0;
        for token in rest {
            match &token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket if depth > 0 => depth -= 1,
                Token::Comma | Token::RParen | Token::SemiColon if depth == 0 => break,
                token if depth == 0 && len > 0 && starts_clause(keyword_of(Some(token))) => break,
                _ => {}
            }
            len += 1;
        }
        render(&rest[..len])
    }

    /// The whole statement is SQL, but not ours.
    fn unsupported(&self) -> SqlError {
        SqlError::Unsupported(self.text_from(self.start))
    }

    /// As [`Self::unsupported`], with the subscription language's wording.
    fn unsupported_select(&self) -> SqlError {
        let text = self.text_from(self.start);
        match self.language {
            Language::Full => SqlError::Unsupported(text),
            Language::OneOff | Language::Subscription => SqlError::UnsupportedSelect(text),
        }
    }
}

fn keyword_of(token: Option<&Token>) -> Option<Keyword> {
    match token? {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

fn starts_clause(keyword: Option<Keyword>) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        Some(K::FROM | K::WHERE | K::LIMIT | K::GROUP | K::ORDER | K::AND | K::OR | K::SET)
    )
}
