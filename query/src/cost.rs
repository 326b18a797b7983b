//! How many stored rows a SELECT would visit, found out without visiting more than a few.
//!
//! Whoever can run a query here or elsewhere decides by this. Not here: what is worth it.

use spacetime_table::{Datastore, RowPtr, TableSchema};

use crate::access::Access;
use crate::execute::borrowed;
use crate::plan::{Output, Plan, SelectPlan, Source};
use crate::predicate::Predicate;

impl SelectPlan {
    /// The number of stored rows that the query visits, if that is at most `rows_max`; otherwise
    /// `None`. Joins count as every combination of their tables' rows.
    #[must_use]
    pub fn rows_visited(&self, datastore: &Datastore, rows_max: u64) -> Option<u64> {
        let plans = self
            .plans()
            .map(|plan| self.visited_by(plan, datastore, rows_max));
        let visited = plans
            .collect::<Option<Vec<u64>>>()?
            .into_iter()
            .try_fold(0, u64::checked_add)?;
        (visited <= rows_max).then_some(visited)
    }

    fn visited_by(&self, plan: &Plan, datastore: &Datastore, rows_max: u64) -> Option<u64> {
        match (plan.schemas.as_slice(), plan.steps.as_slice()) {
            ([schema], [step]) => {
                if self.output == Output::Count && is_counted_by_the_table(step) {
                    return Some(0);
                }
                match &step.source {
                    Source::Stored(access) => accessed(datastore, schema, access, rows_max),
                    Source::Probe { .. } | Source::Hash => None,
                }
            }
            (schemas, _) => schemas
                .iter()
                .map(|schema| datastore.row_count(schema.id).unwrap_or(0))
                .try_fold(1u64, u64::checked_mul),
        }
    }
}

/// Whether COUNT is the table's own row count.
fn is_counted_by_the_table(step: &crate::plan::Step) -> bool {
    step.source == Source::Stored(Access::Scan) && step.filter == Predicate::Always(true)
}

fn accessed(
    datastore: &Datastore,
    schema: &TableSchema,
    access: &Access,
    rows_max: u64,
) -> Option<u64> {
    if schema.is_event {
        return Some(0);
    }
    match access {
        Access::Empty => Some(0),
        Access::Scan => datastore.row_count(schema.id),
        Access::Points { index, keys } => {
            let is_unique = schema
                .indexes
                .iter()
                .any(|known| known.id == *index && known.unique);
            if is_unique {
                return u64::try_from(keys.len()).ok();
            }
            let mut visited = 0;
            for key in keys {
                let (_, rows) = datastore.index_point(*index, key).ok()?;
                visited += counted(rows, rows_max - visited)?;
            }
            Some(visited)
        }
        Access::Range {
            index,
            prefix,
            prefix_columns,
            start,
            end,
        } => {
            let (start, end) = (borrowed(start), borrowed(end));
            let found = datastore.index_range(*index, prefix, *prefix_columns, start, end);
            counted(found.ok()?.1, rows_max)
        }
    }
}

/// The number of rows, if it is at most `rows_max`.
fn counted(rows: impl Iterator<Item = RowPtr>, rows_max: u64) -> Option<u64> {
    let mut count = 0;
    for _ in rows {
        if count == rows_max {
            return None;
        }
        count += 1;
    }
    Some(count)
}
