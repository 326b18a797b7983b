//! One random transaction, done to the database and to the model side by side.
//!
//! Every answer of the database is held against what the model expects.

use spacetime_table::error::WriteError;
use spacetime_table::{Datastore, Inserted};
use spacetime_types::{IndexId, TableId};

use super::shape::{ACCOUNT, ACCOUNTS, FIRST_TEMPORARY, SHAPES, START_BALANCE, ShapeId};
use super::{account_row, balance};
use crate::activation::{Activations, Kind};
use crate::check::{Balances, Sequences};
use crate::model::{Expected, Model};
use crate::random::Random;
use crate::violation::Violation;

const NAME: &str = "transaction";
/// Above this many rows a table is emptied more often than filled.
const ROWS_MAX: usize = 120;

/// What a transaction works on.
pub struct Target<'a> {
    pub datastore: &'a mut Datastore,
    pub model: &'a mut Model,
    pub sequences: &'a mut Sequences,
    pub balances: &'a mut Balances,
    pub activations: &'a mut Activations,
    pub random: &'a mut Random,
    /// Counts tables that were made, so that each has a name of its own.
    pub tables_made: &'a mut u32,
}

/// How the transaction is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Commit,
    Rollback,
}

/// Runs one transaction up to its end; the caller commits or rolls back.
pub fn run_transaction(target: &mut Target<'_>) -> Result<Done, Violation> {
    target.datastore.begin_tx();
    let missing = target.missing_shape();
    if let Some(shape) = missing {
        target.create(shape)?;
        if shape == ACCOUNT {
            target.fill_accounts()?;
            return Ok(Done::Commit);
        }
    }
    match target.random.weighted(&[30, 55, 3, 2, 10]) {
        0 => target.transfer()?,
        1 => target.change_rows()?,
        2 => target.create_temporary()?,
        3 => target.drop_temporary()?,
        _ => target.work_with_savepoint()?,
    }
    Ok(match target.random.chance(120) {
        true => Done::Rollback,
        false => Done::Commit,
    })
}

fn wrong(what: String) -> Violation {
    Violation::new(NAME, what)
}

impl Target<'_> {
    /// A lasting shape without a table.
    fn missing_shape(&self) -> Option<ShapeId> {
        let lasting = (0..FIRST_TEMPORARY).map(ShapeId);
        let mut missing = lasting.filter(|id| self.table_of(*id).is_none());
        missing.next()
    }

    fn table_of(&self, shape: ShapeId) -> Option<TableId> {
        let mut tables = self.model.tables().iter();
        tables
            .find(|(_, of)| **of == shape)
            .map(|(table, _)| *table)
    }

    fn create(&mut self, shape: ShapeId) -> Result<TableId, Violation> {
        *self.tables_made += 1;
        let name = format!("{}_{}", shape.shape().name, self.tables_made);
        let definition = shape.shape().definition(&name);
        let created = self.datastore.create_table(&definition);
        let table = created.map_err(|error| wrong(format!("create {name}: {error}")))?;
        self.model.create(table, shape);
        self.activations.count(Kind::TableCreated);
        Ok(table)
    }

    fn fill_accounts(&mut self) -> Result<(), Violation> {
        let table = self.table_of(ACCOUNT).expect("it was just created");
        for account in 0..ACCOUNTS {
            self.insert(table, &account_row(account, START_BALANCE))?;
        }
        self.balances.watch(table);
        Ok(())
    }

    fn transfer(&mut self) -> Result<(), Violation> {
        let table = self.table_of(ACCOUNT).expect("accounts come first");
        let amount = i64::from(self.random.byte());
        for delta in [-amount, amount] {
            let account = u32::from(self.random.byte()) % ACCOUNTS;
            let key = account.to_le_bytes();
            let mut rows = self.model.rows(table).iter();
            let row = rows.find(|row| row.starts_with(&key));
            let before = row.and_then(|row| balance(row)).expect("accounts stay");
            self.update(table, &account_row(account, before + delta))?;
        }
        Ok(())
    }

    fn create_temporary(&mut self) -> Result<(), Violation> {
        let count = SHAPES.len() - FIRST_TEMPORARY;
        let shape = ShapeId(FIRST_TEMPORARY + self.random.index(count));
        if self.model.tables().len() >= SHAPES.len() + 3 {
            return self.drop_temporary();
        }
        let table = self.create(shape)?;
        for _ in 0..self.random.below(6) {
            self.insert_random(table)?;
        }
        Ok(())
    }

    fn drop_temporary(&mut self) -> Result<(), Violation> {
        let tables = self.model.tables().iter();
        let temporary = tables.filter(|(_, shape)| shape.0 >= FIRST_TEMPORARY);
        let temporary: Vec<TableId> = temporary.map(|(table, _)| *table).collect();
        if temporary.is_empty() {
            return Ok(());
        }
        let table = *self.random.pick(&temporary);
        let dropped = self.datastore.drop_table(table);
        dropped.map_err(|error| wrong(format!("drop {table}: {error}")))?;
        self.model.drop_table(table);
        self.activations.count(Kind::TableDropped);
        Ok(())
    }

    fn work_with_savepoint(&mut self) -> Result<(), Violation> {
        self.change_rows()?;
        let point = self.datastore.savepoint();
        let (in_model, in_sequences) = (self.model.savepoint(), self.sequences.savepoint());
        match self.random.below(8) {
            0 => self.create_temporary()?,
            1 => self.drop_temporary()?,
            _ => self.change_rows()?,
        }
        if self.random.chance(600) {
            self.datastore.rollback_to(point);
            self.model.rollback_to(in_model);
            self.sequences.rollback_to(in_sequences);
            self.activations.count(Kind::RollbackToSavepoint);
        }
        self.change_rows()
    }

    fn change_rows(&mut self) -> Result<(), Violation> {
        for _ in 0..1 + self.random.below(6) {
            let tables = self.model.tables().iter();
            let tables = tables.filter(|(_, shape)| **shape != ACCOUNT);
            let tables: Vec<TableId> = tables.map(|(table, _)| *table).collect();
            if tables.is_empty() {
                return Ok(());
            }
            let table = *self.random.pick(&tables);
            if self.model.shape(table).is_event {
                // Rows of events are gone when the transaction ends; the model has none.
                self.insert_random(table)?;
                continue;
            }
            let is_full = self.model.rows(table).len() > ROWS_MAX;
            let weights = if is_full {
                [2, 4, 10, 3]
            } else {
                [10, 5, 4, 0]
            };
            let truncate_rarely = u64::from(self.random.chance(60));
            let [insert, update, delete, truncate] = weights;
            match self
                .random
                .weighted(&[insert, update, delete, truncate + truncate_rarely])
            {
                0 => self.insert_random(table)?,
                1 => self.update_random(table)?,
                2 => self.delete_random(table)?,
                _ => self.truncate(table)?,
            }
        }
        Ok(())
    }

    fn insert_random(&mut self, table: TableId) -> Result<(), Violation> {
        let row = self.model.shape(table).random_row(self.random);
        self.insert(table, &row)
    }

    fn insert(&mut self, table: TableId, row: &[u8]) -> Result<(), Violation> {
        let inserted = self.datastore.insert(table, row);
        if self.model.shape(table).is_event {
            // Gone when the transaction ends.
            return inserted
                .map(drop)
                .map_err(|error| wrong(format!("event: {error}")));
        }
        let row = self.fill_in(table, row, &inserted)?;
        let expected = self.model.insert(table, &row);
        self.compare("insert", table, &inserted, &expected)
    }

    /// The row with its generated value, which is checked.
    fn fill_in(
        &mut self,
        table: TableId,
        row: &[u8],
        inserted: &Result<Inserted, WriteError>,
    ) -> Result<Vec<u8>, Violation> {
        let mut row = row.to_vec();
        if !self.model.shape(table).is_generated {
            return Ok(row);
        }
        let Ok(inserted) = inserted else {
            return Ok(row);
        };
        let generated = &inserted.generated;
        let is_zero = row[..generated.len()].iter().all(|byte| *byte == 0);
        if generated.is_empty() || !is_zero {
            return Err(wrong(format!("table {table}: no value was generated")));
        }
        row[..generated.len()].copy_from_slice(generated);
        self.sequences.take(table, generated)?;
        self.activations.count(Kind::GeneratedValue);
        Ok(row)
    }

    fn update_random(&mut self, table: TableId) -> Result<(), Violation> {
        let rows = self.model.rows(table);
        if rows.is_empty() {
            return Ok(());
        }
        let nth = self.random.index(rows.len());
        let row = rows.iter().nth(nth).expect("below the length").clone();
        let changed = self.model.shape(table).changed_row(&row, self.random);
        match changed {
            Some(changed) => self.update(table, &changed),
            None => Ok(()),
        }
    }

    fn update(&mut self, table: TableId, row: &[u8]) -> Result<(), Violation> {
        let index = self.first_unique_index(table);
        let updated = self.datastore.update(table, index, row);
        let expected = self.model.update(table, row);
        self.compare("update", table, &updated, &expected)
    }

    fn first_unique_index(&self, table: TableId) -> IndexId {
        let schema = self.datastore.schema(table).expect("the table exists");
        let index = schema.indexes.iter().find(|index| index.unique);
        index.expect("a table with a key").id
    }

    fn delete_random(&mut self, table: TableId) -> Result<(), Violation> {
        let rows = self.model.rows(table);
        let row = match rows.len() {
            0 => self.model.shape(table).random_row(self.random),
            len => {
                let nth = self.random.index(len);
                rows.iter().nth(nth).expect("below the length").clone()
            }
        };
        let deleted = self.datastore.delete_eq(table, &row);
        let expected = self.model.delete(table, &row);
        if deleted != Ok(expected) {
            return Err(wrong(format!(
                "delete of {table}: {deleted:?}, not {expected}"
            )));
        }
        Ok(())
    }

    fn truncate(&mut self, table: TableId) -> Result<(), Violation> {
        let cleared = self.datastore.clear(table);
        let expected = self.model.truncate(table);
        let found = cleared.as_ref().ok().map(|count| usize::try_from(*count));
        if found != Some(Ok(expected)) {
            return Err(wrong(format!(
                "truncate of {table}: {cleared:?}, not {expected}"
            )));
        }
        self.activations.count(Kind::Truncate);
        Ok(())
    }

    fn compare(
        &mut self,
        what: &str,
        table: TableId,
        found: &Result<Inserted, WriteError>,
        expected: &Expected,
    ) -> Result<(), Violation> {
        let agree = match (found, expected) {
            (Ok(inserted), Expected::Inserted) => !inserted.existed,
            (Ok(inserted), Expected::Existed) => inserted.existed,
            (Err(WriteError::UniqueViolation { .. }), Expected::UniqueViolation) => {
                self.activations.count(Kind::UniqueViolation);
                true
            }
            (Err(WriteError::NoSuchRow { .. }), Expected::NoSuchRow) => true,
            _ => false,
        };
        match agree {
            true => Ok(()),
            false => Err(wrong(format!(
                "{what} of {table}: {found:?}, not {expected:?}"
            ))),
        }
    }
}
