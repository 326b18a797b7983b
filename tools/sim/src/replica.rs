//! The database under simulation: a [`Store`] without threads, and what the simulation asks of it.

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::storage::Storage;
use spacetime_commitlog::{LogError, LogOptions, SealedSegments};
use spacetime_durability::{CLOG_DIR, DurableState, Options, Status};
use spacetime_store::{Committed, Files, OpenStoreError, Stepper, Store, StoreError, StoreOptions};
use spacetime_table::Datastore;
use spacetime_types::TxOffset;

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
        ..StoreOptions::default()
    }
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

    /// Segments of the log.
    pub fn segment_count(&self) -> usize {
        self.sealed.list().map_or(0, |segments| segments.len())
    }

    /// Writes everything out and closes the files.
    pub fn close(mut self) {
        self.stepper.close();
        self.store.close();
    }
}
