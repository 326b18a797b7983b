//! The database under simulation: a [`Store`] without threads, and what the simulation asks of it.

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::storage::Storage;
use spacetime_commitlog::{LogError, LogOptions, SealedSegments};
use spacetime_durability::{CLOG_DIR, DurableState, Options, Status};
use spacetime_store::{
    Committed, Files, OpenStoreError, PastError, Recovery, SnapshotJob, SnapshotSettings, Stepper,
    Store, StoreError, StoreOptions, TakeSnapshotError, open_at,
};
use spacetime_table::Datastore;
use spacetime_types::{Timestamp, TxOffset};

use crate::scenario::Scenario;
use crate::state::State;

/// Where the replica is on the simulated disk.
pub const DIRECTORY: &str = "/replica";

/// An open database.
#[derive(Debug)]
pub struct Replica {
    store: Store,
    stepper: Stepper,
    sealed: SealedSegments,
    /// A snapshot that was begun and is not written yet.
    job: Option<SnapshotJob>,
}

fn store_options(scenario: &Scenario) -> StoreOptions {
    StoreOptions {
        durability: Options {
            log: LogOptions {
                segment_bytes_max: scenario.segment_bytes_max,
                index_interval_bytes: scenario.index_interval_bytes,
                preallocate: scenario.preallocates,
            },
            commit_bytes_max: scenario.commit_bytes_max,
            commits_per_watermark: scenario.commits_per_watermark,
            // Nobody would make room.
            queue_len_max: usize::MAX,
            queue_bytes_max: usize::MAX,
            ..Options::default()
        },
        snapshots: SnapshotSettings {
            // They are taken when the scheduler says so.
            log_bytes: 0,
            transactions: 0,
            on_close: scenario.snapshot_on_close,
            retain: scenario.snapshots_kept,
            restore_threads: 1,
        },
        log_retention: scenario.log_retention,
        ..StoreOptions::default()
    }
}

/// The state after a past transaction, read beside the open database. `None` if the log does not
/// reach back that far.
pub fn past_state(
    storage: &Arc<dyn Storage>,
    scenario: &Scenario,
    offset: u64,
) -> Result<State, PastError> {
    let options = store_options(scenario);
    let past = open_at(storage, Path::new(DIRECTORY), TxOffset(offset), &options)?;
    Ok(State::of(&past.view))
}

impl Replica {
    pub fn open(
        storage: &Arc<dyn Storage>,
        scenario: &Scenario,
        files: Files,
    ) -> Result<Replica, OpenStoreError> {
        let options = store_options(scenario);
        let opened = Store::open_stepped(storage, Path::new(DIRECTORY), files, &options)?;
        let (store, stepper) = opened;
        let log = Path::new(DIRECTORY).join(CLOG_DIR);
        Ok(Replica {
            store,
            stepper,
            sealed: SealedSegments::new(Arc::clone(storage), &log),
            job: None,
        })
    }

    /// The offset that the next transaction takes.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.store.last_offset().map_or(0, |last| last.0 + 1)
    }

    fn durable_state(&self) -> DurableState {
        self.store.durable_state().expect("the store is open")
    }

    /// All transactions before this one are acknowledged.
    #[must_use]
    pub fn durable_end(&self) -> u64 {
        self.durable_state().offset.map_or(0, |last| last.0 + 1)
    }

    /// Why nothing more becomes durable.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match self.durable_state().status {
            Status::Running => None,
            Status::Closed => Some("closed".to_owned()),
            Status::Failed(failure) => Some(failure.to_string()),
        }
    }

    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.store.check_writable().is_ok()
    }

    pub fn datastore_mut(&mut self) -> &mut Datastore {
        self.store.datastore_mut()
    }

    #[must_use]
    pub fn state(&self) -> State {
        State::of(self.store.datastore())
    }

    pub fn commit(&mut self) -> Result<Committed, StoreError> {
        self.store.commit(None)
    }

    /// Writes one commit of what is queued. False if there was none, or it failed.
    pub fn write_log(&mut self) -> bool {
        self.stepper.step()
    }

    /// What is done when nothing is committed for a while.
    pub fn idle(&mut self) {
        self.stepper.idle();
    }

    /// Compresses the oldest segment that nobody appends to and that is not compressed. False if
    /// there is none.
    pub fn compress_segment(&mut self) -> Result<bool, LogError> {
        let until = TxOffset(self.durable_end());
        let compressed = self.sealed.compress_next_before(until)?;
        Ok(compressed.is_some())
    }

    /// First transactions of the log's segments.
    pub fn segments(&self) -> Vec<u64> {
        let segments = self.sealed.list().unwrap_or_default();
        segments.iter().map(|segment| segment.start.0).collect()
    }

    /// How it came back.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        self.store.recovery()
    }

    /// The transaction of the snapshot that was begun last and is not written yet.
    #[must_use]
    pub fn begun_snapshot(&self) -> Option<u64> {
        self.job.as_ref().map(|job| job.offset().0)
    }

    /// Takes a view of the state now, to be written later.
    pub fn begin_snapshot(&mut self) -> Result<(), TakeSnapshotError> {
        self.job = Some(self.store.begin_snapshot(Timestamp::UNIX_EPOCH)?);
        Ok(())
    }

    /// Writes what was begun, and tidies up behind it. If its last transaction is not durable yet,
    /// it can be tried again.
    pub fn write_snapshot(&mut self) -> Result<(), TakeSnapshotError> {
        let Some(job) = self.job.take() else {
            return Ok(());
        };
        match job.write() {
            Ok(_) => job.tidy_up(),
            Err(error) => {
                let is_early = matches!(error, TakeSnapshotError::NotDurable { .. });
                self.job = is_early.then_some(job);
                Err(error)
            }
        }
    }

    /// Writes everything out and closes the files.
    pub fn close(mut self) {
        self.stepper.close();
        self.store.close();
    }
}
