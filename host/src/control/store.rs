//! Reading and changing the control database.
//!
//! Invariants
//!   * Every change is one transaction and is durable when the call returns.
//!   * The maps mirror the tables exactly; they change only after the transaction is durable.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_table::error::WriteError;
use spacetime_types::bsatn::{self, Decode, Encode};
use spacetime_types::{Identity, TableId};

use super::records::{DATABASES, DatabaseRecord, NAMES, NameRecord, tables};
use spacetime_store::{Files, OpenStoreError, Store};

/// Why the control database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenControlError {
    #[error("the control database cannot be opened: {0}")]
    Store(#[from] OpenStoreError),
    #[error("the control database has no table `{0}`; its directory belongs to something else")]
    MissingTable(&'static str),
    #[error("the control database holds a row that is not one: {0}")]
    BadRow(#[from] bsatn::DecodeError),
    #[error("the control database's tables cannot be made: {0}")]
    Create(Box<str>),
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// Why the control plane refused a change. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    #[error("`{0}` not found")]
    NoSuchName(Box<str>),
    #[error("No such database.")]
    NoSuchDatabase,
    #[error("Identity {caller} is not authorized to perform this action on database {database}")]
    NotOwner {
        caller: Identity,
        database: Identity,
    },
    #[error("Database is locked and cannot be deleted. Unlock it first.")]
    Locked,
    #[error("the name `{0}` belongs to another identity")]
    NameTaken(Box<str>),
    #[error("Cannot rename to {0} because it already is in use.")]
    NameInUse(Box<str>),
    #[error("nobody owns the name `{0}`; publish under it to register it")]
    NameNotRegistered(Box<str>),
    #[error("a database with identity {0} exists already")]
    IdentityInUse(Identity),
    #[error("the control database cannot be written: {0}")]
    NotDurable(Box<str>),
}

#[derive(Debug)]
struct State {
    store: Store,
    databases_table: TableId,
    names_table: TableId,
    databases: BTreeMap<Identity, DatabaseRecord>,
    names: BTreeMap<String, NameRecord>,
    next_replica: u64,
}

/// The control plane's own database.
#[derive(Debug)]
pub struct ControlDatabase {
    state: Mutex<State>,
}

/// A change of one row: the old one, the new one.
type Change<T> = (Option<T>, Option<T>);

impl ControlDatabase {
    /// Opens the control database in a directory, or makes it if it may be new.
    pub(crate) fn open(
        directory: &Path,
        files: Files,
    ) -> Result<ControlDatabase, OpenControlError> {
        let storage: Arc<dyn Storage> = Arc::new(OsStorage);
        let mut store = Store::open(&storage, directory, files, None)?;
        if store.datastore().table_id(DATABASES).is_none() {
            create_tables(&mut store)?;
        }
        let table = |name| {
            store
                .datastore()
                .table_id(name)
                .ok_or(OpenControlError::MissingTable(name))
        };
        let (databases_table, names_table) = (table(DATABASES)?, table(NAMES)?);
        let databases: BTreeMap<_, _> = read_all(&store, databases_table)?
            .into_iter()
            .map(|record: DatabaseRecord| (record.identity, record))
            .collect();
        let names = read_all(&store, names_table)?
            .into_iter()
            .map(|record: NameRecord| (record.name.clone(), record))
            .collect();
        let next_replica = databases
            .values()
            .map(|record| record.replica + 1)
            .max()
            .unwrap_or(1);
        let state = State {
            store,
            databases_table,
            names_table,
            databases,
            names,
            next_replica,
        };
        Ok(ControlDatabase {
            state: Mutex::new(state),
        })
    }

    /// Every database that is not deleted.
    #[must_use]
    pub fn databases(&self) -> Vec<DatabaseRecord> {
        let state = self.state.lock();
        state
            .databases
            .values()
            .filter(|record| !record.deleted)
            .cloned()
            .collect()
    }

    /// The database of that identity, unless it is deleted.
    #[must_use]
    pub fn database(&self, identity: Identity) -> Option<DatabaseRecord> {
        let state = self.state.lock();
        state
            .databases
            .get(&identity)
            .filter(|record| !record.deleted)
            .cloned()
    }

    /// What a name stands for; also if that database is deleted.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Identity> {
        self.state
            .lock()
            .names
            .get(&name.to_lowercase())
            .map(|record| record.database)
    }

    /// Who registered a name.
    #[must_use]
    pub fn name_owner(&self, name: &str) -> Option<Identity> {
        self.state
            .lock()
            .names
            .get(&name.to_lowercase())
            .map(|record| record.owner)
    }

    /// The names of a database, sorted.
    #[must_use]
    pub fn names_of(&self, database: Identity) -> Vec<String> {
        let state = self.state.lock();
        let records = state
            .names
            .values()
            .filter(|record| record.database == database);
        records.map(|record| record.name.clone()).collect()
    }

    /// A number for a new database's directory.
    pub fn take_replica_number(&self) -> u64 {
        let mut state = self.state.lock();
        let replica = state.next_replica;
        state.next_replica += 1;
        replica
    }

    /// Registers a database, and its name if it has one, in one transaction. A deleted database of
    /// the same identity is replaced.
    pub fn register(&self, record: DatabaseRecord, name: Option<&str>) -> Result<(), ControlError> {
        let mut state = self.state.lock();
        let old = state.databases.get(&record.identity).cloned();
        if old.as_ref().is_some_and(|old| !old.deleted) {
            return Err(ControlError::IdentityInUse(record.identity));
        }
        let mut names = Vec::new();
        if let Some(name) = name.map(str::to_lowercase) {
            match state.names.get(&name) {
                Some(taken) if taken.owner != record.owner => {
                    return Err(ControlError::NameTaken(name.into()));
                }
                Some(taken) if taken.database != record.identity => {
                    return Err(ControlError::NameInUse(name.into()));
                }
                Some(_) => {}
                None => {
                    let (database, owner) = (record.identity, record.owner);
                    names.push((
                        None,
                        Some(NameRecord {
                            name,
                            database,
                            owner,
                        }),
                    ));
                }
            }
        }
        state.apply(vec![(old, Some(record))], names)
    }

    /// Changes a database's record.
    pub fn change(
        &self,
        identity: Identity,
        change: impl FnOnce(&mut DatabaseRecord),
    ) -> Result<DatabaseRecord, ControlError> {
        let mut state = self.state.lock();
        let old = state
            .databases
            .get(&identity)
            .filter(|record| !record.deleted)
            .cloned();
        let old = old.ok_or(ControlError::NoSuchDatabase)?;
        let mut new = old.clone();
        change(&mut new);
        assert_eq!(old.identity, new.identity, "a change keeps the identity");
        state.apply(vec![(Some(old), Some(new.clone()))], Vec::new())?;
        Ok(new)
    }

    /// Replaces all names of a database. Free names are registered for `owner`.
    pub fn set_names(
        &self,
        database: Identity,
        owner: Identity,
        names: &[String],
    ) -> Result<(), ControlError> {
        let mut state = self.state.lock();
        let mut changes = Vec::new();
        let current = state
            .names
            .values()
            .filter(|record| record.database == database);
        for record in current {
            if !names.contains(&record.name) {
                changes.push((Some(record.clone()), None));
            }
        }
        for name in names {
            match state.names.get(name) {
                Some(taken) if taken.owner != owner => {
                    return Err(ControlError::NameTaken(name.as_str().into()));
                }
                Some(taken) if taken.database != database => {
                    return Err(ControlError::NameInUse(name.as_str().into()));
                }
                Some(_) => {}
                None => {
                    let name = name.clone();
                    changes.push((
                        None,
                        Some(NameRecord {
                            name,
                            database,
                            owner,
                        }),
                    ));
                }
            }
        }
        state.apply(Vec::new(), changes)
    }

    /// Waits for what is queued and closes the log.
    pub fn close(&self) {
        self.state.lock().store.close();
    }
}

impl State {
    fn apply(
        &mut self,
        databases: Vec<Change<DatabaseRecord>>,
        names: Vec<Change<NameRecord>>,
    ) -> Result<(), ControlError> {
        if databases.is_empty() && names.is_empty() {
            return Ok(());
        }
        let not_durable = |error: String| ControlError::NotDurable(error.into());
        self.store.datastore_mut().begin_tx();
        let written = write_changes(&mut self.store, self.databases_table, &databases)
            .and_then(|()| write_changes(&mut self.store, self.names_table, &names));
        if let Err(error) = written {
            self.store.datastore_mut().rollback();
            return Err(not_durable(error.to_string()));
        }
        let committed = self
            .store
            .commit(None)
            .map_err(|error| not_durable(error.to_string()))?;
        self.store
            .wait_durable(committed.offset)
            .map_err(|error| not_durable(error.to_string()))?;
        for (old, new) in databases {
            if let Some(old) = old {
                self.databases.remove(&old.identity);
            }
            if let Some(new) = new {
                self.databases.insert(new.identity, new);
            }
        }
        for (old, new) in names {
            if let Some(old) = old {
                self.names.remove(&old.name);
            }
            if let Some(new) = new {
                self.names.insert(new.name.clone(), new);
            }
        }
        Ok(())
    }
}

fn write_changes<T: Encode>(
    store: &mut Store,
    table: TableId,
    changes: &[Change<T>],
) -> Result<(), WriteError> {
    let datastore = store.datastore_mut();
    for (old, new) in changes {
        if let Some(old) = old {
            datastore.delete_eq(table, &bsatn::to_vec(old))?;
        }
        if let Some(new) = new {
            datastore.insert(table, &bsatn::to_vec(new))?;
        }
    }
    Ok(())
}

fn create_tables(store: &mut Store) -> Result<(), OpenControlError> {
    store.datastore_mut().begin_tx();
    for table in tables() {
        if let Err(error) = store.datastore_mut().create_table(&table) {
            store.datastore_mut().rollback();
            return Err(OpenControlError::Create(error.to_string().into()));
        }
    }
    let failed = |error: String| OpenControlError::Create(error.into());
    let committed = store
        .commit(None)
        .map_err(|error| failed(error.to_string()))?;
    store
        .wait_durable(committed.offset)
        .map_err(|error| failed(error.to_string()))
}

fn read_all<T: for<'a> Decode<'a>>(
    store: &Store,
    table: TableId,
) -> Result<Vec<T>, bsatn::DecodeError> {
    let datastore = store.datastore();
    let mut records = Vec::new();
    let mut row = Vec::new();
    for pointer in datastore.scan(table).into_iter().flatten() {
        row.clear();
        datastore.read_row(table, pointer, &mut row);
        records.push(bsatn::from_slice_exact(&row)?);
    }
    Ok(records)
}
