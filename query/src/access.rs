//! Which rows of a table a plan looks at: the choice of an index.
//!
//! Invariant: the rows an access yields, filtered by the conjuncts that the choice left over, are
//! exactly the rows that satisfy all conjuncts, each once.

use std::cmp::Ordering;
use std::ops::Bound;

use spacetime_table::{IndexAlgorithm, IndexSchema, TableSchema};
use spacetime_types::IndexId;

use crate::ast::Comparison;
use crate::column_kind::Order;
use crate::predicate::{Compare, Operand, Predicate, Slot};

/// The part of a table that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the filter cannot hold.
    Empty,
    /// Every row.
    Scan,
    /// The rows with one of these keys. A key is the BSATN of all columns of the index, one after
    /// the other; no two keys are equal.
    Points { index: IndexId, keys: Vec<Vec<u8>> },
    /// The rows whose first index columns equal `prefix` and whose next one lies in the bounds.
    Range {
        index: IndexId,
        prefix: Vec<u8>,
        prefix_columns: usize,
        start: Bound<Vec<u8>>,
        end: Bound<Vec<u8>>,
    },
}

/// Most keys that one OR chain may turn into index lookups.
const KEYS_MAX: usize = 4_096;

/// An index with what it would use up.
struct Candidate {
    access: Access,
    /// Positions of the conjuncts that the access answers.
    used: Vec<usize>,
    /// Better candidates are greater.
    rank: Rank,
}

/// Full keys of unique indexes, then full keys of more columns, then longer prefixes and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    class: u8,
    columns: usize,
    bounds: usize,
}

/// Chooses for table `table` of the plan; returns the conjuncts that are still to be tested.
pub(crate) fn choose(
    schema: &TableSchema,
    table: usize,
    conjuncts: Vec<Predicate>,
) -> (Access, Vec<Predicate>) {
    if conjuncts
        .iter()
        .any(|term| matches!(term, Predicate::Always(false)))
    {
        return (Access::Empty, Vec::new());
    }
    let candidates = schema
        .indexes
        .iter()
        .filter_map(|index| candidate(index, table, &conjuncts));
    match candidates.max_by_key(|candidate| candidate.rank) {
        None => (Access::Scan, conjuncts),
        Some(best) => {
            let rest = conjuncts.into_iter().enumerate();
            let rest = rest.filter(|(position, _)| !best.used.contains(position));
            (best.access, rest.map(|(_, term)| term).collect())
        }
    }
}

fn candidate(index: &IndexSchema, table: usize, conjuncts: &[Predicate]) -> Option<Candidate> {
    let columns = index.algorithm.columns();
    let slot = |position: usize| Slot {
        table,
        column: usize::from(columns[position].0),
    };
    let mut prefix = Vec::new();
    let mut used = Vec::new();
    for position in 0..columns.len() {
        let Some((at, value)) = equality(conjuncts, slot(position)) else {
            break;
        };
        prefix.extend_from_slice(value);
        used.push(at);
    }
    if used.len() == columns.len() {
        let rank = Rank {
            class: if index.unique { 4 } else { 3 },
            columns: used.len(),
            bounds: 0,
        };
        let access = Access::Points {
            index: index.id,
            keys: vec![prefix],
        };
        return Some(Candidate { access, used, rank });
    }
    if columns.len() == 1
        && let Some(found) = any_of(index, slot(0), conjuncts)
    {
        return Some(found);
    }
    if !matches!(index.algorithm, IndexAlgorithm::BTree(_)) {
        return None;
    }
    let prefix_columns = used.len();
    let next = slot(prefix_columns);
    let (start, start_used) = tightest(conjuncts, next, Comparison::Gt, Comparison::Ge);
    let (end, end_used) = tightest(conjuncts, next, Comparison::Lt, Comparison::Le);
    let bounds = usize::from(start_used.is_some()) + usize::from(end_used.is_some());
    if prefix_columns == 0 && bounds == 0 {
        return None;
    }
    used.extend(start_used);
    used.extend(end_used);
    Some(Candidate {
        access: Access::Range {
            index: index.id,
            prefix,
            prefix_columns,
            start,
            end,
        },
        used,
        rank: Rank {
            class: 1,
            columns: prefix_columns,
            bounds,
        },
    })
}

/// The first conjunct `column = constant`.
fn equality(conjuncts: &[Predicate], slot: Slot) -> Option<(usize, &[u8])> {
    conjuncts.iter().enumerate().find_map(|(position, term)| {
        let (compare, value) = comparison_with_value(term, slot)?;
        (compare.operator == Comparison::Eq).then_some((position, value))
    })
}

/// A comparison of the column with a constant. Simplified predicates have the column on the left.
fn comparison_with_value(term: &Predicate, slot: Slot) -> Option<(&Compare, &[u8])> {
    match term {
        Predicate::Compare(compare) => match (&compare.left, &compare.right) {
            (Operand::Column(column), Operand::Value(value)) if *column == slot => {
                Some((compare, value))
            }
            _ => None,
        },
        _ => None,
    }
}

/// A conjunct `column = a OR column = b OR ...` as lookups of each value.
fn any_of(index: &IndexSchema, slot: Slot, conjuncts: &[Predicate]) -> Option<Candidate> {
    let (position, order, mut keys) =
        conjuncts.iter().enumerate().find_map(|(position, term)| {
            let (order, values) = value_list(term, slot)?;
            Some((position, order, values))
        })?;
    keys.sort_by(|left, right| order.compare(left, right));
    keys.dedup_by(|left, right| order.compare(left, right) == Ordering::Equal);
    let access = Access::Points {
        index: index.id,
        keys: keys.into_iter().map(<[u8]>::to_vec).collect(),
    };
    Some(Candidate {
        access,
        used: vec![position],
        rank: Rank {
            class: 2,
            columns: 1,
            bounds: 0,
        },
    })
}

/// The values of an OR of equalities of one column.
pub(crate) fn value_list(term: &Predicate, slot: Slot) -> Option<(Order, Vec<&[u8]>)> {
    let terms = match term {
        Predicate::Or(terms) if terms.len() <= KEYS_MAX => terms.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut order = None;
    let mut values = Vec::with_capacity(terms.len());
    for term in terms {
        let (compare, value) = comparison_with_value(term, slot)?;
        if compare.operator != Comparison::Eq {
            return None;
        }
        order = Some(compare.order);
        values.push(value);
    }
    order.map(|order| (order, values))
}

/// The tightest bound of one direction, and the conjunct that gives it.
fn tightest(
    conjuncts: &[Predicate],
    slot: Slot,
    exclusive: Comparison,
    inclusive: Comparison,
) -> (Bound<Vec<u8>>, Option<usize>) {
    let mut best: Option<(usize, &Compare, &[u8])> = None;
    for (position, term) in conjuncts.iter().enumerate() {
        let Some((compare, value)) = comparison_with_value(term, slot) else {
            continue;
        };
        if compare.operator != exclusive && compare.operator != inclusive {
            continue;
        }
        let is_tighter = match best {
            None => true,
            // A value that lies strictly inside the other's bound is tighter.
            Some((_, _, known)) => {
                let order = compare.order.compare(value, known);
                exclusive.holds(order) || (order.is_eq() && compare.operator == exclusive)
            }
        };
        if is_tighter {
            best = Some((position, compare, value));
        }
    }
    match best {
        None => (Bound::Unbounded, None),
        Some((position, compare, value)) => {
            let bound = match compare.operator == exclusive {
                true => Bound::Excluded(value.to_vec()),
                false => Bound::Included(value.to_vec()),
            };
            (bound, Some(position))
        }
    }
}
