//! A database under a random load, on a simulated disk, with what it held after each transaction.
#![allow(dead_code)] // Not every test uses all of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_commitlog::LogOptions;
use spacetime_durability::Options;
use spacetime_durability::storage::{SimStorage, Storage};
use spacetime_snapshot::SnapshotError;
use spacetime_store::{CommitInputs, Files, LogRetention, OpenStoreError, Stepper, Store};
use spacetime_store::{SnapshotSettings, StoreOptions, TakeSnapshotError};
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm};
use spacetime_types::{AlgebraicType, ColId, ConnectionId, Identity, TableId, Timestamp, TxOffset};

pub const REPLICA: &str = "/replica";

/// The rows of all tables that are logged, by name.
pub type Dump = Vec<(String, Vec<Vec<u8>>)>;

pub fn dump(datastore: &Datastore) -> Dump {
    let mut tables: Vec<_> = datastore.tables().cloned().collect();
    tables.sort_by_key(|schema| schema.id);
    let rows = |table: TableId| {
        let rows = datastore.scan(table).expect("the table").map(|ptr| {
            let mut row = Vec::new();
            datastore.read_row(table, ptr, &mut row);
            row
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    };
    let dumped = tables
        .iter()
        .map(|schema| (schema.name.to_string(), rows(schema.id)));
    dumped.collect()
}

pub fn options(retention: LogRetention) -> StoreOptions {
    StoreOptions {
        durability: Options {
            log: LogOptions {
                segment_bytes_max: 20_000,
                ..LogOptions::default()
            },
            queue_len_max: usize::MAX,
            queue_bytes_max: usize::MAX,
            commits_per_watermark: 8,
            ..Options::default()
        },
        snapshots: SnapshotSettings {
            restore_threads: 1,
            ..SnapshotSettings::default()
        },
        log_retention: retention,
        ..StoreOptions::default()
    }
}

pub struct Load {
    pub disk: SimStorage,
    pub options: StoreOptions,
    pub store: Store,
    pub stepper: Option<Stepper>,
    random: u64,
    /// What the database held after each transaction.
    pub states: Vec<Dump>,
    /// Numbers that the sequence has handed out.
    pub ids: BTreeSet<u64>,
}

fn definition(name: &str) -> TableDef {
    let columns = vec![
        ColumnDef::new("id", AlgebraicType::U64),
        ColumnDef::new("kind", AlgebraicType::U8),
        ColumnDef::new("text", AlgebraicType::String),
    ];
    let mut def = TableDef::new(name, columns);
    def.primary_key = Some(ColId(0));
    for (column, name) in [(0, "id"), (1, "kind")] {
        def.indexes.push(IndexDef {
            name: format!("{}_{name}_idx", def.name).into(),
            accessor: None,
            algorithm: IndexAlgorithm::BTree(vec![ColId(column)]),
        });
    }
    def.constraints.push(ConstraintDef {
        name: format!("{}_id_key", def.name).into(),
        columns: vec![ColId(0)],
    });
    def.sequences
        .push(SequenceDef::new(&format!("{name}_id_seq"), ColId(0)));
    def
}

pub fn path(name: &str) -> PathBuf {
    Path::new(REPLICA).join(name)
}

pub fn shared(disk: &SimStorage) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

pub fn open(
    disk: &SimStorage,
    files: Files,
    options: &StoreOptions,
) -> Result<(Store, Stepper), OpenStoreError> {
    Store::open_stepped(&shared(disk), Path::new(REPLICA), files, options)
}

impl Load {
    pub fn new(seed: u64, options: StoreOptions) -> Load {
        let disk = SimStorage::new(seed);
        let (store, stepper) = open(&disk, Files::MayBeNew, &options).expect("a new database");
        let mut load = Load {
            disk,
            options,
            store,
            stepper: Some(stepper),
            random: seed,
            states: Vec::new(),
            ids: BTreeSet::new(),
        };
        load.store.datastore_mut().begin_tx();
        for name in ["a", "b"] {
            let created = load.store.datastore_mut().create_table(&definition(name));
            created.expect("a definition");
        }
        load.commit();
        load
    }

    pub fn random(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695);
        (self.random >> 33) % below
    }

    /// The time of the next call: some transactions have the same.
    pub fn time(&self) -> Timestamp {
        let nth = i64::try_from(self.states.len()).expect("not so many");
        Timestamp {
            micros: nth / 3 * 10,
        }
    }

    fn commit(&mut self) {
        let inputs = CommitInputs {
            reducer: "load".into(),
            caller: Identity::ZERO,
            connection_id: ConnectionId(1),
            timestamp: self.time(),
            args: Default::default(),
        };
        let before = self.store.last_offset();
        self.store.commit(Some(inputs)).expect("the queue takes it");
        if self.store.last_offset() != before {
            self.states.push(dump(self.store.datastore()));
        }
        assert_eq!(
            self.store.last_offset().map(|last| last.0 + 1),
            Some(self.count())
        );
    }

    pub fn count(&self) -> u64 {
        u64::try_from(self.states.len()).expect("not so many")
    }

    /// A random transaction.
    pub fn transact(&mut self) {
        self.store.datastore_mut().begin_tx();
        for _ in 0..1 + self.random(5) {
            let table = ["a", "b"][usize::try_from(self.random(2)).expect("small")];
            let table = self.store.datastore().table_id(table).expect("the table");
            match self.random(20) {
                0 => drop(self.store.datastore_mut().clear(table)),
                1..=5 => self.delete_one(table),
                _ => self.insert_one(table),
            }
        }
        self.commit();
    }

    fn insert_one(&mut self, table: TableId) {
        let len = [0, 3, 40, 700, 9_000][usize::try_from(self.random(5)).expect("small")];
        let letter = b'a' + u8::try_from(self.random(3)).expect("small");
        let mut row = vec![0; 8];
        row.push(u8::try_from(self.random(4)).expect("small"));
        row.extend_from_slice(&u32::to_le_bytes(len));
        row.resize(row.len() + usize::try_from(len).expect("small"), letter);
        let inserted = self
            .store
            .datastore_mut()
            .insert(table, &row)
            .expect("a row");
        let mut stored = Vec::new();
        self.store
            .datastore()
            .read_row(table, inserted.ptr, &mut stored);
        let id = u64::from_le_bytes(*stored.first_chunk().expect("a number"));
        // Tables have sequences of their own.
        let id = id * 10_000 + u64::from(table.0);
        assert!(self.ids.insert(id), "a number was handed out twice");
    }

    fn delete_one(&mut self, table: TableId) {
        let count = self.store.datastore().row_count(table).unwrap_or(0);
        if count > 0 {
            let nth = usize::try_from(self.random(count)).expect("small");
            let mut rows = self.store.datastore().scan(table).expect("the table");
            let ptr = rows.nth(nth).expect("so many rows");
            drop(rows);
            self.store
                .datastore_mut()
                .delete(table, ptr)
                .expect("a row");
        }
    }

    /// Writes all that is queued.
    pub fn write_log(&mut self) {
        while self.stepper.as_mut().is_some_and(Stepper::step) {}
    }

    pub fn snapshot(&mut self) -> TxOffset {
        let job = self
            .store
            .begin_snapshot(self.time())
            .expect("a transaction");
        self.write_log();
        match job.write() {
            Ok(_) => job.tidy_up().expect("a good disk"),
            // Nothing happened since the last one.
            Err(TakeSnapshotError::Snapshot(SnapshotError::AlreadyExists { .. })) => {}
            Err(error) => panic!("{error}"),
        }
        job.offset()
    }

    pub fn close(&mut self) {
        if let Some(stepper) = self.stepper.take() {
            stepper.close();
        }
        self.store.close();
    }

    /// Closes and opens again.
    pub fn reopen(&mut self) {
        self.close();
        self.open_again().expect("good files");
    }

    /// Opens the disk as it is now.
    pub fn open_again(&mut self) -> Result<(), OpenStoreError> {
        let (store, stepper) = open(&self.disk, Files::Known, &self.options)?;
        (self.store, self.stepper) = (store, Some(stepper));
        Ok(())
    }

    pub fn check(&mut self) {
        assert_eq!(self.store.datastore_mut().check_integrity(), Ok(()));
        assert_eq!(Some(&dump(self.store.datastore())), self.states.last());
    }
}
