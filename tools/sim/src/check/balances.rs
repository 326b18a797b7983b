//! Transfers move money; they never make or lose any.

use spacetime_types::TableId;

use crate::state::State;
use crate::violation::Violation;
use crate::workload::{ACCOUNTS, START_BALANCE, balance};

/// Adds the accounts up.
#[derive(Debug, Default)]
pub struct Balances {
    table: Option<TableId>,
}

impl Balances {
    /// The table with the accounts. It is filled by the transaction that makes it.
    pub fn watch(&mut self, table: TableId) {
        self.table = Some(table);
    }

    /// The table is not there any more: the transaction that made it was lost.
    pub fn forget(&mut self) {
        self.table = None;
    }

    pub fn check(&self, found: &State) -> Result<(), Violation> {
        let Some(table) = self.table else {
            return Ok(());
        };
        let rows = found.rows(table);
        let sum: i64 = rows.iter().filter_map(|row| balance(row)).sum();
        let accounts = i64::from(ACCOUNTS);
        if i64::try_from(rows.len()) != Ok(accounts) || sum != accounts * START_BALANCE {
            let what = format!("{} accounts with {sum} together", rows.len());
            return Err(Violation::new("balances", what));
        }
        Ok(())
    }
}
