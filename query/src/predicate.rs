//! Filters as comparisons of BSATN slices.
//!
//! Invariant: operands of a comparison are valid BSATN of one type, and a `Column` predicate is a
//! Bool column. The compiler checked both, so evaluation cannot fail.

use std::fmt::Write;

use spacetime_table::TableSchema;

use crate::ast::Comparison;
use crate::column_kind::Order;
use crate::scalar::{EvalError, Node, Scalar};

/// A column of one of the tables of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Position in the FROM clause.
    pub table: usize,
    pub column: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Column(Slot),
    /// BSATN.
    Value(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compare {
    pub operator: Comparison,
    pub order: Order,
    pub left: Operand,
    pub right: Operand,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Predicate {
    Always(bool),
    Column(Slot),
    Compare(Compare),
    CompareBool(Comparison, Box<Predicate>, Box<Predicate>),
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    /// What comparisons of columns cannot say. Null does not satisfy it.
    Test(Box<Scalar>),
}

/// One row per table of a plan.
pub(crate) trait Rows {
    /// The BSATN of a column. The row is valid, so it has the column.
    fn column(&self, slot: Slot) -> &[u8];

    /// Whether a LEFT JOIN found no row of the table. Its columns must not be asked for then.
    fn is_absent(&self, _table: usize) -> bool {
        false
    }

    /// A key or an aggregate of a group; `None` is null.
    fn group(&self, _position: usize) -> Option<&[u8]> {
        None
    }
}

/// The only row of a plan with one table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneRow<'a> {
    pub bytes: &'a [u8],
    pub schema: &'a TableSchema,
}

impl Rows for OneRow<'_> {
    fn column(&self, slot: Slot) -> &[u8] {
        &self.bytes[self.schema.layout.column_range(self.bytes, slot.column)]
    }
}

impl Predicate {
    /// Whether the combination of one row per table satisfies a predicate that cannot fail.
    pub(crate) fn holds<R: Rows>(&self, rows: &R) -> bool {
        matches!(self.test(rows), Ok(true))
    }

    /// Whether the combination of one row per table satisfies the predicate.
    pub(crate) fn test<R: Rows>(&self, rows: &R) -> Result<bool, EvalError> {
        Ok(match self {
            Predicate::Always(value) => *value,
            Predicate::Column(slot) => rows.column(*slot).first().is_some_and(|byte| *byte != 0),
            Predicate::Compare(compare) => compare.holds(rows),
            Predicate::CompareBool(operator, left, right) => {
                operator.holds(left.test(rows)?.cmp(&right.test(rows)?))
            }
            Predicate::And(terms) => {
                for term in terms {
                    if !term.test(rows)? {
                        return Ok(false);
                    }
                }
                true
            }
            Predicate::Or(terms) => {
                for term in terms {
                    if term.test(rows)? {
                        return Ok(true);
                    }
                }
                false
            }
            Predicate::Not(inner) => !inner.test(rows)?,
            Predicate::Test(scalar) => scalar.is_true(rows)?,
        })
    }

    /// Whether testing a row can end in an error instead of an answer.
    pub(crate) fn can_fail(&self) -> bool {
        match self {
            Predicate::Always(_) | Predicate::Column(_) | Predicate::Compare(_) => false,
            Predicate::CompareBool(_, left, right) => left.can_fail() || right.can_fail(),
            Predicate::And(terms) | Predicate::Or(terms) => terms.iter().any(Self::can_fail),
            Predicate::Not(inner) => inner.can_fail(),
            Predicate::Test(scalar) => scalar.can_fail(),
        }
    }

    /// Whether testing a row takes time in the length of its texts.
    pub(crate) fn searches(&self) -> bool {
        match self {
            Predicate::Always(_) | Predicate::Column(_) | Predicate::Compare(_) => false,
            Predicate::CompareBool(_, left, right) => left.searches() || right.searches(),
            Predicate::And(terms) | Predicate::Or(terms) => terms.iter().any(Self::searches),
            Predicate::Not(inner) => inner.searches(),
            Predicate::Test(scalar) => scalar.searches(),
        }
    }

    /// Folds constants, flattens nested chains, puts columns left of constants, and turns tests of
    /// Bool columns into comparisons, so that the planner has one form to look for.
    pub(crate) fn simplify(self) -> Predicate {
        match self {
            Predicate::Always(_) | Predicate::Test(_) => self,
            Predicate::Column(slot) => bool_column(slot, true),
            Predicate::Compare(compare) => compare.simplify(),
            Predicate::CompareBool(operator, left, right) => match (*left, *right) {
                // As for columns of other types: a join may look the value up.
                (Predicate::Column(left), Predicate::Column(right)) => Compare {
                    operator,
                    order: Order::Unsigned(1),
                    left: Operand::Column(left),
                    right: Operand::Column(right),
                }
                .simplify(),
                (left, right) => compare_bool(operator, left.simplify(), right.simplify()),
            },
            Predicate::Not(inner) => negate(inner.simplify()),
            Predicate::And(terms) => simplify_chain(terms, true),
            Predicate::Or(terms) => simplify_chain(terms, false),
        }
    }

    /// Whether `test` accepts every column that the predicate uses.
    pub(crate) fn all_slots(&self, test: &mut impl FnMut(Slot) -> bool) -> bool {
        match self {
            Predicate::Always(_) => true,
            Predicate::Column(slot) => test(*slot),
            Predicate::Compare(compare) => {
                [&compare.left, &compare.right]
                    .into_iter()
                    .all(|operand| match operand {
                        Operand::Column(slot) => test(*slot),
                        Operand::Value(_) => true,
                    })
            }
            Predicate::CompareBool(_, left, right) => left.all_slots(test) && right.all_slots(test),
            Predicate::And(terms) | Predicate::Or(terms) => {
                terms.iter().all(|term| term.all_slots(test))
            }
            Predicate::Not(inner) => inner.all_slots(test),
            Predicate::Test(scalar) => scalar.all_slots(test),
        }
    }

    /// The same predicate about other positions in the FROM clause.
    pub(crate) fn moved(self, place: &impl Fn(usize) -> usize) -> Predicate {
        let slot = |slot: Slot| Slot {
            table: place(slot.table),
            ..slot
        };
        let operand = |operand| match operand {
            Operand::Column(column) => Operand::Column(slot(column)),
            value @ Operand::Value(_) => value,
        };
        let all = |terms: Vec<Predicate>| terms.into_iter().map(|term| term.moved(place)).collect();
        match self {
            Predicate::Always(_) => self,
            Predicate::Column(column) => Predicate::Column(slot(column)),
            Predicate::Compare(compare) => Predicate::Compare(Compare {
                left: operand(compare.left),
                right: operand(compare.right),
                ..compare
            }),
            Predicate::CompareBool(operator, left, right) => Predicate::CompareBool(
                operator,
                Box::new(left.moved(place)),
                Box::new(right.moved(place)),
            ),
            Predicate::And(terms) => Predicate::And(all(terms)),
            Predicate::Or(terms) => Predicate::Or(all(terms)),
            Predicate::Not(inner) => Predicate::Not(Box::new(inner.moved(place))),
            Predicate::Test(mut scalar) => {
                scalar.move_slots(place);
                Predicate::Test(scalar)
            }
        }
    }

    /// Whether every table used is among the bound ones.
    pub(crate) fn uses_only(&self, bound: &[bool]) -> bool {
        self.all_slots(&mut |slot| bound[slot.table])
    }

    /// The terms of the AND at the top.
    pub(crate) fn into_conjuncts(self) -> Vec<Predicate> {
        match self {
            Predicate::Always(true) => Vec::new(),
            Predicate::And(terms) => terms,
            other => vec![other],
        }
    }

    pub(crate) fn from_conjuncts(mut terms: Vec<Predicate>) -> Predicate {
        match terms.len() {
            0 => Predicate::Always(true),
            1 => terms.swap_remove(0),
            _ => Predicate::And(terms),
        }
    }

    /// A text that is the same for predicates that mean the same for the same reason.
    pub(crate) fn write_normal(&self, out: &mut String) {
        match self {
            Predicate::Always(value) => push(out, format_args!("{value}")),
            Predicate::Column(slot) => push(out, format_args!("#{}.{}", slot.table, slot.column)),
            Predicate::Compare(compare) => {
                out.push('(');
                compare.left.write_normal(out);
                out.push_str(compare.operator.symbol());
                compare.right.write_normal(out);
                out.push(')');
            }
            Predicate::CompareBool(operator, left, right) => {
                out.push('(');
                left.write_normal(out);
                out.push_str(operator.symbol());
                right.write_normal(out);
                out.push(')');
            }
            Predicate::And(terms) => write_chain(terms, "&", out),
            Predicate::Or(terms) => write_chain(terms, "|", out),
            Predicate::Not(inner) => {
                out.push('!');
                inner.write_normal(out);
            }
            // Every part of an expression is in its debug text.
            Predicate::Test(scalar) => push(out, format_args!("{:?}", scalar.node)),
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    assert!(written.is_ok(), "a string takes any text");
}

/// The order of the terms and repetitions do not matter.
fn write_chain(terms: &[Predicate], separator: &str, out: &mut String) {
    let mut texts: Vec<String> = terms
        .iter()
        .map(|term| {
            let mut text = String::new();
            term.write_normal(&mut text);
            text
        })
        .collect();
    texts.sort_unstable();
    texts.dedup();
    push(out, format_args!("({})", texts.join(separator)));
}

fn bool_column(slot: Slot, value: bool) -> Predicate {
    Predicate::Compare(Compare {
        operator: Comparison::Eq,
        order: Order::Unsigned(1),
        left: Operand::Column(slot),
        right: Operand::Value(vec![u8::from(value)]),
    })
}

/// There is no NULL: the opposite of a comparison is a comparison.
fn negate(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Always(value) => Predicate::Always(!value),
        Predicate::Not(inner) => *inner,
        Predicate::Compare(compare) => Predicate::Compare(Compare {
            operator: compare.operator.negated(),
            ..compare
        }),
        // Inside, the opposite of null is null.
        Predicate::Test(scalar) => {
            let nullable = scalar.nullable;
            Predicate::Test(Box::new(Scalar::bool(Node::Not(scalar), nullable)))
        }
        other => Predicate::Not(Box::new(other)),
    }
}

/// Compares two simplified predicates as Bool values.
fn compare_bool(operator: Comparison, left: Predicate, right: Predicate) -> Predicate {
    let (operator, value, predicate) = match (left, right) {
        (predicate, Predicate::Always(value)) => (operator, value, predicate),
        (Predicate::Always(value), predicate) => (operator.flipped(), value, predicate),
        (left, right) => {
            return Predicate::CompareBool(operator, Box::new(left), Box::new(right));
        }
    };
    let when_false = operator.holds(false.cmp(&value));
    let when_true = operator.holds(true.cmp(&value));
    match (when_false, when_true) {
        (false, true) => predicate,
        (true, false) => negate(predicate),
        _ => Predicate::Always(when_true),
    }
}

/// AND (`neutral` is true) or OR of the terms.
fn simplify_chain(terms: Vec<Predicate>, neutral: bool) -> Predicate {
    let mut kept = Vec::with_capacity(terms.len());
    for term in terms {
        match (term.simplify(), neutral) {
            (Predicate::Always(value), _) if value == neutral => {}
            (Predicate::Always(value), _) => return Predicate::Always(value),
            (Predicate::And(inner), true) | (Predicate::Or(inner), false) => kept.extend(inner),
            (term, _) => kept.push(term),
        }
    }
    match (kept.len(), neutral) {
        (0, _) => Predicate::Always(neutral),
        (1, _) => kept.swap_remove(0),
        (_, true) => Predicate::And(kept),
        (_, false) => Predicate::Or(kept),
    }
}

impl Operand {
    fn bytes<'a, R: Rows>(&'a self, rows: &'a R) -> &'a [u8] {
        match self {
            Operand::Column(slot) => rows.column(*slot),
            Operand::Value(bytes) => bytes,
        }
    }

    fn write_normal(&self, out: &mut String) {
        match self {
            Operand::Column(slot) => push(out, format_args!("#{}.{}", slot.table, slot.column)),
            Operand::Value(bytes) => {
                out.push('x');
                for byte in bytes {
                    push(out, format_args!("{byte:02x}"));
                }
            }
        }
    }
}

impl Compare {
    fn holds<R: Rows>(&self, rows: &R) -> bool {
        let (left, right) = (self.left.bytes(rows), self.right.bytes(rows));
        match self.operator {
            Comparison::Eq if self.order.equal_means_same_bytes() => left == right,
            Comparison::Ne if self.order.equal_means_same_bytes() => left != right,
            operator => operator.holds(self.order.compare(left, right)),
        }
    }

    fn simplify(self) -> Predicate {
        let flipped = match (&self.left, &self.right) {
            (Operand::Value(left), Operand::Value(right)) => {
                let order = self.order.compare(left, right);
                return Predicate::Always(self.operator.holds(order));
            }
            (Operand::Value(_), Operand::Column(_)) => true,
            (Operand::Column(left), Operand::Column(right)) => {
                if left == right {
                    return Predicate::Always(self.operator.holds(std::cmp::Ordering::Equal));
                }
                (left.table, left.column) > (right.table, right.column)
            }
            (Operand::Column(_), Operand::Value(_)) => false,
        };
        Predicate::Compare(if flipped {
            Compare {
                operator: self.operator.flipped(),
                order: self.order,
                left: self.right,
                right: self.left,
            }
        } else {
            self
        })
    }
}
