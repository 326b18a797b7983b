//! All rows of all tables, and how two states differ.

use std::collections::{BTreeMap, BTreeSet};

use spacetime_table::Datastore;
use spacetime_types::TableId;

/// Hash of the content of a database: of the set of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash([u8; 32]);

/// All rows of all tables. A table without rows is the same as none: that a table is there is a
/// row of a system table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State(BTreeMap<TableId, BTreeSet<Vec<u8>>>);

static NO_ROWS: BTreeSet<Vec<u8>> = BTreeSet::new();

impl State {
    /// What a datastore holds.
    #[must_use]
    pub fn of(datastore: &Datastore) -> State {
        let mut state = State::default();
        for schema in datastore.tables() {
            let rows = datastore.scan(schema.id).into_iter().flatten();
            let rows = rows.map(|ptr| {
                let mut row = Vec::new();
                datastore.read_row(schema.id, ptr, &mut row);
                row
            });
            let rows: BTreeSet<_> = rows.collect();
            if !rows.is_empty() {
                state.0.insert(schema.id, rows);
            }
        }
        state
    }

    #[must_use]
    pub fn rows(&self, table: TableId) -> &BTreeSet<Vec<u8>> {
        self.0.get(&table).unwrap_or(&NO_ROWS)
    }

    pub fn insert(&mut self, table: TableId, row: &[u8]) {
        self.0.entry(table).or_default().insert(row.to_vec());
    }

    pub fn remove(&mut self, table: TableId, row: &[u8]) {
        if let Some(rows) = self.0.get_mut(&table) {
            rows.remove(row);
            if rows.is_empty() {
                self.0.remove(&table);
            }
        }
    }

    #[must_use]
    pub fn hash(&self) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        let number = |hasher: &mut blake3::Hasher, number: usize| {
            let number = u64::try_from(number).expect("a length fits 64 bits");
            hasher.update(&number.to_le_bytes());
        };
        for (table, rows) in &self.0 {
            hasher.update(&table.0.to_le_bytes());
            number(&mut hasher, rows.len());
            for row in rows {
                number(&mut hasher, row.len());
                hasher.update(row);
            }
        }
        ContentHash(*hasher.finalize().as_bytes())
    }

    /// Where `found` differs from this, in words; `None` if it does not.
    #[must_use]
    pub fn difference(&self, found: &State) -> Option<String> {
        let tables: BTreeSet<_> = self.0.keys().chain(found.0.keys()).collect();
        let mut text = String::new();
        for table in tables {
            let (expected, found) = (self.rows(*table), found.rows(*table));
            let missing: Vec<_> = expected.difference(found).collect();
            let surplus: Vec<_> = found.difference(expected).collect();
            if missing.is_empty() && surplus.is_empty() {
                continue;
            }
            let row = |rows: &[&Vec<u8>]| rows.first().map_or(String::new(), |row| shorten(row));
            text.push_str(&format!(
                "table {table}: {} rows missing [{}], {} too many [{}]; ",
                missing.len(),
                row(&missing),
                surplus.len(),
                row(&surplus),
            ));
        }
        (!text.is_empty()).then_some(text)
    }
}

fn shorten(row: &[u8]) -> String {
    let shown = &row[..row.len().min(48)];
    let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    match row.len() > shown.len() {
        true => format!("{hex}... of {} bytes", row.len()),
        false => hex,
    }
}
