//! Compiled statements: tables, accesses and filters, with everything resolved.
//!
//! Invariants
//!   * A plan holds the schemas it was compiled against. A schema change makes another
//!     `Arc<TableSchema>`, so a stale plan is recognised by pointer.
//!   * `Plan::steps` is in execution order; a step's filter mentions only its own table and tables
//!     of earlier steps.

use std::sync::Arc;

use spacetime_table::{Datastore, TableSchema};
use spacetime_types::{IndexId, ProductType};

use crate::access::Access;
use crate::column_kind::Order;
use crate::group::Grouping;
use crate::predicate::{Predicate, Slot};
use crate::scalar::Scalar;
use crate::shape::whole_row;

/// Where the rows of one table of a plan come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The stored rows that an access yields.
    Stored(Access),
    /// Index lookups with keys made of earlier rows' columns and constants.
    Probe { index: IndexId, key: Vec<KeyPart> },
    /// Stored rows whose column equals an earlier row's (the step's `equality`), found through a
    /// hash table that is built when the step is first reached.
    Hash,
}

/// One column of a probe's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyPart {
    Column(Slot),
    Value(Vec<u8>),
}

/// One table of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Position in the FROM clause.
    pub table: usize,
    pub source: Source,
    /// What the source does not guarantee.
    pub filter: Predicate,
    /// Everything that can be tested here: the filter for rows that do not come from the source.
    pub whole_filter: Predicate,
    /// An equality with an earlier row: own column, earlier column.
    pub equality: Option<(usize, Slot)>,
    /// For LEFT JOIN: earlier rows without a partner that passes `filter` go on without one.
    pub left: Option<LeftJoin>,
}

/// What is particular to the step of a LEFT JOIN.
#[derive(Clone, Debug)]
pub(crate) struct LeftJoin {
    /// Conditions of WHERE on this table: tested with and without a partner.
    pub after: Predicate,
}

/// Combinations of rows, one per table, that satisfy the conditions.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In the order of the FROM clause.
    pub(crate) schemas: Vec<Arc<TableSchema>>,
    pub(crate) steps: Vec<Step>,
}

/// What becomes of a combination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// The whole row of one table.
    Table(usize),
    Columns(Vec<Slot>),
    /// How many there are.
    Count,
    /// Over groups, if the query groups.
    Values(Vec<Scalar>),
}

/// A key of ORDER BY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderKey {
    /// Over groups, if the query groups.
    pub value: Scalar,
    pub order: Order,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A compiled SELECT: combinations of rows are found, grouped, made into result rows, of which each
/// is kept once if it is DISTINCT, ordered, and cut by OFFSET and LIMIT.
#[derive(Clone, Debug)]
pub struct SelectPlan {
    pub(crate) plan: Plan,
    /// Plans whose results are appended: one for each further combination of visibility rules.
    /// Tables of the statement have the same positions in all plans; a rule's come after them.
    pub(crate) others: Vec<Plan>,
    pub(crate) output: Output,
    pub(crate) grouping: Option<Grouping>,
    pub(crate) distinct: bool,
    pub(crate) order: Vec<OrderKey>,
    /// Rows are hidden from the caller: what ORDER BY leaves equal comes in the order of its bytes.
    pub(crate) is_restricted: bool,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: u64,
    pub(crate) result_type: ProductType,
}

/// A compiled INSERT, UPDATE, DELETE or SET.
#[derive(Clone, Debug)]
pub struct ChangePlan {
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) change: Change,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Rows in BSATN.
    Insert(Vec<Vec<u8>>),
    Delete(Plan),
    /// Columns, ascending and distinct, with their new BSATN.
    Update(Plan, Vec<(usize, Vec<u8>)>),
    /// Replaces the rows of the plan by one: a variable is set whether or not it was.
    Replace(Plan, Vec<u8>),
}

impl Plan {
    /// Whether every table still has the schema that the plan was compiled against.
    #[must_use]
    pub fn is_current(&self, datastore: &Datastore) -> bool {
        self.schemas
            .iter()
            .all(|schema| is_current(schema, datastore))
    }

    /// The tables read, in the order of the FROM clause.
    #[must_use]
    pub fn tables(&self) -> &[Arc<TableSchema>] {
        &self.schemas
    }
}

pub(crate) fn is_current(schema: &Arc<TableSchema>, datastore: &Datastore) -> bool {
    datastore
        .schema(schema.id)
        .is_some_and(|current| Arc::ptr_eq(current, schema))
}

impl SelectPlan {
    /// Whole rows of the table at position `returned` of every plan; there is at least one plan.
    pub(crate) fn of_rows(
        mut plans: Vec<Plan>,
        returned: usize,
        is_restricted: bool,
    ) -> SelectPlan {
        let plan = plans.remove(0);
        let result_type = whole_row(&plan.schemas[returned]);
        SelectPlan {
            plan,
            others: plans,
            output: Output::Table(returned),
            grouping: None,
            distinct: false,
            order: Vec::new(),
            is_restricted,
            limit: None,
            offset: 0,
            result_type,
        }
    }

    /// Names and types of the result's columns.
    #[must_use]
    pub fn result_type(&self) -> &ProductType {
        &self.result_type
    }

    /// Where the rows come from; visibility rules may add more plans.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether every table still has the schema that the plan was compiled against.
    #[must_use]
    pub fn is_current(&self, datastore: &Datastore) -> bool {
        self.plans().all(|plan| plan.is_current(datastore))
    }

    /// Every table that is read.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableSchema>> {
        self.plans().flat_map(|plan| &plan.schemas)
    }

    /// All plans: the results of one after the other.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(&self.plan).chain(&self.others)
    }

    /// Whether it is nothing but combinations of rows: no order, no groups, no limits.
    #[must_use]
    pub(crate) fn is_plain(&self) -> bool {
        self.grouping.is_none()
            && !self.distinct
            && self.order.is_empty()
            && self.limit.is_none()
            && self.offset == 0
    }

    /// The table whose whole rows are returned, if that is what is returned.
    #[must_use]
    pub fn returned_table(&self) -> Option<&Arc<TableSchema>> {
        match self.output {
            Output::Table(table) => self.plan.schemas.get(table),
            Output::Columns(_) | Output::Count | Output::Values(_) => None,
        }
    }
}

impl ChangePlan {
    /// The table that is changed.
    #[must_use]
    pub fn table(&self) -> &Arc<TableSchema> {
        &self.schema
    }
}
