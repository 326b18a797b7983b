//! SELECT.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::{Language, Parser, keyword_of};
use crate::ast::{
    AggregateFunction, At, Expr, Item, Items, Join, JoinOn, OrderItem, Select, TableRef,
};
use crate::error::SqlError;

/// One entry of a select list.
enum Entry {
    Star,
    TableStar(String, At),
    Item(Item),
}

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Result<Select, SqlError> {
        let from_token = self.at;
        self.expect_keyword(Keyword::SELECT)?;
        if self.keyword() == Some(Keyword::TOP) {
            return Err(self.unsupported_select());
        }
        let distinct = self.eat_keyword(Keyword::DISTINCT);
        if distinct && self.keyword() == Some(Keyword::ON) {
            return Err(self.unsupported_select());
        }
        if !distinct {
            self.eat_keyword(Keyword::ALL);
        }
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
        let group_by = self.group_by()?;
        let having = match self.eat_keyword(Keyword::HAVING) {
            true => Some(self.filter()?),
            false => None,
        };
        let order_by = self.order_by()?;
        let (limit, offset) = self.limit_and_offset()?;
        self.refuse_other_clauses()?;
        if matches!(items, Items::Star) && !joins.is_empty() {
            return Err(SqlError::WildcardJoin);
        }
        Ok(Select {
            distinct,
            items,
            from,
            joins,
            filter,
            group_by,
            having,
            order_by,
            limit,
            offset,
            text: self.text_from(from_token),
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

    fn group_by(&mut self) -> Result<Vec<Expr>, SqlError> {
        let mut keys = Vec::new();
        if !self.eat_keyword(Keyword::GROUP) {
            return Ok(keys);
        }
        self.expect_keyword(Keyword::BY)?;
        if self.keyword() == Some(Keyword::ALL) {
            return Err(self.unsupported_select());
        }
        loop {
            keys.push(self.filter()?);
            if !self.eat(&Token::Comma) {
                return Ok(keys);
            }
        }
    }

    fn order_by(&mut self) -> Result<Vec<OrderItem>, SqlError> {
        let mut keys = Vec::new();
        if !self.eat_keyword(Keyword::ORDER) {
            return Ok(keys);
        }
        self.expect_keyword(Keyword::BY)?;
        loop {
            let at = self.place();
            let expr = self.filter()?;
            let descending = self.eat_keyword(Keyword::DESC);
            if !descending {
                self.eat_keyword(Keyword::ASC);
            }
            let nulls_first = match self.eat_keyword(Keyword::NULLS) {
                false => None,
                true if self.eat_keyword(Keyword::FIRST) => Some(true),
                true => {
                    self.expect_keyword(Keyword::LAST)?;
                    Some(false)
                }
            };
            keys.push(OrderItem {
                expr,
                descending,
                nulls_first,
                at,
            });
            if !self.eat(&Token::Comma) {
                return Ok(keys);
            }
        }
    }

    /// Both clauses, in either order.
    fn limit_and_offset(&mut self) -> Result<(Option<String>, Option<String>), SqlError> {
        let early = self.offset()?;
        let limit = self.limit()?;
        let offset = match early {
            None => self.offset()?,
            some => some,
        };
        Ok((limit, offset))
    }

    fn offset(&mut self) -> Result<Option<String>, SqlError> {
        if !self.eat_keyword(Keyword::OFFSET) {
            return Ok(None);
        }
        let Some(Token::Number(digits, _)) = self.peek() else {
            return Err(match self.peek() {
                None => self.expected("a number"),
                Some(_) => self.unsupported_select(),
            });
        };
        self.advance();
        if matches!(self.keyword(), Some(Keyword::ROW | Keyword::ROWS)) {
            self.advance();
        }
        Ok(Some(digits.clone()))
    }

    fn limit(&mut self) -> Result<Option<String>, SqlError> {
        if !self.eat_keyword(Keyword::LIMIT) {
            return Ok(None);
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
        let is_star = |entry: &Entry| matches!(entry, Entry::Star | Entry::TableStar(..));
        if entries.len() > 1 && entries.iter().any(is_star) {
            return Err(SqlError::MixedWildcard);
        }
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                Entry::Star => return Ok(Items::Star),
                Entry::TableStar(table, at) => return Ok(Items::TableStar(table, at)),
                Entry::Item(item) => items.push(item),
            }
        }
        Ok(Items::List(items))
    }

    fn entry(&mut self) -> Result<Entry, SqlError> {
        let (from, at) = (self.at, self.place());
        match self.peek() {
            None => return Err(self.expected("an expression")),
            Some(Token::Mul) => {
                self.advance();
                return Ok(Entry::Star);
            }
            Some(Token::Word(word)) if self.peek_ahead(1) == Some(&Token::LParen) => {
                if AggregateFunction::of(&word.value).is_none() {
                    return Err(SqlError::UnsupportedAggregate(self.short_text_from(from)));
                }
            }
            Some(Token::Comma | Token::RParen | Token::Char(_) | Token::SemiColon) => {
                return Err(self.expected("an expression"));
            }
            Some(_) => {}
        }
        if let Some(table) = self.table_star() {
            return Ok(Entry::TableStar(table, at));
        }
        let not_ours = |parser: &Self| {
            Err(SqlError::UnsupportedProjection(
                parser.short_text_from(from),
            ))
        };
        if starts_other_item(self.keyword()) {
            return not_ours(self);
        }
        let expr = match self.or_expr() {
            Err(SqlError::UnsupportedExpression(_) | SqlError::UnsupportedLiteral(_)) => {
                return not_ours(self);
            }
            other => other?,
        };
        // What depends on no row has no type here.
        let uses_rows = expr.any(&|e| matches!(e, Expr::Column(_) | Expr::Aggregate(_)));
        if self.continues_item() || !uses_rows {
            return not_ours(self);
        }
        let text = crate::lexer::render(&self.tokens[from..self.at]);
        let alias = self.column_alias()?;
        if alias.is_none() && expr.has_aggregate() {
            return Err(SqlError::AggregateWithoutAlias);
        }
        Ok(Entry::Item(Item {
            expr,
            alias,
            text,
            at,
        }))
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
        let (from, at) = (self.at, self.place());
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
        Ok(TableRef { name, alias, at })
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
                    joins.push(Join {
                        table,
                        on: JoinOn::Cross,
                    });
                    continue;
                }
                Some(K::LEFT) if self.language != Language::Subscription => {
                    joins.push(self.left_join()?);
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

    /// `LEFT [OUTER] JOIN table ON condition`
    fn left_join(&mut self) -> Result<Join, SqlError> {
        self.advance();
        self.eat_keyword(Keyword::OUTER);
        if !self.eat_keyword(Keyword::JOIN) {
            return Err(SqlError::NonInnerJoin);
        }
        let table = self.table_ref()?;
        if self.keyword() == Some(Keyword::USING) {
            return Err(SqlError::NonInnerJoin);
        }
        self.expect_keyword(Keyword::ON)?;
        let on = JoinOn::Left(self.filter()?);
        Ok(Join { table, on })
    }

    fn join_condition(&mut self) -> Result<JoinOn, SqlError> {
        if self.keyword() == Some(Keyword::USING) {
            return Err(SqlError::NonInnerJoin);
        }
        if !self.eat_keyword(Keyword::ON) {
            return Ok(JoinOn::Cross);
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
        Ok(JoinOn::Equal(left, right))
    }
}

/// Words that start something else than a column when they come first in a select list.
fn starts_other_item(keyword: Option<Keyword>) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        Some(
            K::NULL
                | K::TRUE
                | K::FALSE
                | K::CASE
                | K::CAST
                | K::INTERVAL
                | K::USER
                | K::CURRENT_USER
                | K::SESSION_USER
                | K::CURRENT_DATE
                | K::CURRENT_TIME
                | K::CURRENT_TIMESTAMP
        )
    )
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
