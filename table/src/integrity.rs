//! A check of everything that must hold between two operations. Slow: for tests and tools.

use rustc_hash::FxHashSet;
use spacetime_types::TableId;

use crate::Datastore;
use crate::describe::CatalogueError;
use crate::schema::TableSchema;
use crate::system::StSequence;
use crate::table::{Keys, Table};

/// What does not hold. A defect of this crate; please report it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegrityError {
    /// The system tables are in a bad state.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The cached schema is not what the system tables say.
    #[error("the schema of table id {table} differs: {what}")]
    Schema { table: TableId, what: String },
    /// Rows and the structures that find them disagree.
    #[error("table `{table}`: {what}")]
    Rows { table: String, what: String },
    /// A sequence's row is not the one that the sequence takes it for.
    #[error("sequence `{0}` stands elsewhere than its row says")]
    Sequence(String),
}

impl Datastore {
    /// Checks counts, indexes against rows, and cached schemas against the system tables.
    pub fn check_integrity(&self) -> Result<(), IntegrityError> {
        self.check_schemas()?;
        self.check_sequences()?;
        let mut keys = Keys::default();
        for table in self.tables.values() {
            self.check_rows(table, &mut keys)?;
        }
        Ok(())
    }

    fn check_schemas(&self) -> Result<(), IntegrityError> {
        let described = self.describe(None, &FxHashSet::default())?;
        if described.len() != self.tables.len() {
            let what = format!(
                "{} described, {} cached",
                described.len(),
                self.tables.len()
            );
            return Err(IntegrityError::Schema {
                table: TableId(0),
                what,
            });
        }
        for described in described {
            let table = described.id;
            let cached = self.schema(table);
            let (cached, described) = (cached.map(|schema| text(schema)), text(&described));
            if cached.as_ref() != Some(&described) {
                let what = format!("cached {cached:#?}, described {described:#?}");
                return Err(IntegrityError::Schema { table, what });
            }
            self.check_names(table)?;
        }
        Ok(())
    }

    fn check_names(&self, table: TableId) -> Result<(), IntegrityError> {
        let schema = &self.existing(table).schema;
        let wrong = |what: &str| IntegrityError::Schema {
            table,
            what: what.to_owned(),
        };
        if self.table_id(&schema.name) != Some(table) {
            return Err(wrong("it is not found by name"));
        }
        for index in &schema.indexes {
            if self.index_table(index.id) != Some(table) {
                return Err(wrong("an index is not found by id"));
            }
            if self.index_id(&index.name) != Some(index.id) {
                return Err(wrong("an index is not found by name"));
            }
        }
        Ok(())
    }

    fn check_sequences(&self) -> Result<(), IntegrityError> {
        let mut count = 0;
        for (_, row) in self.system_rows::<StSequence>() {
            count += 1;
            let sequence = self.sequences.get(&row.sequence_id);
            if sequence.is_none_or(|sequence| sequence.recorded != row.allocated) {
                return Err(IntegrityError::Sequence(row.sequence_name.to_string()));
            }
        }
        if count != self.sequences.len() {
            return Err(IntegrityError::Sequence(format!("one of {count}")));
        }
        Ok(())
    }

    fn check_rows(&self, table: &Table, keys: &mut Keys) -> Result<(), IntegrityError> {
        let wrong = |what: String| IntegrityError::Rows {
            table: table.schema.name.to_string(),
            what,
        };
        let mut row = Vec::new();
        let mut count = 0u64;
        for ptr in table.rows.iter() {
            count += 1;
            row.clear();
            table.rows.read(ptr, &self.blobs, &mut row);
            if let Err(error) = table.schema.layout.validate(&row) {
                return Err(wrong(format!("row {ptr:?}: {error}")));
            }
            if table.find(&row, &self.blobs, keys) != Some(ptr) {
                return Err(wrong(format!("row {ptr:?} is not found by value")));
            }
            if let Some(index) = table.missing_in_index(ptr, &row, &self.blobs, keys) {
                return Err(wrong(format!("row {ptr:?} is not in index `{index}`")));
            }
        }
        if count != table.rows.len() {
            return Err(wrong(format!("{count} rows, {} counted", table.rows.len())));
        }
        if table.indexes.iter().any(|index| index.index.len() != count) {
            return Err(wrong("an index has surplus entries".to_owned()));
        }
        if table.row_set_len().is_some_and(|len| len != count) {
            return Err(wrong("the row set has surplus entries".to_owned()));
        }
        Ok(())
    }
}

/// All of a schema that rows describe, as text.
fn text(schema: &TableSchema) -> String {
    let TableSchema {
        id,
        name,
        accessor,
        kind,
        access,
        is_event,
        view,
        columns,
        primary_key,
        indexes,
        constraints,
        sequences,
        schedule,
        row_type,
        layout: _,
    } = schema;
    format!(
        "{id} {name} {accessor} {kind:?} {access:?} {is_event} {view:?} {columns:?} \
         {primary_key:?} {indexes:?} {constraints:?} {sequences:?} {schedule:?} {row_type:?}"
    )
}
