//! Names and row types of all tables, as the log itself describes them.
//!
//! Rows in the log have no length; only their type tells where the next one begins. The types are
//! rows of `st_table` and `st_column`, so this follows those as they go by.
//!
//! Invariants
//!   * An inserted row counts at once, also for later rows of the same record. A deleted one
//!     counts until its record ends: the rows of a dropped or changed table come after it.
//!   * Built-in tables are known from the start and never change.
//!
//! Not here: indexes, constraints and sequences, which rows can be read without.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_page::RowLayout;
use spacetime_table::system::{
    ST_COLUMN, ST_EVENT_TABLE, ST_TABLE, StColumn, StEventTable, StTable, SystemRow,
};
use spacetime_table::{Datastore, FIRST_USER_ID, TableSchema};
use spacetime_types::{AlgebraicType, ColId, ProductType, ProductTypeElement, TableId, bsatn};

use crate::place::Place;
use crate::snapshots;

/// What a table's rows look like at one point of the log.
#[derive(Debug)]
pub struct TableShape {
    pub id: TableId,
    pub name: Arc<str>,
    pub row_type: ProductType,
    pub layout: Arc<RowLayout>,
    pub primary_key: Option<ColId>,
    /// Rows are logged, but never become part of the state.
    pub is_event: bool,
}

impl TableShape {
    /// The shape of a table of a state.
    #[must_use]
    pub fn of(schema: &TableSchema) -> TableShape {
        TableShape {
            id: schema.id,
            name: Arc::clone(&schema.name),
            row_type: schema.row_type.clone(),
            layout: Arc::clone(&schema.layout),
            primary_key: schema.primary_key,
            is_event: schema.is_event,
        }
    }

    /// Names of the columns, in order.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        let elements = self.row_type.elements.iter();
        elements.map(|element| element.name.as_deref().unwrap_or("?"))
    }

    /// Where each column lies in the bytes of a valid row.
    #[must_use]
    pub fn columns_of(&self, row: &[u8]) -> Vec<Range<usize>> {
        (0..self.row_type.elements.len())
            .map(|column| self.layout.column_range(row, column))
            .collect()
    }
}

/// The rows that describe one table.
#[derive(Clone, Debug, Default)]
struct Described {
    table: Option<StTable>,
    columns: BTreeMap<u16, StColumn>,
    is_event: bool,
}

/// The tables at one point of a log.
#[derive(Debug)]
pub struct Schemas {
    described: FxHashMap<TableId, Described>,
    shapes: FxHashMap<TableId, Arc<TableShape>>,
    deleted: Vec<Deleted>,
}

#[derive(Debug)]
enum Deleted {
    Table(StTable),
    Column(StColumn),
    Event(TableId),
}

impl Default for Schemas {
    fn default() -> Self {
        Schemas::new()
    }
}

impl Schemas {
    /// The built-in tables: what a log that starts at the first transaction begins with.
    #[must_use]
    pub fn new() -> Self {
        Schemas::of(&Datastore::new())
    }

    /// What the log of a place begins with: if its first transactions were removed, the tables
    /// of the oldest snapshot.
    #[must_use]
    pub fn at_start_of(place: &Place) -> Self {
        let start = place
            .segments()
            .ok()
            .and_then(|starts| starts.first().copied());
        let start = start.map_or(0, |start| start.0);
        let restored = match start {
            0 => None,
            start => snapshots::oldest_state(place, start),
        };
        restored.map_or_else(Schemas::new, |datastore| Schemas::of(&datastore))
    }

    /// The tables of a state, for a log that is read from behind a snapshot.
    #[must_use]
    pub fn of(datastore: &Datastore) -> Self {
        let mut schemas = Schemas {
            described: FxHashMap::default(),
            shapes: FxHashMap::default(),
            deleted: Vec::new(),
        };
        for schema in datastore.tables() {
            if schema.id.0 >= FIRST_USER_ID {
                let columns = StColumn::of(schema).map(|column| (column.col_pos.0, column));
                let described = Described {
                    table: Some(StTable::of(schema)),
                    columns: columns.collect(),
                    is_event: schema.is_event,
                };
                schemas.described.insert(schema.id, described);
                continue;
            }
            let shape = TableShape::of(schema);
            schemas.shapes.insert(schema.id, Arc::new(shape));
        }
        schemas
    }

    /// What the rows of a table look like now. The error says why that is not known.
    pub fn shape(&mut self, id: TableId) -> Result<&Arc<TableShape>, String> {
        if !self.shapes.contains_key(&id) {
            let shape = self.build(id)?;
            self.shapes.insert(id, Arc::new(shape));
        }
        self.shapes
            .get(&id)
            .ok_or_else(|| format!("the table id {id} is not known"))
    }

    /// The tables of the module that are described now.
    pub fn user_tables(&mut self) -> Vec<Arc<TableShape>> {
        let mut ids: Vec<TableId> = self.described.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter()
            .filter_map(|id| self.shape(id).ok().cloned())
            .collect()
    }

    fn build(&self, id: TableId) -> Result<TableShape, String> {
        let unknown = || format!("the log does not describe the table id {id}");
        let described = self.described.get(&id).ok_or_else(unknown)?;
        let table = described.table.as_ref().ok_or_else(unknown)?;
        let name = &table.table_name;
        let mut elements = Vec::with_capacity(described.columns.len());
        for (at, (&position, column)) in described.columns.iter().enumerate() {
            if usize::from(position) != at {
                return Err(format!("the table `{name}` has no column {at}"));
            }
            let column_type: AlgebraicType = bsatn::from_slice_exact(&column.col_type)
                .map_err(|error| format!("column {at} of the table `{name}`: {error}"))?;
            elements.push(ProductTypeElement {
                name: Some(Box::from(&*column.col_name)),
                algebraic_type: column_type,
            });
        }
        let row_type = ProductType { elements };
        let layout = RowLayout::new(&row_type)
            .map_err(|error| format!("rows of the table `{name}` cannot be read: {error}"))?;
        let keys = table.table_primary_key.as_deref().unwrap_or_default();
        let in_range = |key: &ColId| usize::from(key.0) < row_type.elements.len();
        Ok(TableShape {
            id,
            name: Arc::clone(name),
            primary_key: keys.first().copied().filter(in_range),
            layout: Arc::new(layout),
            row_type,
            is_event: described.is_event,
        })
    }

    /// Takes note of an inserted row of a built-in table.
    pub(crate) fn inserted(&mut self, table: TableId, row: &[u8]) -> Result<(), String> {
        let about = match table {
            ST_TABLE => {
                let row = StTable::decode(row).map_err(|error| error.to_string())?;
                let id = row.table_id;
                self.describe(id, |described| described.table = Some(row));
                id
            }
            ST_COLUMN => {
                let row = StColumn::decode(row).map_err(|error| error.to_string())?;
                let id = row.table_id;
                self.describe(id, |described| {
                    described.columns.insert(row.col_pos.0, row);
                });
                id
            }
            ST_EVENT_TABLE => {
                let row = StEventTable::decode(row).map_err(|error| error.to_string())?;
                self.describe(row.table_id, |described| described.is_event = true);
                row.table_id
            }
            _ => return Ok(()),
        };
        self.forget_shape(about);
        Ok(())
    }

    /// Takes note of a deleted row of a built-in table.
    pub(crate) fn deleted(&mut self, table: TableId, row: &[u8]) -> Result<(), String> {
        let text = |error: bsatn::DecodeError| error.to_string();
        let deleted = match table {
            ST_TABLE => Deleted::Table(StTable::decode(row).map_err(text)?),
            ST_COLUMN => Deleted::Column(StColumn::decode(row).map_err(text)?),
            ST_EVENT_TABLE => Deleted::Event(StEventTable::decode(row).map_err(text)?.table_id),
            _ => return Ok(()),
        };
        self.deleted.push(deleted);
        Ok(())
    }

    /// A record ended: what it deleted is gone now, unless it was replaced.
    pub(crate) fn end_of_record(&mut self) {
        for deleted in std::mem::take(&mut self.deleted) {
            let id = match &deleted {
                Deleted::Table(row) => row.table_id,
                Deleted::Column(row) => row.table_id,
                Deleted::Event(id) => *id,
            };
            if id.0 < FIRST_USER_ID {
                continue;
            }
            let Some(described) = self.described.get_mut(&id) else {
                continue;
            };
            match deleted {
                Deleted::Table(row) if described.table.as_ref() == Some(&row) => {
                    self.described.remove(&id);
                }
                Deleted::Column(row) if described.columns.get(&row.col_pos.0) == Some(&row) => {
                    described.columns.remove(&row.col_pos.0);
                }
                Deleted::Event(_) => described.is_event = false,
                Deleted::Table(_) | Deleted::Column(_) => continue,
            }
            self.forget_shape(id);
        }
    }

    fn describe(&mut self, id: TableId, change: impl FnOnce(&mut Described)) {
        // Rows about built-in tables, which old versions logged, say what is known anyway.
        if id.0 >= FIRST_USER_ID {
            change(self.described.entry(id).or_default());
        }
    }

    fn forget_shape(&mut self, id: TableId) {
        if id.0 >= FIRST_USER_ID {
            self.shapes.remove(&id);
        }
    }
}
