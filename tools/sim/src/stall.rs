//! A disk that stands still for seconds, in simulated time, while transactions keep coming.
//!
//! The time is a number. A sync of the log lasts as long as the run says, and what comes meanwhile
//! comes inside of it, so the run is the same every time.
//!
//! What must hold
//!   * Nothing is acknowledged while the sync that it needs has not returned: whatever a power cut
//!     leaves in the middle of a stall has everything that was acknowledged.
//!   * Transactions that wait for the disk are bounded. When there are so many, the writer waits.
//!   * When the disk goes on, so does everything, without a restart, and nothing was lost.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile, StorageLock};
use spacetime_durability::Options;
use spacetime_durability::storage::SimStorage;
use spacetime_store::{Files, SnapshotSettings, Stepper, Store, StoreOptions};
use spacetime_table::definition::{ColumnDef, TableDef};
use spacetime_types::{AlgebraicType, TableId};

use crate::replica::DIRECTORY;
use crate::violation::Violation;

/// A sync that does not stall.
const SYNC_MICROS: u64 = 150;
/// Between two transactions, at least.
const ARRIVAL_MICROS_MIN: u64 = 250;
/// Transactions that come during a stall, at most: ten times what the queue takes.
const ARRIVALS_IN_STALL: u64 = 20_000;
/// Transactions that may wait for the disk.
pub const QUEUE_LEN_MAX: usize = 2_000;
/// Power cuts that are tried in the middle of a stall.
const CUTS_IN_STALL: u64 = 4;

/// What a run does.
#[derive(Clone, Copy, Debug)]
pub struct StallRun {
    pub seed: u64,
    /// How long one sync takes, in the middle of the run.
    pub stall_micros: u64,
    /// File syncs do nothing: then losses must be seen.
    pub without_syncs: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StallReport {
    pub transactions: u64,
    /// Most that waited for the disk, and most that waited for the writer.
    pub queued_max: usize,
    pub waiting_max: u64,
    /// From the end of the stall until nobody waited any more.
    pub recovered_after_micros: u64,
}

/// Everything but the disk.
#[derive(Debug)]
struct World {
    store: Store,
    table: TableId,
    now: u64,
    next_arrival: u64,
    arrival_micros: u64,
    /// No more come.
    last_arrival: u64,
    waiting: u64,
    syncs: u64,
    stall_ended: Option<u64>,
    recovered: Option<u64>,
    report: StallReport,
    violation: Option<Violation>,
}

/// A disk whose syncs of the log take time.
#[derive(Clone, Debug)]
struct SlowDisk {
    disk: SimStorage,
    run: StallRun,
    /// Set when the database is open; before, nothing takes time.
    world: Arc<Mutex<Option<World>>>,
}

#[derive(Debug)]
struct SlowFile {
    file: Box<dyn StorageFile>,
    slow: SlowDisk,
}

fn options() -> StoreOptions {
    StoreOptions {
        durability: Options {
            queue_len_max: QUEUE_LEN_MAX,
            ..Options::default()
        },
        snapshots: SnapshotSettings {
            log_bytes: 0,
            transactions: 0,
            restore_threads: 1,
            ..SnapshotSettings::default()
        },
        ..StoreOptions::default()
    }
}

fn open(disk: &Arc<dyn Storage>, files: Files) -> Result<(Store, Stepper), Violation> {
    let opened = Store::open_stepped(disk, Path::new(DIRECTORY), files, &options());
    opened.map_err(|error| Violation::new("stall", error.to_string()))
}

fn end_of(store: &Store) -> u64 {
    store.last_offset().map_or(0, |last| last.0 + 1)
}

impl World {
    fn durable_end(&self) -> u64 {
        let state = self.store.durable_state();
        let offset = state.and_then(|state| state.offset);
        offset.map_or(0, |last| last.0 + 1)
    }

    /// Lets the time pass, and transactions come.
    fn advance(&mut self, until: u64) {
        while self.next_arrival <= until.min(self.last_arrival) {
            self.now = self.next_arrival;
            self.next_arrival += self.arrival_micros;
            self.waiting += 1;
            self.commit_waiting();
        }
        self.now = until;
    }

    /// The writer takes what waits, until the queue for the disk is full.
    fn commit_waiting(&mut self) {
        while self.waiting > 0 && self.store.log_queue_len() < QUEUE_LEN_MAX {
            self.store.datastore_mut().begin_tx();
            let row = self.report.transactions.to_le_bytes();
            let inserted = self.store.datastore_mut().insert(self.table, &row);
            if let Err(error) = inserted.map(drop) {
                self.violate(error.to_string());
            }
            if let Err(error) = self.store.commit(None).map(drop) {
                self.violate(error.to_string());
            }
            self.waiting -= 1;
            self.report.transactions += 1;
            let queued = self.store.log_queue_len();
            self.report.queued_max = self.report.queued_max.max(queued);
        }
        self.report.waiting_max = self.report.waiting_max.max(self.waiting);
    }

    fn violate(&mut self, what: String) {
        self.violation.get_or_insert(Violation::new("stall", what));
    }
}

impl SlowDisk {
    fn world(&self) -> MutexGuard<'_, Option<World>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sync of the log: time passes, and nothing is acknowledged.
    fn sync_log(&self) {
        let mut world = self.world();
        let Some(world) = world.as_mut() else { return };
        world.syncs += 1;
        let is_stall = world.stall_ended.is_none() && world.now * 2 > world.last_arrival;
        let durable = world.durable_end();
        let (parts, micros) = match is_stall {
            true => (CUTS_IN_STALL, self.run.stall_micros),
            false => (1, SYNC_MICROS),
        };
        for part in 0..parts {
            let until = world.now + micros / parts;
            world.advance(until);
            if world.durable_end() != durable {
                world.violate("acknowledged before the sync has returned".to_owned());
            }
            if is_stall && let Err(violation) = self.check_power_cut(part, durable) {
                world.violation.get_or_insert(violation);
            }
        }
        if is_stall {
            world.stall_ended = Some(world.now);
        }
    }

    /// What a power cut would leave now has everything that was acknowledged.
    fn check_power_cut(&self, part: u64, acknowledged: u64) -> Result<(), Violation> {
        let copy: Arc<dyn Storage> = Arc::new(self.disk.power_cut_copy(self.run.seed ^ part));
        let (store, _stepper) = open(&copy, Files::Known)?;
        let found = end_of(&store);
        if found < acknowledged {
            let what = format!("{acknowledged} were acknowledged, a power cut leaves {found}");
            return Err(Violation::new("stall", what));
        }
        Ok(())
    }
}

/// Runs a load over a stall in its middle.
pub fn run(run: StallRun) -> Result<StallReport, Violation> {
    let disk = SimStorage::new(run.seed);
    if run.without_syncs {
        disk.disable_file_syncs();
    }
    let slow = SlowDisk {
        disk: disk.clone(),
        run,
        world: Arc::default(),
    };
    let storage: Arc<dyn Storage> = Arc::new(slow.clone());
    let (mut store, mut stepper) = open(&storage, Files::MayBeNew)?;
    let table = make_table(&mut store)?;
    while stepper.step() {}
    // As long before the stall as after it, and time to catch up.
    let last_arrival = 2 * run.stall_micros.max(1_000_000);
    *slow.world() = Some(World {
        store,
        table,
        now: 0,
        next_arrival: 0,
        arrival_micros: (run.stall_micros / ARRIVALS_IN_STALL).max(ARRIVAL_MICROS_MIN),
        last_arrival,
        waiting: 0,
        syncs: 0,
        stall_ended: None,
        recovered: None,
        report: StallReport::default(),
        violation: None,
    });
    loop {
        let was_written = stepper.step();
        let mut world = slow.world();
        let world = world.as_mut().expect("it was just set");
        world.commit_waiting();
        if let Some(violation) = world.violation.take() {
            return Err(violation);
        }
        let is_through = world.stall_ended.is_some() && world.waiting == 0;
        if is_through && world.recovered.is_none() {
            world.recovered = Some(world.now);
        }
        if !was_written {
            if world.next_arrival > world.last_arrival && world.store.log_queue_len() == 0 {
                break;
            }
            world.advance(world.next_arrival.min(world.last_arrival + 1));
        }
    }
    let world = slow.world().take().expect("it was set");
    stepper.close();
    finish(world, &disk)
}

fn make_table(store: &mut Store) -> Result<TableId, Violation> {
    let wrong = |error: &dyn std::fmt::Display| Violation::new("stall", error.to_string());
    store.datastore_mut().begin_tx();
    let columns = vec![ColumnDef::new("n", AlgebraicType::U64)];
    let made = store
        .datastore_mut()
        .create_table(&TableDef::new("t", columns));
    let table = made.map_err(|error| wrong(&error))?;
    store.commit(None).map_err(|error| wrong(&error))?;
    Ok(table)
}

/// Everything is acknowledged, and there after a restart.
fn finish(mut world: World, disk: &SimStorage) -> Result<StallReport, Violation> {
    let wrong = |what: String| Err(Violation::new("stall", what));
    let (end, durable) = (end_of(&world.store), world.durable_end());
    if end != durable {
        return wrong(format!(
            "{end} were committed, {durable} acknowledged in the end"
        ));
    }
    let (Some(ended), Some(recovered)) = (world.stall_ended, world.recovered) else {
        return wrong("the run did not get over its stall".to_owned());
    };
    world.report.recovered_after_micros = recovered - ended;
    let (report, table) = (world.report, world.table);
    world.store.close();
    drop(world);
    let after: Arc<dyn Storage> = Arc::new(disk.after_power_cut());
    let (store, _stepper) = open(&after, Files::Known)?;
    let rows = store.datastore().row_count(table).unwrap_or(0);
    if rows != report.transactions {
        return wrong(format!("{rows} rows of {} are left", report.transactions));
    }
    Ok(report)
}

impl Storage for SlowDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError> {
        Ok(Box::new(SlowFile {
            file: self.disk.open(path, mode)?,
            slow: self.clone(),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError> {
        self.disk.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        self.disk.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path, content: &str) -> Result<Box<dyn StorageLock>, StorageError> {
        self.disk.lock(path, content)
    }
}

impl StorageFile for SlowFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        self.file.write_at(offset, bytes)
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        self.file.byte_len()
    }

    fn set_len(&self, len: u64) -> Result<(), StorageError> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        let path: PathBuf = self.file.path().to_owned();
        if path.to_string_lossy().ends_with(".stdb.log") {
            self.slow.sync_log();
        }
        self.file.sync_data()
    }
}
