//! From expressions over rows to expressions over groups.

use crate::error::SqlError;
use crate::scalar::{Aggregate, Node, Scalar};

/// GROUP BY and the aggregates of a select list, HAVING and ORDER BY.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Grouping {
    /// Over rows. Without any there is exactly one group, also of no rows.
    pub keys: Vec<Scalar>,
    /// Each once.
    pub aggregates: Vec<Aggregate>,
    /// Over groups.
    pub having: Option<Scalar>,
}

impl Grouping {
    /// The expression over groups: keys and aggregates become the group's values.
    pub(crate) fn over_group(&mut self, scalar: Scalar) -> Result<Scalar, SqlError> {
        if let Some(position) = self.keys.iter().position(|key| *key == scalar) {
            let Scalar { ty, nullable, .. } = scalar;
            return Ok(Scalar::new(Node::Group(position), ty, nullable));
        }
        let Scalar { node, ty, nullable } = scalar;
        let node = match node {
            Node::Aggregate(aggregate) => {
                let known = self
                    .aggregates
                    .iter()
                    .position(|known| *known == *aggregate);
                let position = known.unwrap_or_else(|| {
                    self.aggregates.push(*aggregate);
                    self.aggregates.len() - 1
                });
                Node::Group(self.keys.len() + position)
            }
            Node::Column(_) | Node::OptionColumn(_) | Node::Holds(_) => {
                return Err(SqlError::NotGrouped);
            }
            Node::Group(_) | Node::Value(_) => node,
            Node::Arithmetic(operator, number, left, right) => {
                Node::Arithmetic(operator, number, self.boxed(*left)?, self.boxed(*right)?)
            }
            Node::Compare(operator, order, left, right) => {
                Node::Compare(operator, order, self.boxed(*left)?, self.boxed(*right)?)
            }
            Node::Like(inner, pattern) => Node::Like(self.boxed(*inner)?, pattern),
            Node::IsNull(inner) => Node::IsNull(self.boxed(*inner)?),
            Node::Not(inner) => Node::Not(self.boxed(*inner)?),
            Node::And(terms) => Node::And(self.all(terms)?),
            Node::Or(terms) => Node::Or(self.all(terms)?),
        };
        Ok(Scalar::new(node, ty, nullable))
    }

    fn boxed(&mut self, scalar: Scalar) -> Result<Box<Scalar>, SqlError> {
        self.over_group(scalar).map(Box::new)
    }

    fn all(&mut self, terms: Vec<Scalar>) -> Result<Vec<Scalar>, SqlError> {
        terms
            .into_iter()
            .map(|term| self.over_group(term))
            .collect()
    }
}
