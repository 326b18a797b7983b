//! Groups of rows and their aggregates.
//!
//! Sums are exact or an error; those of floats depend on the order of the rows, in their last
//! digits.

use hashbrown::{HashMap, HashSet};
use rustc_hash::FxBuildHasher;
use spacetime_types::AlgebraicType;

use crate::arithmetic::{EvalError, Number, encode_signed, encode_unsigned, signed, unsigned};
use crate::ast::AggregateFunction;
use crate::column_kind::{ColumnKind, Order};
use crate::error::ExecuteError;
use crate::group::Grouping;
use crate::meter::Meter;
use crate::predicate::{Rows, Slot};
use crate::scalar::Aggregate;

/// What a group costs beside the bytes of its values, about.
const GROUP_BYTES: usize = 96;
/// What an aggregate costs beside the bytes of its value, about.
const AGGREGATE_BYTES: usize = 64;

/// The values of a finished group: keys, then aggregates; `None` is null.
#[derive(Debug)]
pub(crate) struct GroupRow {
    values: Vec<Option<Box<[u8]>>>,
}

impl Rows for GroupRow {
    fn column(&self, _slot: Slot) -> &[u8] {
        // Expressions over groups have no columns; see `Grouping::over_group`.
        &[]
    }

    fn group(&self, position: usize) -> Option<&[u8]> {
        self.values.get(position)?.as_deref()
    }
}

/// All groups of a query.
pub(crate) struct Groups<'a> {
    grouping: &'a Grouping,
    /// By the canonical bytes of the keys, in the order in which they were found.
    places: HashMap<Box<[u8]>, usize, FxBuildHasher>,
    groups: Vec<Group>,
    key: Vec<u8>,
}

struct Group {
    keys: Vec<Option<Box<[u8]>>>,
    aggregates: Vec<State>,
}

impl<'a> Groups<'a> {
    pub(crate) fn new(grouping: &'a Grouping) -> Self {
        let mut groups = Groups {
            grouping,
            places: HashMap::default(),
            groups: Vec::new(),
            key: Vec::new(),
        };
        // Without keys there is one group, also of no rows.
        if grouping.keys.is_empty() {
            groups.places.insert(Box::default(), 0);
            let aggregates = grouping.aggregates.iter().map(State::new);
            groups.groups.push(Group {
                keys: Vec::new(),
                aggregates: aggregates.collect(),
            });
        }
        groups
    }

    /// Adds a combination of rows to its group.
    pub(crate) fn add<R: Rows>(&mut self, rows: &R, meter: &Meter<'_>) -> Result<(), ExecuteError> {
        let grouping = self.grouping;
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for part in &grouping.keys {
            let cell = part.eval(rows)?;
            match cell.bytes() {
                None => key.push(0),
                Some(bytes) => {
                    key.push(1);
                    key.extend_from_slice(&canonical(&part.ty, bytes));
                }
            }
        }
        let place = match self.places.get(key.as_slice()) {
            Some(place) => *place,
            None => {
                let mut keys = Vec::with_capacity(grouping.keys.len());
                for part in &grouping.keys {
                    keys.push(part.eval(rows)?.bytes().map(Box::from));
                }
                let states = AGGREGATE_BYTES * grouping.aggregates.len();
                meter.hold(GROUP_BYTES + 2 * key.len() + states)?;
                let aggregates = grouping.aggregates.iter().map(State::new);
                self.groups.push(Group {
                    keys,
                    aggregates: aggregates.collect(),
                });
                self.places
                    .insert(key.as_slice().into(), self.groups.len() - 1);
                self.groups.len() - 1
            }
        };
        self.key = key;
        let group = &mut self.groups[place];
        for (aggregate, state) in grouping.aggregates.iter().zip(&mut group.aggregates) {
            state.add(aggregate, rows, meter)?;
        }
        Ok(())
    }

    /// The groups, in the order in which they were found.
    pub(crate) fn finish(self) -> Result<Vec<GroupRow>, ExecuteError> {
        let mut rows = Vec::with_capacity(self.groups.len());
        for group in self.groups {
            let mut values = group.keys;
            for (aggregate, state) in self.grouping.aggregates.iter().zip(group.aggregates) {
                values.push(state.finish(aggregate)?);
            }
            rows.push(GroupRow { values });
        }
        Ok(rows)
    }
}

fn canonical(ty: &AlgebraicType, bytes: &[u8]) -> Box<[u8]> {
    let order = ColumnKind::of(ty).map(ColumnKind::order);
    crate::execute::canonical_bytes(order, bytes)
}

/// An aggregate on its way.
struct State {
    /// Arguments that were counted, where each counts once.
    seen: Option<HashSet<Box<[u8]>, FxBuildHasher>>,
    count: u64,
    total: Total,
}

enum Total {
    Nothing,
    Unsigned(u128),
    Signed(i128),
    Float(f64),
    Extreme(Option<Box<[u8]>>),
}

impl State {
    fn new(aggregate: &Aggregate) -> State {
        let kind = aggregate.argument.as_ref().map(|argument| &argument.ty);
        let number = kind.and_then(ColumnKind::of).and_then(Number::of);
        State {
            seen: aggregate.distinct.then(HashSet::default),
            count: 0,
            total: match (aggregate.function, number) {
                (AggregateFunction::Count, _) => Total::Nothing,
                (AggregateFunction::Min | AggregateFunction::Max, _) => Total::Extreme(None),
                (_, Some(Number::Unsigned(_))) => Total::Unsigned(0),
                (_, Some(Number::Signed(_))) => Total::Signed(0),
                (_, _) => Total::Float(0.0),
            },
        }
    }

    fn add<R: Rows>(
        &mut self,
        aggregate: &Aggregate,
        rows: &R,
        meter: &Meter<'_>,
    ) -> Result<(), ExecuteError> {
        let Some(argument) = &aggregate.argument else {
            self.count += 1;
            return Ok(());
        };
        let cell = argument.eval(rows)?;
        let Some(bytes) = cell.bytes() else {
            return Ok(());
        };
        if let Some(seen) = &mut self.seen {
            let key = canonical(&argument.ty, bytes);
            if seen.contains(&key) {
                return Ok(());
            }
            meter.hold(AGGREGATE_BYTES + key.len())?;
            seen.insert(key);
        }
        self.count += 1;
        match &mut self.total {
            Total::Nothing => {}
            Total::Unsigned(total) => {
                let sum = total.checked_add(unsigned(bytes));
                *total = sum.ok_or(EvalError::Overflow)?;
            }
            Total::Signed(total) => {
                let sum = total.checked_add(signed(bytes));
                *total = sum.ok_or(EvalError::Overflow)?;
            }
            Total::Float(total) => {
                let number = ColumnKind::of(&argument.ty).and_then(Number::of);
                *total += number.map_or(0.0, |number| number.to_f64(bytes));
            }
            Total::Extreme(best) => {
                let order = ColumnKind::of(&argument.ty).map(ColumnKind::order);
                if is_better(aggregate.function, order, best.as_deref(), bytes) {
                    let before = best.as_ref().map_or(0, |bytes| bytes.len());
                    meter.hold(bytes.len())?;
                    meter.let_go(before);
                    *best = Some(bytes.into());
                }
            }
        }
        Ok(())
    }

    fn finish(self, aggregate: &Aggregate) -> Result<Option<Box<[u8]>>, EvalError> {
        if aggregate.function == AggregateFunction::Count {
            return Ok(Some(Box::from(self.count.to_le_bytes())));
        }
        if self.count == 0 {
            return Ok(None);
        }
        if aggregate.function == AggregateFunction::Avg {
            let average = self.total.as_f64() / crate::cost::float(self.count);
            return Ok(Some(Box::from(average.to_le_bytes())));
        }
        let width = match aggregate.ty {
            AlgebraicType::U128 | AlgebraicType::I128 => 16,
            _ => 8,
        };
        let encoded = match self.total {
            Total::Nothing => return Ok(None),
            Total::Extreme(best) => return Ok(best),
            Total::Float(total) => return Ok(Some(Box::from(total.to_le_bytes()))),
            Total::Unsigned(total) => encode_unsigned(total, width),
            Total::Signed(total) => encode_signed(total, width),
        };
        let (bytes, len) = encoded.ok_or(EvalError::Overflow)?;
        Ok(Some(Box::from(&bytes[..len])))
    }
}

impl Total {
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is meant")]
    fn as_f64(&self) -> f64 {
        match self {
            Total::Nothing | Total::Extreme(_) => 0.0,
            Total::Unsigned(total) => *total as f64,
            Total::Signed(total) => *total as f64,
            Total::Float(total) => *total,
        }
    }
}

fn is_better(
    function: AggregateFunction,
    order: Option<Order>,
    best: Option<&[u8]>,
    bytes: &[u8],
) -> bool {
    let (Some(best), Some(order)) = (best, order) else {
        return best.is_none();
    };
    let found = order.compare(bytes, best);
    match function {
        AggregateFunction::Min => found.is_lt(),
        _ => found.is_gt(),
    }
}
