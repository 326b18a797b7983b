//! What the database must contain, kept by other means: sorted sets of rows, searched by looking
//! at every one.
//!
//! The rows of modules' tables are derived here from what was asked for. Those of the system
//! tables are taken over from what the engine says that it changed, and held against what is
//! there later.
//!
//! Invariants
//!   * `log` has the effect of every transaction that took an offset, from `base` on. So every
//!     state since then can be reached by walking back.

use std::collections::{BTreeMap, BTreeSet};

use spacetime_table::{FIRST_USER_ID, TxDelta};
use spacetime_types::TableId;

use crate::state::State;
use crate::workload::{Shape, ShapeId};

/// What a row operation should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    Inserted,
    /// An equal row is there.
    Existed,
    UniqueViolation,
    NoSuchRow,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Op {
    Insert(TableId, Vec<u8>),
    Delete(TableId, Vec<u8>),
    Create(TableId),
    Drop(TableId, ShapeId),
}

/// The net effect of one transaction.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    inserts: Vec<(TableId, Vec<u8>)>,
    deletes: Vec<(TableId, Vec<u8>)>,
    created: Vec<(TableId, ShapeId)>,
    dropped: Vec<(TableId, ShapeId)>,
}

/// The model of a database.
#[derive(Clone, Debug, Default)]
pub struct Model {
    state: State,
    tables: BTreeMap<TableId, ShapeId>,
    /// Offset of the first effect in `log`.
    base: u64,
    log: Vec<Effect>,
    open: Vec<Op>,
}

impl Model {
    /// A database whose tables hold `state`: a new one.
    #[must_use]
    pub fn new(state: State) -> Self {
        Model {
            state,
            ..Model::default()
        }
    }

    /// The offset that the next transaction takes.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.base + u64::try_from(self.log.len()).expect("few transactions")
    }

    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The module's tables.
    #[must_use]
    pub fn tables(&self) -> &BTreeMap<TableId, ShapeId> {
        &self.tables
    }

    #[must_use]
    pub fn shape(&self, table: TableId) -> &'static Shape {
        self.tables[&table].shape()
    }

    /// The rows of a table, sorted.
    #[must_use]
    pub fn rows(&self, table: TableId) -> &BTreeSet<Vec<u8>> {
        self.state.rows(table)
    }

    pub fn create(&mut self, table: TableId, shape: ShapeId) {
        let before = self.tables.insert(table, shape);
        assert!(before.is_none(), "table {table} exists");
        self.open.push(Op::Create(table));
    }

    pub fn drop_table(&mut self, table: TableId) {
        self.truncate(table);
        let shape = self.tables.remove(&table).expect("the table exists");
        self.open.push(Op::Drop(table, shape));
    }

    /// Inserts a row whose generated columns are filled in.
    pub fn insert(&mut self, table: TableId, row: &[u8]) -> Expected {
        let rows = self.rows(table);
        if rows.contains(row) {
            return Expected::Existed;
        }
        let shape = self.shape(table);
        for key in shape.unique_keys() {
            let value = shape.key(key, row);
            if rows.iter().any(|other| shape.key(key, other) == value) {
                return Expected::UniqueViolation;
            }
        }
        self.put(table, row);
        Expected::Inserted
    }

    /// Replaces the row with the same value in the first unique key.
    pub fn update(&mut self, table: TableId, row: &[u8]) -> Expected {
        let shape = self.shape(table);
        let key = shape.unique_keys().next().expect("a table with a key");
        let value = shape.key(key, row);
        let mut rows = self.rows(table).iter();
        let Some(old) = rows.find(|other| shape.key(key, other) == value) else {
            return Expected::NoSuchRow;
        };
        if old == row {
            return Expected::Existed;
        }
        let old = old.clone();
        self.take(table, &old);
        let inserted = self.insert(table, row);
        if inserted != Expected::Inserted {
            self.put(table, &old);
        }
        inserted
    }

    /// Whether there was such a row.
    pub fn delete(&mut self, table: TableId, row: &[u8]) -> bool {
        let is_there = self.rows(table).contains(row);
        if is_there {
            self.take(table, row);
        }
        is_there
    }

    /// How many rows there were.
    pub fn truncate(&mut self, table: TableId) -> usize {
        let rows: Vec<_> = self.rows(table).iter().cloned().collect();
        for row in &rows {
            self.take(table, row);
        }
        rows.len()
    }

    fn put(&mut self, table: TableId, row: &[u8]) {
        self.state.insert(table, row);
        self.open.push(Op::Insert(table, row.to_vec()));
    }

    fn take(&mut self, table: TableId, row: &[u8]) {
        self.state.remove(table, row);
        self.open.push(Op::Delete(table, row.to_vec()));
    }

    /// A point in the open transaction.
    #[must_use]
    pub fn savepoint(&self) -> usize {
        self.open.len()
    }

    /// Undoes what was done since a savepoint; 0 is the start of the transaction.
    pub fn rollback_to(&mut self, savepoint: usize) {
        while self.open.len() > savepoint {
            match self.open.pop() {
                Some(Op::Insert(table, row)) => self.state.remove(table, &row),
                Some(Op::Delete(table, row)) => self.state.insert(table, &row),
                Some(Op::Create(table)) => drop(self.tables.remove(&table)),
                Some(Op::Drop(table, shape)) => drop(self.tables.insert(table, shape)),
                None => unreachable!("the length was checked"),
            }
        }
    }

    /// Ends the open transaction. `delta` is what the engine says; the rows of modules' tables in
    /// it are held against what is expected.
    pub fn commit(&mut self, delta: &TxDelta, takes_offset: bool) -> Result<(), String> {
        let mut effect = self.net();
        self.check_delta(&effect, delta)?;
        for table in delta.logged_tables() {
            if table.table.0 >= FIRST_USER_ID {
                continue;
            }
            for row in table.deletes.iter() {
                self.state.remove(table.table, row);
                effect.deletes.push((table.table, row.to_vec()));
            }
            for row in table.inserts.iter() {
                self.state.insert(table.table, row);
                effect.inserts.push((table.table, row.to_vec()));
            }
        }
        if takes_offset {
            self.log.push(effect);
        } else if !effect.inserts.is_empty() || !effect.deletes.is_empty() {
            return Err("a transaction that changed something took no offset".to_owned());
        }
        Ok(())
    }

    fn net(&mut self) -> Effect {
        let mut effect = Effect::default();
        let mut counts: BTreeMap<(TableId, Vec<u8>), i32> = BTreeMap::new();
        let mut made = BTreeSet::new();
        for op in std::mem::take(&mut self.open) {
            match op {
                Op::Insert(table, row) => *counts.entry((table, row)).or_default() += 1,
                Op::Delete(table, row) => *counts.entry((table, row)).or_default() -= 1,
                Op::Create(table) => {
                    made.insert(table);
                    if let Some(shape) = self.tables.get(&table) {
                        effect.created.push((table, *shape));
                    }
                }
                Op::Drop(table, _) if made.contains(&table) => {}
                Op::Drop(table, shape) => effect.dropped.push((table, shape)),
            }
        }
        for (place, count) in counts {
            match count {
                1 => effect.inserts.push(place),
                -1 => effect.deletes.push(place),
                _ => {}
            }
        }
        effect
    }

    fn check_delta(&self, effect: &Effect, delta: &TxDelta) -> Result<(), String> {
        let (mut inserts, mut deletes) = (BTreeSet::new(), BTreeSet::new());
        for table in &delta.tables {
            if table.table.0 < FIRST_USER_ID || table.schema.is_event {
                continue;
            }
            let place = |row: &[u8]| (table.table, row.to_vec());
            inserts.extend(table.inserts.iter().map(place));
            deletes.extend(table.deletes.iter().map(place));
        }
        let same = |found: &BTreeSet<(TableId, Vec<u8>)>, expected: &[(TableId, Vec<u8>)]| {
            found.len() == expected.len() && expected.iter().all(|place| found.contains(place))
        };
        if !same(&inserts, &effect.inserts) || !same(&deletes, &effect.deletes) {
            return Err(format!(
                "the delta has {} inserts and {} deletes, expected are {} and {}, or others",
                inserts.len(),
                deletes.len(),
                effect.inserts.len(),
                effect.deletes.len(),
            ));
        }
        Ok(())
    }

    /// Forgets all transactions from `next` on.
    pub fn rewind(&mut self, next: u64) {
        assert!(self.open.is_empty(), "no transaction is open");
        assert!(self.base <= next, "not further back than the log reaches");
        while self.next() > next {
            let effect = self.log.pop().expect("the offset was checked");
            for (table, row) in &effect.inserts {
                self.state.remove(*table, row);
            }
            for (table, row) in &effect.deletes {
                self.state.insert(*table, row);
            }
            for (table, _) in &effect.created {
                self.tables.remove(table);
            }
            self.tables.extend(effect.dropped);
        }
    }

    /// The state before transaction `next`.
    #[must_use]
    pub fn state_before(&self, next: u64) -> State {
        let mut past = self.clone();
        past.rewind(next);
        past.state
    }
}
