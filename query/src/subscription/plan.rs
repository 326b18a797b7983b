//! A compiled subscription query.

use std::sync::Arc;

use spacetime_table::{Datastore, RowList, TableSchema};

use crate::catalogue::Caller;
use crate::compile::compile_query;
use crate::error::{ExecuteError, SqlError};
use crate::execute::{RowBuffer, execute_select};
use crate::plan::{Output, Plan, SelectPlan, Source};
use crate::planner::plan_tables;
use crate::predicate::Predicate;
use crate::rls;

/// Most tables of a subscription.
const TABLES_MAX: usize = 2;

/// Names a query by what it means: equal hashes have equal results in every state. Texts that
/// differ in case, blanks, aliases or the order of conditions share a hash, and so do `:sender`
/// and the same identity written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryHash(pub [u8; 32]);

/// A compiled subscription: whole rows of one table.
#[derive(Clone, Debug)]
pub struct SubscriptionPlan {
    pub(super) select: SelectPlan,
    /// Position of the returned table in the FROM clause.
    pub(super) returned: usize,
    /// All conditions, simplified.
    pub(super) condition: Predicate,
    /// For joins, per table: the plan that starts from that table's changes.
    pub(super) from_changes: Vec<Plan>,
    hash: QueryHash,
    sql: Box<str>,
    caller: Caller,
    /// The visibility rules that it was compiled under, unless they do not apply.
    rules: Option<[u8; 32]>,
}

impl SubscriptionPlan {
    /// Compiles a query for a subscription, with the restrictions that this implies.
    pub fn compile(
        sql: &str,
        datastore: &Datastore,
        caller: &Caller,
    ) -> Result<SubscriptionPlan, SqlError> {
        let (select, mut branches) = compile_query(sql, datastore, caller)?;
        let condition = match (branches.pop(), branches.len()) {
            (Some(branch), 0) => branch.condition,
            (_, more) => return Err(SqlError::TooManyRules(more)),
        };
        let Output::Table(returned) = select.output else {
            return Err(SqlError::SubscriptionProjection);
        };
        let schemas = &select.plan.schemas;
        if schemas.len() > TABLES_MAX {
            return Err(SqlError::SubscriptionTables(schemas.len()));
        }
        let mut from_changes = Vec::new();
        if schemas.len() > 1 {
            for first in 0..schemas.len() {
                from_changes.push(plan_tables(schemas.clone(), condition.clone(), Some(first)));
            }
            let is_probe = |plan: &Plan| {
                plan.steps
                    .iter()
                    .any(|step| matches!(step.source, Source::Probe { .. }))
            };
            if condition != Predicate::Always(false) && !from_changes.iter().any(is_probe) {
                return Err(SqlError::SubscriptionIndex);
            }
        }
        Ok(SubscriptionPlan {
            hash: hash(schemas, returned, &condition),
            returned,
            condition,
            from_changes,
            select,
            sql: sql.trim().into(),
            caller: *caller,
            rules: (!caller.is_owner).then(|| rls::stamp(datastore)),
        })
    }

    /// Compiles a query that is asked once, without the restrictions of subscriptions.
    pub fn compile_one_off(
        sql: &str,
        datastore: &Datastore,
        caller: &Caller,
    ) -> Result<SelectPlan, SqlError> {
        compile_query(sql, datastore, caller).map(|(select, _)| select)
    }

    /// What the query means.
    #[must_use]
    pub fn hash(&self) -> QueryHash {
        self.hash
    }

    /// The text it was compiled from, trimmed.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// On whose behalf it was compiled.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The table whose rows are returned.
    #[must_use]
    pub fn table(&self) -> &Arc<TableSchema> {
        &self.select.plan.schemas[self.returned]
    }

    /// The query as a SELECT.
    #[must_use]
    pub fn select(&self) -> &SelectPlan {
        &self.select
    }

    /// Whether schema and visibility rules are still those it was compiled against.
    #[must_use]
    pub fn is_current(&self, datastore: &Datastore) -> bool {
        let rules_stand = |rules| rules == rls::stamp(datastore);
        self.select.plan.is_current(datastore) && self.rules.is_none_or(rules_stand)
    }

    /// Whether some table that the query reads has no row, so that the result is empty.
    #[must_use]
    pub fn reads_an_empty_table(&self, datastore: &Datastore) -> bool {
        self.select
            .plan
            .schemas
            .iter()
            .any(|schema| schema.is_event || datastore.row_count(schema.id).unwrap_or(0) == 0)
    }

    /// The present result.
    pub fn initial_rows(&self, datastore: &Datastore) -> Result<RowList, ExecuteError> {
        let mut rows = RowBuffer::new(self.fixed_row_len());
        execute_select(&self.select, datastore, &mut rows)?;
        Ok(rows.finish())
    }

    /// The length of every result row in bytes, if the type says so.
    #[must_use]
    pub fn fixed_row_len(&self) -> Option<usize> {
        fixed_len(self.table())
    }
}

/// The length of every result row, if the type says so.
pub(super) fn fixed_len(schema: &TableSchema) -> Option<usize> {
    match crate::catalogue::hidden_columns(schema) {
        0 => schema.layout.fixed_bsatn_len(),
        _ => None,
    }
}

fn hash(schemas: &[Arc<TableSchema>], returned: usize, condition: &Predicate) -> QueryHash {
    let mut text = format!("{returned}");
    for schema in schemas {
        text.push_str(&format!(" {}", schema.id));
    }
    text.push(' ');
    condition.write_normal(&mut text);
    QueryHash(*blake3::hash(text.as_bytes()).as_bytes())
}
