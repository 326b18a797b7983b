//! Expressions with a value per combination of rows: select lists, keys of ORDER BY and GROUP BY,
//! arguments of aggregates, and conditions that comparisons of columns cannot say.
//!
//! Invariants
//!   * A value is BSATN of the expression's type, or null. Null comes from a row that a LEFT JOIN
//!     did not find, and from an option that holds nothing.
//!   * Conditions have three values: what is compared with null is neither true nor false.
//!   * Evaluation fails only where [`Scalar::can_fail`] says so: arithmetic out of range.

use std::borrow::Cow;

use spacetime_types::{AlgebraicType, ProductType, SumType};

use crate::ast::{AggregateFunction, Arithmetic, Comparison};
use crate::column_kind::Order;
use crate::like::Pattern;
use crate::predicate::{Predicate, Rows, Slot};

pub(crate) use crate::arithmetic::{EvalError, Number};

/// An expression with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub node: Node,
    /// The type of a value that is not null.
    pub ty: AlgebraicType,
    pub nullable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A column that always has a value.
    Column(Slot),
    /// A column of a type `Option<ty>`: nothing is null.
    OptionColumn(Slot),
    /// A value of the group: first its keys, then its aggregates.
    Group(usize),
    /// BSATN.
    Value(Vec<u8>),
    Arithmetic(Arithmetic, Number, Box<Scalar>, Box<Scalar>),
    Compare(Comparison, Order, Box<Scalar>, Box<Scalar>),
    Like(Box<Scalar>, Pattern),
    IsNull(Box<Scalar>),
    And(Vec<Scalar>),
    Or(Vec<Scalar>),
    Not(Box<Scalar>),
    /// A condition that is never null.
    Holds(Box<Predicate>),
    /// Stands only between typing and grouping; see `group`.
    Aggregate(Box<Aggregate>),
}

/// An aggregate of the rows of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aggregate {
    pub function: AggregateFunction,
    /// Equal arguments count once.
    pub distinct: bool,
    /// `None` for `COUNT(*)`. Nulls are left out.
    pub argument: Option<Scalar>,
    /// The type of the result when it is not null.
    pub ty: AlgebraicType,
}

/// The value of an expression for one combination of rows.
#[derive(Clone, Debug)]
pub(crate) enum Cell<'a> {
    Null,
    Bytes(&'a [u8]),
    /// The first bytes of the array.
    Small([u8; 16], usize),
}

impl<'a> Cell<'a> {
    pub(crate) fn bool(value: bool) -> Self {
        let mut bytes = [0; 16];
        bytes[0] = u8::from(value);
        Cell::Small(bytes, 1)
    }

    /// The BSATN, or `None` for null.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Cell::Null => None,
            Cell::Bytes(bytes) => Some(bytes),
            Cell::Small(bytes, len) => Some(&bytes[..*len]),
        }
    }

    fn truth(&self) -> Option<bool> {
        self.bytes()
            .map(|bytes| bytes.first().is_some_and(|byte| *byte != 0))
    }

    fn of_truth(truth: Option<bool>) -> Cell<'a> {
        truth.map_or(Cell::Null, Cell::bool)
    }
}

/// What an option's BSATN holds.
fn option_payload(bytes: &[u8]) -> Cell<'_> {
    match bytes.split_first() {
        Some((0, payload)) => Cell::Bytes(payload),
        _ => Cell::Null,
    }
}

/// The payload type of an option.
pub(crate) fn option_payload_type(ty: &AlgebraicType) -> Option<&AlgebraicType> {
    let AlgebraicType::Sum(SumType { variants }) = ty else {
        return None;
    };
    let [some, none] = variants.as_slice() else {
        return None;
    };
    let is_unit = matches!(&none.algebraic_type,
        AlgebraicType::Product(ProductType { elements }) if elements.is_empty());
    let named = some.name.as_deref() == Some("some") && none.name.as_deref() == Some("none");
    (is_unit && named).then_some(&some.algebraic_type)
}

impl Scalar {
    pub(crate) fn new(node: Node, ty: AlgebraicType, nullable: bool) -> Scalar {
        Scalar { node, ty, nullable }
    }

    pub(crate) fn bool(node: Node, nullable: bool) -> Scalar {
        Scalar::new(node, AlgebraicType::Bool, nullable)
    }

    /// A column; `absent` says that its row may be missing.
    pub(crate) fn column(slot: Slot, ty: &AlgebraicType, absent: bool) -> Scalar {
        match option_payload_type(ty) {
            Some(payload) => Scalar::new(Node::OptionColumn(slot), payload.clone(), true),
            None => Scalar::new(Node::Column(slot), ty.clone(), absent),
        }
    }

    /// The type of a result column that shows the value.
    pub(crate) fn result_type(&self) -> AlgebraicType {
        match self.nullable {
            true => AlgebraicType::option(self.ty.clone()),
            false => self.ty.clone(),
        }
    }

    pub(crate) fn eval<'a, R: Rows>(&'a self, rows: &'a R) -> Result<Cell<'a>, EvalError> {
        Ok(match &self.node {
            Node::Column(slot) if rows.is_absent(slot.table) => Cell::Null,
            Node::Column(slot) => Cell::Bytes(rows.column(*slot)),
            Node::OptionColumn(slot) if rows.is_absent(slot.table) => Cell::Null,
            Node::OptionColumn(slot) => option_payload(rows.column(*slot)),
            Node::Group(position) => rows.group(*position).map_or(Cell::Null, Cell::Bytes),
            Node::Value(bytes) => Cell::Bytes(bytes),
            Node::Arithmetic(operator, number, left, right) => {
                let (left, right) = (left.eval(rows)?, right.eval(rows)?);
                let (Some(left), Some(right)) = (left.bytes(), right.bytes()) else {
                    return Ok(Cell::Null);
                };
                let (bytes, len) = number.apply(*operator, left, right)?;
                Cell::Small(bytes, len)
            }
            Node::Compare(operator, order, left, right) => {
                let (left, right) = (left.eval(rows)?, right.eval(rows)?);
                let (Some(left), Some(right)) = (left.bytes(), right.bytes()) else {
                    return Ok(Cell::Null);
                };
                Cell::bool(operator.holds(order.compare(left, right)))
            }
            Node::Like(value, pattern) => match value.eval(rows)?.bytes() {
                None => Cell::Null,
                Some(text) => Cell::bool(pattern.matches(text.get(4..).unwrap_or_default())),
            },
            Node::IsNull(value) => Cell::bool(value.eval(rows)?.bytes().is_none()),
            Node::And(terms) => Cell::of_truth(chain(terms, rows, false)?),
            Node::Or(terms) => Cell::of_truth(chain(terms, rows, true)?),
            Node::Not(inner) => Cell::of_truth(inner.eval(rows)?.truth().map(|truth| !truth)),
            Node::Holds(predicate) => Cell::bool(predicate.test(rows)?),
            Node::Aggregate(_) => Cell::Null,
        })
    }

    /// Whether the condition is true: not false, not null.
    pub(crate) fn is_true<R: Rows>(&self, rows: &R) -> Result<bool, EvalError> {
        Ok(self.eval(rows)?.truth() == Some(true))
    }

    /// Appends the value as a result shows it.
    pub(crate) fn write<R: Rows>(&self, rows: &R, out: &mut Vec<u8>) -> Result<(), EvalError> {
        let cell = self.eval(rows)?;
        match (cell.bytes(), self.nullable) {
            (Some(bytes), true) => {
                out.push(0);
                out.extend_from_slice(bytes);
            }
            (Some(bytes), false) => out.extend_from_slice(bytes),
            (None, nullable) => {
                assert!(nullable, "only a nullable expression is null");
                out.push(1);
            }
        }
        Ok(())
    }

    fn parts(&self) -> Cow<'_, [Scalar]> {
        match &self.node {
            Node::And(terms) | Node::Or(terms) => Cow::Borrowed(terms),
            _ => Cow::Borrowed(&[]),
        }
    }

    fn pair(&self) -> [Option<&Scalar>; 2] {
        match &self.node {
            Node::Arithmetic(_, _, left, right) | Node::Compare(_, _, left, right) => {
                [Some(left), Some(right)]
            }
            Node::Like(inner, _) | Node::IsNull(inner) | Node::Not(inner) => [Some(inner), None],
            _ => [None, None],
        }
    }

    /// Whether `test` accepts every column that the expression uses.
    pub(crate) fn all_slots(&self, test: &mut dyn FnMut(Slot) -> bool) -> bool {
        match &self.node {
            Node::Column(slot) | Node::OptionColumn(slot) => test(*slot),
            Node::Holds(predicate) => predicate.all_slots(&mut |slot| test(slot)),
            Node::Aggregate(aggregate) => {
                aggregate.argument.iter().all(|inner| inner.all_slots(test))
            }
            _ => {
                self.parts().iter().all(|inner| inner.all_slots(test))
                    && self.pair().into_iter().flatten().all(|i| i.all_slots(test))
            }
        }
    }

    /// Makes it the same expression about other positions in the FROM clause.
    pub(crate) fn move_slots(&mut self, place: &dyn Fn(usize) -> usize) {
        match &mut self.node {
            Node::Column(slot) | Node::OptionColumn(slot) => slot.table = place(slot.table),
            Node::Group(_) | Node::Value(_) => {}
            Node::Arithmetic(_, _, left, right) | Node::Compare(_, _, left, right) => {
                left.move_slots(place);
                right.move_slots(place);
            }
            Node::Like(inner, _) | Node::IsNull(inner) | Node::Not(inner) => {
                inner.move_slots(place);
            }
            Node::And(terms) | Node::Or(terms) => {
                terms.iter_mut().for_each(|term| term.move_slots(place));
            }
            Node::Holds(predicate) => {
                let moved = std::mem::replace(&mut **predicate, Predicate::Always(true));
                **predicate = moved.moved(&|table| place(table));
            }
            Node::Aggregate(aggregate) => {
                if let Some(argument) = &mut aggregate.argument {
                    argument.move_slots(place);
                }
            }
        }
    }

    /// Whether a text is searched for a pattern, which takes time in its length.
    pub(crate) fn searches(&self) -> bool {
        match &self.node {
            Node::Like(..) => true,
            Node::Holds(predicate) => predicate.searches(),
            Node::Aggregate(aggregate) => aggregate.argument.iter().any(Scalar::searches),
            _ => {
                self.parts().iter().any(Scalar::searches)
                    || self.pair().into_iter().flatten().any(Scalar::searches)
            }
        }
    }

    /// Whether evaluation can end in an error.
    pub(crate) fn can_fail(&self) -> bool {
        match &self.node {
            Node::Arithmetic(..) => true,
            Node::Holds(predicate) => predicate.can_fail(),
            _ => {
                self.parts().iter().any(Scalar::can_fail)
                    || self.pair().into_iter().flatten().any(Scalar::can_fail)
            }
        }
    }
}

/// AND (`decided_by` is false) or OR with three values.
fn chain<R: Rows>(terms: &[Scalar], rows: &R, decided_by: bool) -> Result<Option<bool>, EvalError> {
    let mut result = Some(!decided_by);
    for term in terms {
        match term.eval(rows)?.truth() {
            Some(truth) if truth == decided_by => return Ok(Some(decided_by)),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(result)
}
