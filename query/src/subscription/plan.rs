//! A compiled subscription query.

use std::sync::{Arc, OnceLock};

use spacetime_table::{Datastore, RowList, TableSchema, TxDelta};

use super::maintain;
use super::shape::{Fragment, TABLES_MAX};
use super::top::Top;
use crate::catalogue::Caller;
use crate::compile::{self, compile_query};
use crate::error::{ExecuteError, SqlError};
use crate::execute::{RowBuffer, execute_select};
use crate::plan::{Output, SelectPlan};
use crate::rls;

/// Names a query by what it means: equal hashes have equal results in every state. Texts that
/// differ in case, blanks, aliases or the order of conditions share a hash, and so do `:sender`
/// and the same identity written out. Callers who see different rows have different hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryHash(pub [u8; 32]);

/// A compiled subscription: whole rows of one table, or the first ones in an order.
#[derive(Clone, Debug)]
pub struct SubscriptionPlan {
    /// One for each combination of visibility rules; their results are concatenated.
    pub(super) fragments: Box<[Fragment]>,
    hash: QueryHash,
    sql: Box<str>,
    caller: Caller,
    /// The visibility rules that it was compiled under, unless they do not apply.
    rules: Option<Box<[u8; 32]>>,
    /// Rows are hidden from the caller: lists of rows are in the order of their bytes.
    pub(super) is_restricted: bool,
    /// Of a query with ORDER BY and LIMIT, which rows are delivered.
    pub(super) top: Option<Arc<Top>>,
    /// Made when it is asked for: most queries are read once and then kept for long.
    select: OnceLock<Box<SelectPlan>>,
}

impl SubscriptionPlan {
    /// Compiles a query for a subscription, with the restrictions that this implies.
    pub fn compile(
        sql: &str,
        datastore: &Datastore,
        caller: &Caller,
    ) -> Result<SubscriptionPlan, SqlError> {
        let mut query = compile_query(sql, datastore, caller)?;
        let Output::Table(returned) = query.select.output else {
            return Err(SqlError::SubscriptionProjection);
        };
        if query.tables > TABLES_MAX {
            return Err(SqlError::SubscriptionTables(query.tables));
        }
        let fragments = query.branches.iter();
        let fragments = fragments.map(|branch| Fragment::new(branch, returned, query.tables));
        let fragments: Box<[Fragment]> = fragments.collect::<Result<_, _>>()?;
        assert!(!fragments.is_empty(), "a query has a branch");
        let top = match query.select.is_plain() {
            true => None,
            false => Some(Arc::new(Top::of(&mut query.select, returned)?)),
        };
        Ok(SubscriptionPlan {
            hash: hash(&fragments, top.as_deref()),
            fragments,
            is_restricted: query.select.is_restricted,
            top,
            sql: sql.trim().into(),
            caller: *caller,
            rules: (!caller.is_owner).then(|| Box::new(rls::stamp(datastore))),
            select: OnceLock::from(Box::new(query.select)),
        })
    }

    /// Compiles a query that is asked once, without the restrictions of subscriptions.
    pub fn compile_one_off(
        sql: &str,
        datastore: &Datastore,
        caller: &Caller,
    ) -> Result<SelectPlan, SqlError> {
        compile::compile_one_off(sql, datastore, caller)
    }

    /// The same query for keeping: it shares what it can with others, and does without the plan
    /// that reads everything.
    pub(super) fn kept(&self, share: &mut dyn FnMut(&Fragment) -> Fragment) -> SubscriptionPlan {
        SubscriptionPlan {
            fragments: self.fragments.iter().map(share).collect(),
            hash: self.hash,
            sql: self.sql.clone(),
            caller: self.caller,
            rules: self.rules.clone(),
            is_restricted: self.is_restricted,
            top: self.top.clone(),
            select: match self.top {
                Some(_) => self.select.clone(),
                None => OnceLock::new(),
            },
        }
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
        let shape = &self.fragments[0].shape;
        &shape.schemas[shape.returned]
    }

    /// The tables that are read, also those that only visibility rules mention; some may come
    /// more than once.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableSchema>> {
        self.fragments
            .iter()
            .flat_map(|fragment| &fragment.shape.schemas)
    }

    /// The query as a SELECT.
    #[must_use]
    pub fn select(&self) -> &SelectPlan {
        self.select.get_or_init(|| {
            let plans = self.fragments.iter().map(Fragment::plan).collect();
            let returned = self.fragments[0].shape.returned;
            Box::new(SelectPlan::of_rows(plans, returned, self.is_restricted))
        })
    }

    /// Whether schema and visibility rules are still those it was compiled against.
    #[must_use]
    pub fn is_current(&self, datastore: &Datastore) -> bool {
        let rules_stand = |rules: &[u8; 32]| *rules == rls::stamp(datastore);
        self.has_current_schemas(datastore) && self.rules.as_deref().is_none_or(rules_stand)
    }

    /// Whether the schemas are still those it was compiled against, and the rules those of the
    /// stamp.
    pub(super) fn is_current_under(&self, datastore: &Datastore, rules: &[u8; 32]) -> bool {
        self.has_current_schemas(datastore)
            && self.rules.as_deref().is_none_or(|known| known == rules)
    }

    fn has_current_schemas(&self, datastore: &Datastore) -> bool {
        self.fragments
            .iter()
            .all(|fragment| fragment.is_current(datastore))
    }

    /// Whether some table that the query reads has no row, so that the result is empty.
    #[must_use]
    pub fn reads_an_empty_table(&self, datastore: &Datastore) -> bool {
        let is_empty = |schema: &Arc<TableSchema>| {
            schema.is_event || datastore.row_count(schema.id).unwrap_or(0) == 0
        };
        let reads_one = |fragment: &Fragment| fragment.shape.schemas.iter().any(is_empty);
        self.fragments.iter().all(reads_one)
    }

    /// The present result.
    pub fn initial_rows(&self, datastore: &Datastore) -> Result<RowList, ExecuteError> {
        let mut rows = RowBuffer::new(self.fixed_row_len());
        execute_select(self.select(), datastore, &mut rows)?;
        Ok(rows.finish())
    }

    /// What a transaction added to the result and took from it. `datastore` is the state right
    /// after the transaction, which may still be open. ORDER BY and LIMIT are left out of account.
    pub fn delta(
        &self,
        delta: &TxDelta,
        datastore: &Datastore,
    ) -> Result<(RowList, RowList), ExecuteError> {
        maintain::whole_delta(self, delta, datastore)
    }

    /// Whether no row can be in the result more than once, whatever the state, and [`Self::delta`]
    /// is all there is to know: then a row of the delta was not there before, or is there no more.
    #[must_use]
    pub fn is_set(&self) -> bool {
        match &*self.fragments {
            [only] => self.top.is_none() && !only.is_join(),
            _ => false,
        }
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

fn hash(fragments: &[Fragment], top: Option<&Top>) -> QueryHash {
    let mut hasher = blake3::Hasher::new();
    let add_len = |hasher: &mut blake3::Hasher, len: usize| {
        hasher.update(&u64::try_from(len).unwrap_or(u64::MAX).to_le_bytes());
    };
    for fragment in fragments {
        hasher.update(&fragment.shape.hash);
        add_len(&mut hasher, fragment.values.len());
        for value in &fragment.values {
            add_len(&mut hasher, value.len());
            hasher.update(value);
        }
    }
    if let Some(top) = top {
        hasher.update(top.text().as_bytes());
    }
    QueryHash(*hasher.finalize().as_bytes())
}
