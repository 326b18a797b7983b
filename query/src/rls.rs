//! Row-level security: a restricted table stands for the rows that its rules let the caller see.
//!
//! A reference to a table with rules becomes, for each rule, the rule's own tables and conditions
//! with the returned table in the place of the reference. A query over restricted tables so becomes
//! several, one per combination of rules, whose results are concatenated: a row that two rules let
//! through comes twice.
//!
//! Invariants
//!   * The tables of the query keep their positions; those of the rules follow them.
//!   * A rule is read with the owner's eyes and with the caller as `:sender`: it may join a table
//!     that the caller cannot read.
//!   * Tables inside a rule are restricted by their own rules, except references to the table that
//!     the rule is for. A circle is an error.
//!   * Owners see everything.
//!   * What a caller sees of a restricted table comes in an order that hidden rows have no part in:
//!     see [`is_restricted`].
//!
//! Not here: storing rules when a module is published.

use std::sync::Arc;

use spacetime_table::system::StRowLevelSecurity;
use spacetime_table::{Datastore, TableSchema};
use spacetime_types::{Identity, TableId};

use crate::catalogue::Caller;
use crate::compile::{Branch, resolve_query};
use crate::error::SqlError;
use crate::planted::{self, Bug};
use crate::predicate::Predicate;

/// Most queries that rules may make of one, and most tables of each.
const BRANCHES_MAX: usize = 256;
const TABLES_MAX: usize = 64;

/// The branches whose results together are what the caller may see of `branch`; at least one.
pub(crate) fn restrict(
    datastore: &Datastore,
    caller: &Caller,
    branch: Branch,
) -> Result<Vec<Branch>, SqlError> {
    if caller.is_owner {
        return Ok(vec![branch]);
    }
    let rules = Rules::of(datastore, caller);
    if rules.all.is_empty() {
        return Ok(vec![branch]);
    }
    let references = 0..branch.schemas.len();
    let mut path = Vec::new();
    rules.restrict(branch, references, &mut path)
}

/// Whether rows of these tables are hidden from the caller, by rules or because they are another
/// caller's rows of a view. The order in which rows are stored depends on hidden rows, too, so
/// results are then put in the order of the rows' bytes.
pub(crate) fn is_restricted(
    datastore: &Datastore,
    caller: &Caller,
    schemas: &[Arc<TableSchema>],
) -> bool {
    if schemas.iter().any(|schema| schema.view.is_some()) {
        return true;
    }
    let mut rules = datastore.system_rows::<StRowLevelSecurity>();
    !caller.is_owner
        && rules.any(|(_, rule)| schemas.iter().any(|schema| schema.id == rule.table_id))
}

/// Checks the text of a rule, with the owner's eyes; returns the table that it is for.
pub fn check_rule(sql: &str, datastore: &Datastore) -> Result<Arc<TableSchema>, SqlError> {
    let owner = Caller {
        identity: Identity::ZERO,
        is_owner: true,
    };
    let (rule, returned) = resolve_query(sql, datastore, &owner)?;
    let schema = rule.schemas.get(returned).ok_or(SqlError::NoFrom)?;
    Ok(Arc::clone(schema))
}

/// Names the rules in force: equal stamps mean equal rules.
pub(crate) fn stamp(datastore: &Datastore) -> [u8; 32] {
    let mut rules: Vec<_> = datastore
        .system_rows::<StRowLevelSecurity>()
        .map(|(_, row)| (row.table_id, row.sql))
        .collect();
    rules.sort();
    let mut hasher = blake3::Hasher::new();
    for (table, sql) in rules {
        let len = u64::try_from(sql.len()).unwrap_or(u64::MAX);
        hasher.update(&table.0.to_le_bytes());
        hasher.update(&len.to_le_bytes());
        hasher.update(sql.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

struct Rules<'a> {
    datastore: &'a Datastore,
    /// Reads the rules: sees all tables, and is the caller as `:sender`.
    reader: Caller,
    all: Vec<(TableId, Arc<str>)>,
}

impl<'a> Rules<'a> {
    fn of(datastore: &'a Datastore, caller: &Caller) -> Self {
        let rows = datastore.system_rows::<StRowLevelSecurity>();
        let mut all: Vec<_> = rows.map(|(_, row)| (row.table_id, row.sql)).collect();
        all.sort();
        if planted::is_on(Bug::VisibilityRuleLost) {
            all.pop();
        }
        Rules {
            datastore,
            reader: Caller {
                identity: caller.identity,
                is_owner: true,
            },
            all,
        }
    }

    /// Restricts the tables at some positions. `path` names the tables whose rules are being read.
    fn restrict(
        &self,
        branch: Branch,
        references: impl Iterator<Item = usize>,
        path: &mut Vec<TableId>,
    ) -> Result<Vec<Branch>, SqlError> {
        let mut branches = vec![branch];
        for position in references {
            let Some(table) = branches
                .first()
                .and_then(|first| first.schemas.get(position))
            else {
                continue;
            };
            let Some(choices) = self.choices(table.id, path)? else {
                continue;
            };
            let is_left = |branch: &Branch| {
                let left = branch.lefts.get(position);
                left.is_some_and(Option::is_some)
            };
            if branches.iter().any(is_left) {
                return Err(SqlError::RestrictedLeftJoin);
            }
            if branches.len() * choices.len() > BRANCHES_MAX {
                return Err(SqlError::TooManyRules(BRANCHES_MAX));
            }
            let mut grafted = Vec::with_capacity(branches.len() * choices.len());
            for branch in &branches {
                for (rule, returned) in &choices {
                    grafted.push(graft(branch, position, rule, *returned)?);
                }
            }
            branches = grafted;
        }
        Ok(branches)
    }

    /// What a reference to a table stands for, each with the position of the returned table;
    /// `None` if no rule is for the table.
    fn choices(
        &self,
        table: TableId,
        path: &mut Vec<TableId>,
    ) -> Result<Option<Vec<(Branch, usize)>>, SqlError> {
        let texts: Vec<&str> = self
            .all
            .iter()
            .filter(|(known, _)| *known == table)
            .map(|(_, sql)| &**sql)
            .collect();
        if texts.is_empty() {
            return Ok(None);
        }
        if path.contains(&table) {
            return Err(SqlError::CyclicRules(table));
        }
        path.push(table);
        let mut choices = Vec::new();
        for sql in texts {
            let (rule, returned) = resolve_query(sql, self.datastore, &self.reader)?;
            let is_own = |schema: &Arc<TableSchema>| schema.id == table;
            if !rule.schemas.get(returned).is_some_and(is_own) {
                let sql = sql.chars().take(200).collect();
                return Err(SqlError::RuleTable { table, sql });
            }
            let others: Vec<usize> = (0..rule.schemas.len())
                .filter(|position| !is_own(&rule.schemas[*position]))
                .collect();
            let branches = self.restrict(rule, others.into_iter(), path)?;
            choices.extend(branches.into_iter().map(|branch| (branch, returned)));
            if choices.len() > BRANCHES_MAX {
                return Err(SqlError::TooManyRules(BRANCHES_MAX));
            }
        }
        path.pop();
        Ok(Some(choices))
    }
}

/// Puts a rule in the place of a reference: its returned table is the reference, its other tables
/// follow those of the branch.
fn graft(
    branch: &Branch,
    position: usize,
    rule: &Branch,
    returned: usize,
) -> Result<Branch, SqlError> {
    let mut schemas = branch.schemas.clone();
    let mut places = Vec::with_capacity(rule.schemas.len());
    for (table, schema) in rule.schemas.iter().enumerate() {
        if table == returned {
            places.push(position);
        } else {
            places.push(schemas.len());
            schemas.push(Arc::clone(schema));
        }
    }
    if schemas.len() > TABLES_MAX {
        return Err(SqlError::TooManyRules(TABLES_MAX));
    }
    let rule = rule.condition.clone().moved(&|table| places[table]);
    let condition = Predicate::And(vec![branch.condition.clone(), rule]).simplify();
    Ok(Branch {
        schemas,
        condition,
        lefts: branch.lefts.clone(),
    })
}
