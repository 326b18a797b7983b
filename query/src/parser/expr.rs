//! Expressions: conditions, and values made of columns.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::{Language, Parser, keyword_of};
use crate::ast::{
    AggregateCall, AggregateFunction, Arithmetic, At, ColumnRef, Comparison, DEPTH_MAX, Expr, Like,
};
use crate::error::SqlError;

/// Most parts that the copies of what stands before IN or BETWEEN may have together: they could
/// double at each level otherwise.
const COPIES_MAX: usize = 100_000;

/// Longest pattern of a subscription, which is matched in each transaction.
const LIVE_PATTERN_BYTES_MAX: usize = 64;

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

    pub(super) fn or_expr(&mut self) -> Result<Expr, SqlError> {
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
        let mut left = self.sum()?;
        loop {
            let at = self.place();
            if let Some(operator) = self.peek().and_then(comparison_of) {
                self.advance();
                self.enter()?;
                let right = self.sum()?;
                left = Expr::Compare(operator, Box::new(left), Box::new(right), at);
                continue;
            }
            let negated = self.keyword() == Some(Keyword::NOT);
            let word = keyword_of(self.peek_ahead(usize::from(negated)));
            let from = self.at;
            if !matches!(
                word,
                Some(Keyword::IN | Keyword::BETWEEN | Keyword::LIKE | Keyword::ILIKE)
            ) && (negated || word != Some(Keyword::IS))
            {
                break;
            }
            self.at += 1 + usize::from(negated);
            self.enter()?;
            left = match word {
                Some(Keyword::IN) => self.in_list(&left, from, at)?,
                Some(Keyword::BETWEEN) => self.between(left, at)?,
                Some(Keyword::IS) => self.is_null(left, from, at)?,
                other => self.like(left, other == Some(Keyword::ILIKE), at)?,
            };
            if negated {
                left = Expr::Not(Box::new(left));
            }
        }
        self.depth = depth;
        Ok(left)
    }

    /// `x IN (a, b)` is `x = a OR x = b`.
    fn in_list(&mut self, value: &Expr, from: usize, at: At) -> Result<Expr, SqlError> {
        self.expect(&Token::LParen)?;
        if matches!(
            self.keyword(),
            Some(Keyword::SELECT | Keyword::WITH | Keyword::VALUES)
        ) {
            let text = self.short_text_from(from);
            return Err(SqlError::UnsupportedExpression(text));
        }
        let size = value.size();
        let mut terms = Vec::new();
        loop {
            let element = self.sum()?;
            if (terms.len() + 1).saturating_mul(size) > COPIES_MAX {
                return Err(self.too_deep());
            }
            let value = Box::new(value.clone());
            terms.push(Expr::Compare(Comparison::Eq, value, Box::new(element), at));
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::RParen)?;
        Ok(match terms.len() {
            1 => terms.swap_remove(0),
            _ => Expr::Or(terms),
        })
    }

    /// `x BETWEEN a AND b` is `x >= a AND x <= b`.
    fn between(&mut self, value: Expr, at: At) -> Result<Expr, SqlError> {
        let low = self.sum()?;
        self.expect_keyword(Keyword::AND)?;
        let high = self.sum()?;
        if value.size() > COPIES_MAX / 2 {
            return Err(self.too_deep());
        }
        let other = Box::new(value.clone());
        Ok(Expr::And(vec![
            Expr::Compare(Comparison::Ge, Box::new(value), Box::new(low), at),
            Expr::Compare(Comparison::Le, other, Box::new(high), at),
        ]))
    }

    fn is_null(&mut self, value: Expr, from: usize, at: At) -> Result<Expr, SqlError> {
        let negated = self.eat_keyword(Keyword::NOT);
        if !self.eat_keyword(Keyword::NULL) {
            let text = self.text_from(from.saturating_sub(1));
            return Err(SqlError::UnsupportedExpression(text));
        }
        let test = Expr::IsNull(Box::new(value), at);
        Ok(match negated {
            true => Expr::Not(Box::new(test)),
            false => test,
        })
    }

    fn like(&mut self, value: Expr, ignore_case: bool, at: At) -> Result<Expr, SqlError> {
        let from = self.at;
        let pattern = self.string("a pattern in quotes")?;
        if self.language == Language::Subscription && pattern.len() > LIVE_PATTERN_BYTES_MAX {
            let text = format!("{} is too long a pattern", self.short_text_from(from));
            return Err(SqlError::UnsupportedExpression(text));
        }
        let escape = match self.eat_keyword(Keyword::ESCAPE) {
            false => None,
            true => {
                let place = self.at;
                let text = self.string("a character in quotes")?;
                let mut chars = text.chars();
                let (first, second) = (chars.next(), chars.next());
                if first.is_none() || second.is_some() {
                    let text = self.short_text_from(place);
                    return Err(SqlError::UnsupportedExpression(text));
                }
                first
            }
        };
        let like = Like {
            pattern,
            escape,
            ignore_case,
        };
        Ok(Expr::Like(Box::new(value), like, at))
    }

    fn string(&mut self, what: &str) -> Result<String, SqlError> {
        match self.peek() {
            Some(Token::SingleQuotedString(text)) => {
                self.advance();
                Ok(text.clone())
            }
            _ => Err(self.expected(what)),
        }
    }

    fn sum(&mut self) -> Result<Expr, SqlError> {
        self.arithmetic(Self::product, |token| match token {
            Token::Plus => Some(Arithmetic::Add),
            Token::Minus => Some(Arithmetic::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Result<Expr, SqlError> {
        self.arithmetic(Self::primary, |token| match token {
            Token::Mul => Some(Arithmetic::Multiply),
            Token::Div => Some(Arithmetic::Divide),
            Token::Mod => Some(Arithmetic::Remainder),
            _ => None,
        })
    }

    /// A chain of operators of one rank. It can fail on a row, so a subscription has none.
    fn arithmetic(
        &mut self,
        operand: fn(&mut Self) -> Result<Expr, SqlError>,
        operator: fn(&Token) -> Option<Arithmetic>,
    ) -> Result<Expr, SqlError> {
        let depth = self.depth;
        let mut left = operand(self)?;
        while self.language != Language::Subscription
            && let Some(operator) = self.peek().and_then(operator)
        {
            let at = self.place();
            self.advance();
            self.enter()?;
            let right = operand(self)?;
            left = Expr::Arithmetic(operator, Box::new(left), Box::new(right), at);
        }
        self.depth = depth;
        Ok(left)
    }

    fn primary(&mut self) -> Result<Expr, SqlError> {
        let (from, at) = (self.at, self.place());
        if let Some(literal) = self.literal() {
            return Ok(Expr::Literal(literal, at));
        }
        match self.peek() {
            None => Err(self.expected("an expression")),
            Some(Token::LParen) => self.parenthesised(),
            Some(Token::Colon) => self.parameter(),
            Some(Token::Word(word))
                if self.peek_ahead(1) == Some(&Token::LParen)
                    && word.quote_style.is_none()
                    && AggregateFunction::of(&word.value).is_some() =>
            {
                self.aggregate()
            }
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

    /// `COUNT(*)`, `SUM(x)`, `COUNT(DISTINCT x)`; the cursor is at the name.
    pub(super) fn aggregate(&mut self) -> Result<Expr, SqlError> {
        let (from, at) = (self.at, self.place());
        let name = self.word("a function")?;
        let Some(function) = AggregateFunction::of(&name) else {
            self.at = from;
            return Err(SqlError::UnsupportedAggregate(self.short_text_from(from)));
        };
        self.expect(&Token::LParen)?;
        self.enter()?;
        let is_count = function == AggregateFunction::Count;
        let distinct = self.eat_keyword(Keyword::DISTINCT);
        let argument = match is_count && !distinct && self.eat(&Token::Mul) {
            true => None,
            false => Some(self.or_expr()?),
        };
        self.depth -= 1;
        if !self.eat(&Token::RParen) || self.keyword() == Some(Keyword::OVER) {
            self.at = from;
            return Err(SqlError::UnsupportedAggregate(self.short_text_from(from)));
        }
        Ok(Expr::Aggregate(Box::new(AggregateCall {
            function,
            distinct,
            argument,
            at,
        })))
    }

    /// `:sender`, the only parameter.
    fn parameter(&mut self) -> Result<Expr, SqlError> {
        let (from, at) = (self.at, self.place());
        self.advance();
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() && word.value == "sender" => {
                self.advance();
                Ok(Expr::Sender(at))
            }
            Some(_) => Err(SqlError::UnsupportedExpression(self.short_text_from(from))),
            None => Err(self.expected("the name of a parameter")),
        }
    }

    /// `name { "." name }`: the last part is the column, the rest the table.
    pub(super) fn column(&mut self) -> Result<ColumnRef, SqlError> {
        let at = self.place();
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
        Ok(ColumnRef {
            qualifier,
            name,
            at,
        })
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
