//! The module's rules of row level security, as rows of the database.
//!
//! Invariants
//!   * Rules that are stored together can be applied: each is a query over rows of a public table.
//!     Only a circle that leads from one to itself is let pass, with a warning, as the original
//!     does: the owner's queries work then, everybody else's fail.
//!
//! Not here: applying them (see `spacetime-query`).

use spacetime_query::{self as query, SqlError};
use spacetime_table::error::WriteError;
use spacetime_table::system::StRowLevelSecurity;
use spacetime_table::{Datastore, TableAccess};
use spacetime_types::Identity;

/// Why rules cannot be stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuleError {
    #[error("row level security rule `{sql}`: {error}")]
    Invalid { sql: Box<str>, error: SqlError },
    #[error(
        "Cannot define RLS rule on private table: {0}. \
         Please make table public if you wish to restrict access using RLS."
    )]
    Private(Box<str>),
    #[error("row level security of table `{table}`: {error}")]
    Unusable { table: Box<str>, error: SqlError },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Replaces all rules, inside the open transaction. Says whether they are others than before. If
/// this fails, the transaction has to be undone.
pub(crate) fn replace_rules<'a>(
    datastore: &mut Datastore,
    rules: impl IntoIterator<Item = &'a str>,
) -> Result<bool, RuleError> {
    let before = stored(datastore);
    datastore.delete_system_rows::<StRowLevelSecurity>(|_| true)?;
    let mut restricted = Vec::new();
    for sql in rules {
        let table = query::check_rule(sql, datastore).map_err(|error| RuleError::Invalid {
            sql: sql.into(),
            error,
        })?;
        if table.access == TableAccess::Private {
            return Err(RuleError::Private(table.name.as_ref().into()));
        }
        datastore.insert_system_row(&StRowLevelSecurity {
            table_id: table.id,
            sql: sql.into(),
        })?;
        restricted.push(table.name.clone());
    }
    // As somebody whom they restrict: only now is it known what they make of each other.
    let somebody = query::Caller {
        identity: Identity::ZERO,
        is_owner: false,
    };
    for table in restricted {
        let sql = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
        let Err(error) = query::compile(&sql, datastore, &somebody) else {
            continue;
        };
        if !matches!(error.kind(), SqlError::CyclicRules(_)) {
            let table = table.as_ref().into();
            return Err(RuleError::Unusable { table, error });
        }
        tracing::warn!(%table, %error, "nobody but the owner can query a table");
    }
    Ok(before != stored(datastore))
}

fn stored(datastore: &Datastore) -> Vec<StRowLevelSecurity> {
    let rows = datastore.system_rows::<StRowLevelSecurity>();
    let mut rows: Vec<_> = rows.map(|(_, row)| row).collect();
    rows.sort_unstable_by(|a, b| (a.table_id, &a.sql).cmp(&(b.table_id, &b.sql)));
    rows
}

#[cfg(test)]
mod tests {
    use spacetime_table::definition::{ColumnDef, TableDef};
    use spacetime_table::{Datastore, TableAccess};
    use spacetime_types::AlgebraicType;

    use super::{RuleError, replace_rules};

    fn database() -> Datastore {
        let mut datastore = Datastore::new();
        datastore.begin_tx();
        for (name, access) in [
            ("a", TableAccess::Public),
            ("b", TableAccess::Public),
            ("hidden", TableAccess::Private),
        ] {
            let columns = vec![ColumnDef::new("id", AlgebraicType::U32)];
            let mut def = TableDef::new(name, columns);
            def.access = access;
            datastore.create_table(&def).unwrap();
        }
        datastore.commit();
        datastore
    }

    #[test]
    fn rules_are_replaced_as_a_whole() {
        let mut datastore = database();
        datastore.begin_tx();
        let rules = [
            "SELECT * FROM a WHERE id = 1",
            "SELECT a.* FROM a JOIN hidden h ON a.id = h.id",
        ];
        assert!(replace_rules(&mut datastore, rules).unwrap());
        let turned = [rules[1], rules[0]];
        assert!(!replace_rules(&mut datastore, turned).unwrap());
        assert!(replace_rules(&mut datastore, [rules[0]]).unwrap());
        assert!(replace_rules(&mut datastore, []).unwrap());
        assert!(!replace_rules(&mut datastore, []).unwrap());
    }

    #[test]
    fn wrong_rules_are_refused() {
        let refusal = |rules: &[&str]| {
            let mut datastore = database();
            datastore.begin_tx();
            replace_rules(&mut datastore, rules.iter().copied()).unwrap_err()
        };
        let private = refusal(&["SELECT * FROM hidden"]);
        assert!(matches!(private, RuleError::Private(_)), "{private}");
        for rule in [
            "SELECT * FROM nowhere",
            "SELECT id FROM a",
            "DELETE FROM a",
            "?",
        ] {
            let invalid = refusal(&[rule]);
            assert!(matches!(invalid, RuleError::Invalid { .. }), "{invalid}");
        }
    }

    #[test]
    fn a_circle_is_stored() {
        let mut datastore = database();
        datastore.begin_tx();
        let circle = [
            "SELECT a.* FROM a JOIN b ON a.id = b.id",
            "SELECT b.* FROM b JOIN a ON a.id = b.id",
        ];
        assert!(replace_rules(&mut datastore, circle).unwrap());
    }
}
