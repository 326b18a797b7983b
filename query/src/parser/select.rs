//! SELECT.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::{Language, Parser, keyword_of};
use crate::ast::{Item, Items, Join, Select, TableRef};
use crate::error::SqlError;

/// One entry of a select list.
enum Entry {
    Star,
    TableStar(String),
    Count(Option<String>),
    Column(Item),
}

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Result<Select, SqlError> {
        self.expect_keyword(Keyword::SELECT)?;
        if matches!(self.keyword(), Some(Keyword::DISTINCT | Keyword::TOP)) {
            return Err(self.unsupported_select());
        }
        self.eat_keyword(Keyword::ALL);
        let items = self.items()?;
        match self.keyword() {
            Some(Keyword::FROM) => self.advance(),
            Some(Keyword::INTO) => return Err(self.unsupported_select()),
            _ if self.at_end_of_statement() => return Err(SqlError::NoFrom),
            Some(
                Keyword::WHERE | Keyword::LIMIT | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER,
            ) => return Err(SqlError::NoFrom),
            _ => return Err(self.expected("FROM")),
        }
        let from = self.table_ref()?;
        let joins = self.joins()?;
        let filter = match self.eat_keyword(Keyword::WHERE) {
            true => Some(self.filter()?),
            false => None,
        };
        self.refuse_other_clauses()?;
        let limit = self.limit()?;
        self.refuse_other_clauses()?;
        if matches!(items, Items::Star) && !joins.is_empty() {
            return Err(SqlError::WildcardJoin);
        }
        Ok(Select {
            items,
            from,
            joins,
            filter,
            limit,
        })
    }

    fn refuse_other_clauses(&self) -> Result<(), SqlError> {
        use Keyword as K;
        match self.keyword() {
            Some(
                K::GROUP
                | K::HAVING
                | K::ORDER
                | K::SORT
                | K::OFFSET
                | K::FETCH
                | K::UNION
                | K::EXCEPT
                | K::INTERSECT
                | K::WINDOW
                | K::QUALIFY
                | K::CLUSTER
                | K::DISTRIBUTE
                | K::LATERAL
                | K::FOR,
            ) => Err(self.unsupported_select()),
            _ => Ok(()),
        }
    }

    fn limit(&mut self) -> Result<Option<String>, SqlError> {
        if !self.eat_keyword(Keyword::LIMIT) {
            return Ok(None);
        }
        if self.language == Language::Subscription {
            return Err(self.unsupported());
        }
        match self.peek() {
            None => Err(self.expected("a number")),
            Some(Token::Number(digits, _)) => {
                self.advance();
                Ok(Some(digits.clone()))
            }
            Some(token) if keyword_of(Some(token)) == Some(Keyword::ALL) => {
                self.advance();
                Ok(None)
            }
            Some(_) => Err(self.unsupported()),
        }
    }

    fn items(&mut self) -> Result<Items, SqlError> {
        let from = self.at;
        let mut entries = Vec::new();
        loop {
            if self.keyword() == Some(Keyword::FROM) {
                return Err(SqlError::NoFrom);
            }
            entries.push(self.entry()?);
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        let is_star = |entry: &Entry| matches!(entry, Entry::Star | Entry::TableStar(_));
        if entries.len() > 1 && entries.iter().any(is_star) {
            return Err(SqlError::MixedWildcard);
        }
        if entries.len() > 1 && entries.iter().any(|e| matches!(e, Entry::Count(_))) {
            return Err(SqlError::UnsupportedProjection(self.items_text(from)));
        }
        let mut columns = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                Entry::Star => return Ok(Items::Star),
                Entry::TableStar(table) => return Ok(Items::TableStar(table)),
                Entry::Count(None) => return Err(SqlError::AggregateWithoutAlias),
                Entry::Count(Some(alias)) => return Ok(Items::Count { alias }),
                Entry::Column(item) => columns.push(item),
            }
        }
        Ok(Items::Columns(columns))
    }

    fn items_text(&self, from: usize) -> String {
        crate::lexer::render(&self.tokens[from..self.at])
    }

    fn entry(&mut self) -> Result<Entry, SqlError> {
        let from = self.at;
        match self.peek() {
            None => return Err(self.expected("an expression")),
            Some(Token::Mul) => {
                self.advance();
                return Ok(Entry::Star);
            }
            Some(Token::Word(_)) if self.peek_ahead(1) == Some(&Token::LParen) => {
                return self.aggregate();
            }
            Some(Token::Word(_)) => {}
            Some(Token::Comma | Token::RParen | Token::Char(_) | Token::SemiColon) => {
                return Err(self.expected("an expression"));
            }
            Some(_) => {
                return Err(SqlError::UnsupportedProjection(self.short_text_from(from)));
            }
        }
        if let Some(table) = self.table_star() {
            return Ok(Entry::TableStar(table));
        }
        let reserved = matches!(
            self.keyword(),
            Some(
                Keyword::NULL
                    | Keyword::TRUE
                    | Keyword::FALSE
                    | Keyword::NOT
                    | Keyword::CASE
                    | Keyword::CAST
                    | Keyword::INTERVAL
                    | Keyword::USER
                    | Keyword::CURRENT_USER
                    | Keyword::SESSION_USER
                    | Keyword::CURRENT_DATE
                    | Keyword::CURRENT_TIME
                    | Keyword::CURRENT_TIMESTAMP
            )
        );
        if reserved {
            return Err(SqlError::UnsupportedProjection(self.short_text_from(from)));
        }
        let column = self.column()?;
        if self.continues_item() {
            return Err(SqlError::UnsupportedProjection(self.short_text_from(from)));
        }
        let alias = self.column_alias()?;
        Ok(Entry::Column(Item { column, alias }))
    }

    fn continues_item(&self) -> bool {
        self.peek().is_some_and(|token| {
            !matches!(token, Token::Word(_))
                && super::expr::continues_expression(token, self.keyword())
        })
    }

    /// `name { "." name } "." "*"`; the cursor stays when it is something else.
    fn table_star(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut ahead = 0;
        while let Some(Token::Word(word)) = self.peek_ahead(ahead) {
            if self.peek_ahead(ahead + 1) != Some(&Token::Period) {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&word.value);
            ahead += 2;
        }
        if ahead == 0 || self.peek_ahead(ahead) != Some(&Token::Mul) {
            return None;
        }
        self.at += ahead + 1;
        Some(name)
    }

    fn aggregate(&mut self) -> Result<Entry, SqlError> {
        let from = self.at;
        let function = self.word("a function")?;
        let is_count = function.eq_ignore_ascii_case("count");
        let is_star =
            self.peek_ahead(1) == Some(&Token::Mul) && self.peek_ahead(2) == Some(&Token::RParen);
        if !is_count || !is_star {
            return Err(SqlError::UnsupportedAggregate(self.short_text_from(from)));
        }
        self.at += 3;
        if self.continues_item() {
            return Err(SqlError::UnsupportedProjection(self.short_text_from(from)));
        }
        Ok(Entry::Count(self.column_alias()?))
    }

    fn column_alias(&mut self) -> Result<Option<String>, SqlError> {
        if self.eat_keyword(Keyword::AS) {
            if let Some(Token::SingleQuotedString(text)) = self.peek() {
                self.advance();
                return Ok(Some(text.clone()));
            }
            return self.word("an identifier after AS").map(Some);
        }
        match self.peek() {
            Some(Token::Word(word)) if !ends_column(self.keyword()) => {
                self.advance();
                Ok(Some(word.value.clone()))
            }
            Some(Token::SingleQuotedString(text)) => {
                self.advance();
                Ok(Some(text.clone()))
            }
            _ => Ok(None),
        }
    }

    /// A table with its optional alias.
    pub(super) fn table_ref(&mut self) -> Result<TableRef, SqlError> {
        let from = self.at;
        if self.peek() == Some(&Token::LParen) {
            return Err(SqlError::UnsupportedFrom(self.text_from(from)));
        }
        let name = self.dotted_name("identifier")?;
        let mut alias = None;
        if self.eat_keyword(Keyword::AS) {
            alias = Some(self.word("an identifier after AS")?);
        } else if let Some(Token::Word(word)) = self.peek()
            && !ends_table(self.keyword())
        {
            alias = Some(word.value.clone());
            self.advance();
        }
        if self.peek() == Some(&Token::LParen) {
            return Err(SqlError::UnsupportedFrom(self.text_from(from)));
        }
        Ok(TableRef { name, alias })
    }

    fn joins(&mut self) -> Result<Vec<Join>, SqlError> {
        use Keyword as K;
        let mut joins = Vec::new();
        loop {
            if self.peek() == Some(&Token::Comma) {
                return Err(SqlError::ImplicitJoin);
            }
            match self.keyword() {
                Some(K::JOIN) => self.advance(),
                Some(K::INNER) => {
                    self.advance();
                    self.expect_keyword(K::JOIN)?;
                }
                Some(K::CROSS) => {
                    self.advance();
                    if self.keyword() == Some(K::APPLY) {
                        return Err(SqlError::NonInnerJoin);
                    }
                    self.expect_keyword(K::JOIN)?;
                    let table = self.table_ref()?;
                    joins.push(Join { table, on: None });
                    continue;
                }
                Some(K::LEFT | K::RIGHT | K::FULL | K::NATURAL | K::OUTER | K::SEMI | K::ANTI) => {
                    return Err(SqlError::NonInnerJoin);
                }
                _ => return Ok(joins),
            }
            let table = self.table_ref()?;
            let on = self.join_condition()?;
            joins.push(Join { table, on });
        }
    }

    fn join_condition(
        &mut self,
    ) -> Result<Option<(crate::ast::ColumnRef, crate::ast::ColumnRef)>, SqlError> {
        if self.keyword() == Some(Keyword::USING) {
            return Err(SqlError::NonInnerJoin);
        }
        if !self.eat_keyword(Keyword::ON) {
            return Ok(None);
        }
        if self.peek().is_none() {
            return Err(self.expected("an expression"));
        }
        let is_word = |token: Option<&Token>| matches!(token, Some(Token::Word(_)));
        if !is_word(self.peek()) {
            return Err(SqlError::NonInnerJoin);
        }
        let left = self.column()?;
        if !self.eat(&Token::Eq) && !self.eat(&Token::DoubleEq) {
            return Err(SqlError::NonInnerJoin);
        }
        if !is_word(self.peek()) {
            return Err(SqlError::NonInnerJoin);
        }
        let right = self.column()?;
        let goes_on = matches!(self.keyword(), Some(Keyword::AND | Keyword::OR))
            || self.peek().is_some_and(|token| {
                token != &Token::Comma && super::expr::continues_expression(token, self.keyword())
            });
        if goes_on {
            return Err(SqlError::NonInnerJoin);
        }
        Ok(Some((left, right)))
    }
}

/// Words that cannot be a column's alias without AS.
fn ends_column(keyword: Option<Keyword>) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        Some(
            K::WITH
                | K::EXPLAIN
                | K::ANALYZE
                | K::SELECT
                | K::WHERE
                | K::GROUP
                | K::SORT
                | K::HAVING
                | K::ORDER
                | K::TOP
                | K::LATERAL
                | K::VIEW
                | K::LIMIT
                | K::OFFSET
                | K::FETCH
                | K::UNION
                | K::EXCEPT
                | K::INTERSECT
                | K::CLUSTER
                | K::DISTRIBUTE
                | K::FROM
                | K::INTO
                | K::END
        )
    )
}

/// Words that cannot be a table's alias without AS.
fn ends_table(keyword: Option<Keyword>) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        Some(
            K::WITH
                | K::EXPLAIN
                | K::ANALYZE
                | K::SELECT
                | K::WHERE
                | K::GROUP
                | K::SORT
                | K::HAVING
                | K::ORDER
                | K::PIVOT
                | K::TOP
                | K::LATERAL
                | K::VIEW
                | K::LIMIT
                | K::OFFSET
                | K::FETCH
                | K::UNION
                | K::EXCEPT
                | K::INTERSECT
                | K::ON
                | K::JOIN
                | K::INNER
                | K::CROSS
                | K::FULL
                | K::LEFT
                | K::RIGHT
                | K::NATURAL
                | K::USING
                | K::CLUSTER
                | K::DISTRIBUTE
                | K::OUTER
                | K::SET
                | K::QUALIFY
                | K::WINDOW
                | K::END
                | K::PARTITION
                | K::FOR
        )
    )
}
