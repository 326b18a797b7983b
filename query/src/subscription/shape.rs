//! What queries have in common that differ in constants only.
//!
//! Constants that columns are compared with are taken out of a condition and become parameters:
//! columns of a table that follows those of the query and has one row, the query's values. All
//! queries of a shape share its schemas, its condition and its plans.
//!
//! Invariant: equal hashes mean the same tables, the same condition and the same plans.

use std::sync::Arc;

use spacetime_table::{Datastore, TableSchema};

use crate::ast::Comparison;
use crate::compile::Branch;
use crate::error::SqlError;
use crate::plan::{Plan, is_current};
use crate::planner::plan_tables;
use crate::predicate::{Compare, Operand, Predicate, Rows, Slot};

/// Most tables of a subscription without those of visibility rules.
pub(super) const TABLES_MAX: usize = 8;

/// The values of a query's parameters in BSATN.
pub(super) type Values = Box<[Box<[u8]>]>;

/// A query without its constants.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) hash: [u8; 32],
    /// In the order of the FROM clause, then those of visibility rules.
    pub(super) schemas: Vec<Arc<TableSchema>>,
    /// Position of the returned table.
    pub(super) returned: usize,
    condition: Predicate,
    /// For joins, per table: the plan that starts from that table's changes.
    pub(super) from_changes: Vec<Plan>,
}

/// A query over one combination of visibility rules.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub(super) shape: Arc<Shape>,
    pub(super) values: Values,
}

/// A row of a query over one table, with the query's values.
#[derive(Clone, Copy, Debug)]
struct BoundRow<'a> {
    bytes: &'a [u8],
    schema: &'a TableSchema,
    values: &'a [Box<[u8]>],
}

impl Rows for BoundRow<'_> {
    fn column(&self, slot: Slot) -> &[u8] {
        match slot.table {
            0 => &self.bytes[self.schema.layout.column_range(self.bytes, slot.column)],
            _ => &self.values[slot.column],
        }
    }
}

impl Shape {
    /// Whether both were compiled against the same state of the schema.
    pub(super) fn has_schemas_of(&self, other: &Shape) -> bool {
        let mut pairs = self.schemas.iter().zip(&other.schemas);
        self.schemas.len() == other.schemas.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl Fragment {
    /// `tables` of the branch's tables are the query's own, the others come from rules.
    pub(super) fn new(branch: &Branch, returned: usize, tables: usize) -> Result<Self, SqlError> {
        if branch.condition != Predicate::Always(false) {
            check_indexes(branch, tables)?;
        }
        let parameters = branch.schemas.len();
        let (condition, values) = take_values(branch.condition.clone(), parameters);
        let mut from_changes = Vec::new();
        if branch.schemas.len() > 1 {
            for first in 0..branch.schemas.len() {
                let schemas = branch.schemas.clone();
                from_changes.push(plan_tables(schemas, condition.clone(), Some(first)));
            }
        }
        let shape = Shape {
            hash: hash(&branch.schemas, returned, &condition),
            schemas: branch.schemas.clone(),
            returned,
            condition,
            from_changes,
        };
        Ok(Fragment {
            shape: Arc::new(shape),
            values,
        })
    }

    /// The condition with the query's values in it.
    pub(super) fn condition(&self) -> Predicate {
        let parameters = self.shape.schemas.len();
        let bind = |operand| match operand {
            Operand::Column(slot) if slot.table == parameters => {
                Operand::Value(self.values[slot.column].to_vec())
            }
            other => other,
        };
        let terms = self.shape.condition.clone().into_conjuncts().into_iter();
        let terms = terms.map(|term| match term {
            Predicate::Compare(compare) => Predicate::Compare(Compare {
                left: bind(compare.left),
                right: bind(compare.right),
                ..compare
            }),
            other => other,
        });
        Predicate::from_conjuncts(terms.collect())
    }

    /// The plan for reading everything.
    pub(super) fn plan(&self) -> Plan {
        plan_tables(self.shape.schemas.clone(), self.condition(), None)
    }

    pub(super) fn is_join(&self) -> bool {
        self.shape.schemas.len() > 1
    }

    /// Whether every row of its one table belongs to the result.
    pub(super) fn takes_all(&self) -> bool {
        !self.is_join() && self.shape.condition == Predicate::Always(true)
    }

    /// Whether a row of its one table belongs to the result.
    pub(super) fn takes(&self, bytes: &[u8]) -> bool {
        self.shape.condition.holds(&BoundRow {
            bytes,
            schema: &self.shape.schemas[0],
            values: &self.values,
        })
    }

    pub(super) fn is_current(&self, datastore: &Datastore) -> bool {
        let schemas = &self.shape.schemas;
        schemas.iter().all(|schema| is_current(schema, datastore))
    }
}

/// Replaces the constants of a condition by columns of table `parameters`. Equal conditions give
/// equal results, in whatever order their terms are.
fn take_values(condition: Predicate, parameters: usize) -> (Predicate, Values) {
    let is_comparison = |term: &Predicate| match term {
        Predicate::Compare(compare) => {
            matches!(
                (&compare.left, &compare.right),
                (Operand::Column(_), Operand::Value(_))
            )
        }
        _ => false,
    };
    let terms = condition.into_conjuncts().into_iter();
    let (taken, mut terms): (Vec<_>, Vec<_>) = terms.partition(is_comparison);
    let mut taken: Vec<_> = taken.into_iter().filter_map(comparison).collect();
    taken.sort_by(|left, right| left.0.cmp(&right.0));
    let mut values = Vec::with_capacity(taken.len());
    for ((_, _, _, value), compare) in taken {
        let right = Operand::Column(Slot {
            table: parameters,
            column: values.len(),
        });
        terms.push(Predicate::Compare(Compare { right, ..compare }));
        values.push(value.into_boxed_slice());
    }
    (Predicate::from_conjuncts(terms), values.into_boxed_slice())
}

/// Table, column, operator and value: what comparisons with constants are sorted by.
type Key = (usize, usize, &'static str, Vec<u8>);

fn comparison(term: Predicate) -> Option<(Key, Compare)> {
    let Predicate::Compare(compare) = term else {
        return None;
    };
    let (Operand::Column(slot), Operand::Value(value)) = (&compare.left, &compare.right) else {
        return None;
    };
    let key = (
        slot.table,
        slot.column,
        compare.operator.symbol(),
        value.clone(),
    );
    Some((key, compare))
}

fn hash(schemas: &[Arc<TableSchema>], returned: usize, condition: &Predicate) -> [u8; 32] {
    let mut text = format!("{returned}");
    for schema in schemas {
        text.push_str(&format!(" {}", schema.id));
    }
    text.push(' ');
    condition.write_normal(&mut text);
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// A change of one table must find its partners without reading whole tables, at least in one of
/// the directions of each join: the tables must hang together by equalities of which one side has
/// an index on its column, and for the rest on columns that are compared with constants.
fn check_indexes(branch: &Branch, tables: usize) -> Result<(), SqlError> {
    let conjuncts = match &branch.condition {
        Predicate::And(terms) => terms.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut part: Vec<usize> = (0..tables).collect();
    for term in conjuncts {
        let Some((left, right)) = equality(term) else {
            continue;
        };
        let is_own = left.table < tables && right.table < tables && left.table != right.table;
        let has_index = |slot| is_indexed(branch, conjuncts, slot);
        if is_own && (has_index(left) || has_index(right)) {
            let (from, to) = (part[left.table], part[right.table]);
            for known in &mut part {
                if *known == from {
                    *known = to;
                }
            }
        }
    }
    match part.iter().all(|known| *known == part[0]) {
        true => Ok(()),
        false => Err(SqlError::SubscriptionIndex),
    }
}

fn is_indexed(branch: &Branch, conjuncts: &[Predicate], slot: Slot) -> bool {
    let is_constant = |column: usize| {
        conjuncts.iter().any(|term| match term {
            Predicate::Compare(compare) => {
                let own = Operand::Column(Slot { column, ..slot });
                compare.operator == Comparison::Eq
                    && compare.left == own
                    && matches!(compare.right, Operand::Value(_))
            }
            _ => false,
        })
    };
    branch.schemas[slot.table].indexes.iter().any(|index| {
        let mut columns = index
            .algorithm
            .columns()
            .iter()
            .map(|column| usize::from(column.0));
        let has_column = columns.clone().any(|column| column == slot.column);
        has_column && columns.all(|column| column == slot.column || is_constant(column))
    })
}

/// An equality of two columns.
pub(super) fn equality(term: &Predicate) -> Option<(Slot, Slot)> {
    match term {
        Predicate::Compare(compare) if compare.operator == Comparison::Eq => {
            match (&compare.left, &compare.right) {
                (Operand::Column(left), Operand::Column(right)) => Some((*left, *right)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use spacetime_table::definition::{ColumnDef, IndexDef, TableDef};
    use spacetime_table::{Datastore, IndexAlgorithm};
    use spacetime_types::{AlgebraicType, ColId, Identity};

    use crate::catalogue::Caller;
    use crate::subscription::SubscriptionPlan;

    fn database() -> Datastore {
        let mut datastore = Datastore::new();
        datastore.begin_tx();
        for name in ["a", "b", "c"] {
            let columns = ["k", "x"].map(|column| ColumnDef::new(column, AlgebraicType::U64));
            let mut table = TableDef::new(name, columns.to_vec());
            // The index that must not be preferred comes first.
            for column in [1, 0] {
                table.indexes.push(IndexDef {
                    name: format!("{name}_{column}").into(),
                    accessor: None,
                    algorithm: IndexAlgorithm::BTree(vec![ColId(column)]),
                });
            }
            datastore.create_table(&table).expect("a table");
        }
        datastore.commit();
        datastore
    }

    fn plan(datastore: &Datastore, sql: &str) -> SubscriptionPlan {
        let caller = Caller {
            identity: Identity::from_be_bytes([1; 32]),
            is_owner: true,
        };
        SubscriptionPlan::compile(sql, datastore, &caller).expect("a subscription")
    }

    #[test]
    fn queries_that_differ_in_constants_share_all_but_these() {
        let datastore = database();
        let join = "SELECT a.* FROM a JOIN b ON a.k = b.k WHERE b.x";
        let plans = [17, 18].map(|x| plan(&datastore, &format!("{join} = {x} AND a.x < {x}")));
        let [one, two] = plans.map(|plan| plan.fragments[0].clone());
        assert_eq!(one.shape.hash, two.shape.hash);
        assert_ne!(one.values, two.values);
        assert_eq!(one.values.len(), 2);
        assert_ne!(one.condition(), two.condition());
        let other = plan(&datastore, &format!("{join} > 17 AND a.x < 17"));
        assert_ne!(other.fragments[0].shape.hash, one.shape.hash);
    }

    #[test]
    fn changes_reach_partners_by_the_column_they_are_joined_on() {
        let datastore = database();
        let join = "SELECT a.* FROM a JOIN b ON a.k = b.k JOIN c ON b.k = c.k WHERE a.x = 1";
        let plan = plan(&datastore, &format!("{join} AND b.x = 2 AND c.x = 3"));
        for from in &plan.fragments[0].shape.from_changes {
            let key_of_k = |name: &str| datastore.index_id(&format!("{name}_0"));
            for step in &from.steps[1..] {
                let crate::plan::Source::Probe { index, .. } = &step.source else {
                    panic!("no lookup: {step:?}");
                };
                let name = &from.schemas[step.table].name;
                assert_eq!(Some(*index), key_of_k(name), "{name}");
            }
        }
    }
}
