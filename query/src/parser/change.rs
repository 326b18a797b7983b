//! INSERT, UPDATE, DELETE, SET and SHOW.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::{Parser, keyword_of};
use crate::ast::{At, Delete, Expr, Insert, Literal, Parsed, Update};
use crate::error::SqlError;

impl Parser<'_> {
    pub(super) fn insert(&mut self) -> Result<Parsed, SqlError> {
        self.expect_keyword(Keyword::INSERT)?;
        self.eat_keyword(Keyword::INTO);
        let at = self.place();
        let table = self.dotted_name("identifier")?;
        let columns = self.insert_columns()?;
        match self.keyword() {
            Some(Keyword::VALUES) => self.advance(),
            Some(Keyword::SELECT | Keyword::WITH | Keyword::TABLE) => {
                return Err(SqlError::UnsupportedInsert(self.text_from(self.start)));
            }
            _ => return Err(self.expected("VALUES")),
        }
        if self.peek_ahead(1) == Some(&Token::LParen) && matches!(self.peek(), Some(Token::Word(_)))
        {
            return Err(SqlError::UnsupportedInsert(self.text_from(self.start)));
        }
        let mut rows = vec![self.insert_row()?];
        while self.eat(&Token::Comma) {
            rows.push(self.insert_row()?);
        }
        if matches!(self.keyword(), Some(Keyword::RETURNING | Keyword::ON)) {
            return Err(self.unsupported());
        }
        Ok(Parsed::Insert(Insert {
            table,
            at,
            columns,
            rows,
        }))
    }

    fn insert_columns(&mut self) -> Result<Option<Vec<(String, At)>>, SqlError> {
        if !self.eat(&Token::LParen) {
            return Ok(None);
        }
        let mut columns = Vec::new();
        loop {
            let at = self.place();
            columns.push((self.word("a column name")?, at));
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::RParen)?;
        Ok(Some(columns))
    }

    fn insert_row(&mut self) -> Result<Vec<(Literal, At)>, SqlError> {
        self.expect(&Token::LParen)?;
        let mut row = Vec::new();
        loop {
            let (from, at) = (self.at, self.place());
            let literal = self.literal();
            match (literal, self.peek()) {
                (_, None) => return Err(self.expected("a value")),
                (Some(literal), Some(Token::Comma)) => row.push((literal, at)),
                (Some(literal), Some(Token::RParen)) => {
                    self.advance();
                    row.push((literal, at));
                    return Ok(row);
                }
                (None, Some(Token::Comma | Token::RParen | Token::SemiColon)) => {
                    return Err(self.expected("a value"));
                }
                _ => {
                    let text = self.short_text_from(from);
                    return Err(SqlError::UnsupportedInsertValue(text));
                }
            }
            self.advance();
        }
    }

    pub(super) fn update(&mut self) -> Result<Parsed, SqlError> {
        self.expect_keyword(Keyword::UPDATE)?;
        let at = self.place();
        let table = self.dotted_name("identifier")?;
        if matches!(self.peek(), Some(Token::Word(_) | Token::Comma))
            && self.keyword() != Some(Keyword::SET)
        {
            return Err(self.unsupported());
        }
        self.expect_keyword(Keyword::SET)?;
        let mut assignments = vec![self.assignment()?];
        while self.eat(&Token::Comma) {
            assignments.push(self.assignment()?);
        }
        if matches!(self.keyword(), Some(Keyword::FROM)) {
            return Err(self.unsupported());
        }
        let filter = self.change_filter()?;
        Ok(Parsed::Update(Update {
            table,
            at,
            assignments,
            filter,
        }))
    }

    fn assignment(&mut self) -> Result<(String, Literal, At), SqlError> {
        let (from, at) = (self.at, self.place());
        if self.peek() == Some(&Token::LParen) {
            return Err(self.unsupported());
        }
        let column = self.dotted_name("a column name")?;
        self.expect(&Token::Eq)?;
        if self.peek().is_none() {
            return Err(self.expected("a value"));
        }
        let literal = self.literal();
        let ends = self.at_end_of_statement()
            || self.peek() == Some(&Token::Comma)
            || matches!(
                self.keyword(),
                Some(Keyword::WHERE | Keyword::FROM | Keyword::RETURNING)
            );
        match literal {
            Some(literal) if ends => Ok((column, literal, at)),
            _ => Err(SqlError::UnsupportedAssignment(self.short_text_from(from))),
        }
    }

    pub(super) fn delete(&mut self) -> Result<Parsed, SqlError> {
        self.expect_keyword(Keyword::DELETE)?;
        self.expect_keyword(Keyword::FROM)?;
        let (from, at) = (self.at, self.place());
        let table = self.dotted_name("identifier")?;
        match self.peek() {
            Some(Token::Comma) => return Err(SqlError::MultiTableDelete),
            Some(Token::Word(_)) => match self.keyword() {
                Some(Keyword::USING) => return Err(self.unsupported()),
                Some(Keyword::WHERE | Keyword::RETURNING | Keyword::LIMIT | Keyword::ORDER) => {}
                _ => return Err(SqlError::UnsupportedDelete(self.short_text_from(from))),
            },
            _ => {}
        }
        let filter = self.change_filter()?;
        Ok(Parsed::Delete(Delete { table, at, filter }))
    }

    fn change_filter(&mut self) -> Result<Option<Expr>, SqlError> {
        let filter = match self.eat_keyword(Keyword::WHERE) {
            true => Some(self.filter()?),
            false => None,
        };
        match self.keyword() {
            Some(Keyword::RETURNING) => Err(self.unsupported()),
            _ => Ok(filter),
        }
    }

    pub(super) fn set_variable(&mut self) -> Result<Parsed, SqlError> {
        self.expect_keyword(Keyword::SET)?;
        if matches!(self.peek_ahead(1), Some(Token::Word(_))) {
            match self.keyword() {
                Some(Keyword::SESSION) => self.advance(),
                Some(
                    Keyword::LOCAL
                    | Keyword::GLOBAL
                    | Keyword::TIME
                    | Keyword::ROLE
                    | Keyword::TRANSACTION
                    | Keyword::NAMES,
                ) => return Err(self.unsupported()),
                _ => {}
            }
        }
        let name = self.dotted_name("identifier")?;
        if !self.eat(&Token::Eq) && !self.eat_keyword(Keyword::TO) {
            return Err(self.expected("= or TO"));
        }
        let from = self.at;
        if self.peek().is_none() {
            return Err(self.expected("a value"));
        }
        match self.literal() {
            Some(value) if self.at_end_of_statement() => Ok(Parsed::SetVariable { name, value }),
            Some(_) => Err(self.unsupported()),
            None => Err(SqlError::UnsupportedAssignment(self.short_text_from(from))),
        }
    }

    pub(super) fn show_variable(&mut self) -> Result<Parsed, SqlError> {
        use Keyword as K;
        self.expect_keyword(K::SHOW)?;
        if matches!(
            keyword_of(self.peek()),
            Some(
                K::TABLES
                    | K::COLUMNS
                    | K::FIELDS
                    | K::FUNCTIONS
                    | K::CREATE
                    | K::VARIABLES
                    | K::STATUS
                    | K::COLLATION
                    | K::DATABASES
                    | K::SCHEMAS
                    | K::VIEWS
                    | K::EXTENDED
                    | K::FULL
                    | K::GLOBAL
                    | K::SESSION
            )
        ) {
            return Err(self.unsupported());
        }
        let from = self.at;
        while !self.at_end_of_statement() {
            self.advance();
        }
        match &self.tokens[from..self.at] {
            [token] => match &token.token {
                Token::Word(word) => Ok(Parsed::ShowVariable {
                    name: word.value.clone(),
                }),
                _ => Err(SqlError::InvalidVariable(self.text_from(from))),
            },
            _ => Err(SqlError::InvalidVariable(self.text_from(from))),
        }
    }
}
