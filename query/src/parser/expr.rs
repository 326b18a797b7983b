//! WHERE expressions.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::{Parser, keyword_of};
use crate::ast::{ColumnRef, Comparison, DEPTH_MAX, Expr};
use crate::error::SqlError;

impl Parser<'_> {
    /// An expression; what follows it must not be an operator that we do not know.
    pub(super) fn filter(&mut self) -> Result<Expr, SqlError> {
        let from = self.at;
        let expr = self.or_expr()?;
        match self.peek() {
            Some(token) if continues_expression(token, self.keyword()) => {
                Err(match keyword_of(Some(token)) {
                    None => SqlError::UnsupportedOperator(token.to_string()),
                    Some(_) => SqlError::UnsupportedExpression(self.text_from(from)),
                })
            }
            _ => Ok(expr),
        }
    }

    fn or_expr(&mut self) -> Result<Expr, SqlError> {
        let first = self.and_expr()?;
        if self.keyword() != Some(Keyword::OR) {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.eat_keyword(Keyword::OR) {
            terms.push(self.and_expr()?);
        }
        Ok(Expr::Or(terms))
    }

    fn and_expr(&mut self) -> Result<Expr, SqlError> {
        let first = self.not_expr()?;
        if self.keyword() != Some(Keyword::AND) {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.eat_keyword(Keyword::AND) {
            terms.push(self.not_expr()?);
        }
        Ok(Expr::And(terms))
    }

    fn not_expr(&mut self) -> Result<Expr, SqlError> {
        if !self.eat_keyword(Keyword::NOT) {
            return self.comparison();
        }
        self.enter()?;
        let inner = self.not_expr()?;
        self.depth -= 1;
        Ok(Expr::Not(Box::new(inner)))
    }

    /// Left associative: `a = b = c` is `(a = b) = c`.
    fn comparison(&mut self) -> Result<Expr, SqlError> {
        let depth = self.depth;
        let mut left = self.primary()?;
        while let Some(operator) = self.peek().and_then(comparison_of) {
            self.advance();
            self.enter()?;
            let right = self.primary()?;
            left = Expr::Compare(operator, Box::new(left), Box::new(right));
        }
        self.depth = depth;
        Ok(left)
    }

    fn primary(&mut self) -> Result<Expr, SqlError> {
        let from = self.at;
        if let Some(literal) = self.literal() {
            return Ok(Expr::Literal(literal));
        }
        match self.peek() {
            None => Err(self.expected("an expression")),
            Some(Token::LParen) => self.parenthesised(),
            Some(Token::Colon) => self.parameter(),
            Some(Token::Word(_)) => {
                if starts_other_expression(self.keyword(), self.peek_ahead(1)) {
                    let text = self.short_text_from(from);
                    return Err(SqlError::UnsupportedExpression(text));
                }
                self.column().map(Expr::Column)
            }
            Some(token) if is_other_literal(token) => {
                Err(SqlError::UnsupportedLiteral(self.short_text_from(from)))
            }
            Some(Token::Plus | Token::Minus | Token::LBracket | Token::Tilde)
                if self.peek_ahead(1).is_some() =>
            {
                Err(SqlError::UnsupportedExpression(self.short_text_from(from)))
            }
            Some(_) => Err(self.expected("an expression")),
        }
    }

    fn parenthesised(&mut self) -> Result<Expr, SqlError> {
        let from = self.at;
        self.advance();
        if matches!(
            self.keyword(),
            Some(Keyword::SELECT | Keyword::WITH | Keyword::VALUES)
        ) {
            let text = self.short_text_from(from);
            return Err(SqlError::UnsupportedExpression(text));
        }
        self.enter()?;
        let inner = self.or_expr()?;
        self.depth -= 1;
        match self.peek() {
            Some(Token::RParen) => {
                self.advance();
                Ok(inner)
            }
            Some(Token::Comma) => {
                let text = self.short_text_from(from);
                Err(SqlError::UnsupportedExpression(text))
            }
            Some(token) if continues_expression(token, self.keyword()) => {
                Err(SqlError::UnsupportedExpression(self.short_text_from(from)))
            }
            _ => Err(self.expected(")")),
        }
    }

    /// `:sender`, the only parameter.
    fn parameter(&mut self) -> Result<Expr, SqlError> {
        let from = self.at;
        self.advance();
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() && word.value == "sender" => {
                self.advance();
                Ok(Expr::Sender)
            }
            Some(_) => Err(SqlError::UnsupportedExpression(self.short_text_from(from))),
            None => Err(self.expected("the name of a parameter")),
        }
    }

    /// `name { "." name }`: the last part is the column, the rest the table.
    pub(super) fn column(&mut self) -> Result<ColumnRef, SqlError> {
        let mut name = self.word("a column")?;
        let mut qualifier: Option<String> = None;
        while self.eat(&Token::Period) {
            let next = self.word("identifier")?;
            let table = std::mem::replace(&mut name, next);
            qualifier = Some(match qualifier {
                Some(front) => format!("{front}.{table}"),
                None => table,
            });
        }
        Ok(ColumnRef { qualifier, name })
    }

    fn enter(&mut self) -> Result<(), SqlError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.too_deep());
        }
        Ok(())
    }
}

pub(super) fn comparison_of(token: &Token) -> Option<Comparison> {
    Some(match token {
        Token::Eq | Token::DoubleEq => Comparison::Eq,
        Token::Neq => Comparison::Ne,
        Token::Lt => Comparison::Lt,
        Token::LtEq => Comparison::Le,
        Token::Gt => Comparison::Gt,
        Token::GtEq => Comparison::Ge,
        _ => return None,
    })
}

/// Literals of SQL that have no meaning here.
fn is_other_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Placeholder(_)
            | Token::Question
    )
}

/// Operators and predicates of SQL that could follow an operand.
pub(super) fn continues_expression(token: &Token, keyword: Option<Keyword>) -> bool {
    use Keyword as K;
    match token {
        Token::Word(_) => matches!(
            keyword,
            Some(
                K::IS
                    | K::IN
                    | K::NOT
                    | K::BETWEEN
                    | K::LIKE
                    | K::ILIKE
                    | K::SIMILAR
                    | K::REGEXP
                    | K::RLIKE
                    | K::XOR
                    | K::COLLATE
                    | K::AT
                    | K::DIV
                    | K::OVERLAPS
            )
        ),
        Token::Comma
        | Token::RParen
        | Token::SemiColon
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::HexStringLiteral(_)
        | Token::Char(_)
        | Token::Period => false,
        _ => true,
    }
}

/// Unquoted words that start something else than a column when they come first.
fn starts_other_expression(keyword: Option<Keyword>, next: Option<&Token>) -> bool {
    use Keyword as K;
    if matches!(next, Some(Token::LParen | Token::SingleQuotedString(_))) {
        return true;
    }
    match keyword {
        Some(
            K::NULL
            | K::CASE
            | K::CAST
            | K::TRY_CAST
            | K::SAFE_CAST
            | K::EXISTS
            | K::EXTRACT
            | K::CEIL
            | K::FLOOR
            | K::POSITION
            | K::SUBSTRING
            | K::OVERLAY
            | K::TRIM
            | K::INTERVAL
            | K::USER
            | K::CURRENT_USER
            | K::SESSION_USER
            | K::CURRENT_CATALOG
            | K::CURRENT_DATE
            | K::CURRENT_TIME
            | K::CURRENT_TIMESTAMP
            | K::LOCALTIME
            | K::LOCALTIMESTAMP,
        ) => true,
        Some(K::ARRAY) => matches!(next, Some(Token::LBracket)),
        _ => false,
    }
}
