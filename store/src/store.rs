//! A database's rows together with their log: commit, and recovery.
//!
//! Invariants
//!   * Offsets are dense: a transaction takes one exactly if it goes to the log.
//!   * A transaction is handed to the durability thread in commit order, before anybody learns of
//!     it.
//!
//! Not here: running anything inside a transaction.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spacetime_commitlog::storage::StorageError;
use spacetime_durability::storage::Storage;
use spacetime_durability::{
    Durability, DurableOffset, DurableState, EnqueueError, GroupCommit, Options, RecoverError,
    Recovered, Status, Stepper, Subscription, Transaction, WaitError,
};
use spacetime_table::{Datastore, ReplayError, TxDelta};
use spacetime_types::TxOffset;

use crate::apply::Apply;
use crate::record::{CommitInputs, TxRecord};

/// Longest wait for the disk before whoever waits is told.
const DURABLE_WAIT_MAX: Duration = Duration::from_secs(300);

/// Names under which a transaction is logged even if it changed nothing.
const ALWAYS_LOGGED: [&str; 2] = ["__identity_connected__", "__identity_disconnected__"];

/// Why a database's files could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    #[error(transparent)]
    Recover(Box<RecoverError<ReplayError>>),
    #[error("the log leads to a state that is not consistent: {0}")]
    Inconsistent(ReplayError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a change could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Append(#[from] EnqueueError),
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[error("the database takes no more writes: {0}")]
    Failed(String),
    #[error("the database is closed")]
    Closed,
}

/// A committed transaction.
#[derive(Debug)]
pub struct Committed {
    /// Its offset; that of the transaction before if it changed nothing that is logged.
    pub offset: Option<TxOffset>,
    pub delta: Arc<TxDelta>,
}

/// What is known of a database's files before they are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Something was committed to them. That they are gone is damage, not a new database.
    Known,
    /// There may be none yet.
    MayBeNew,
}

/// Called when the durable offset changes, or can change no more.
pub type OnDurable = Box<dyn Fn(&DurableState) + Send + Sync>;

/// Rows and log of one database.
#[derive(Debug)]
pub struct Store {
    /// `None` only while the module has it.
    datastore: Option<Box<Datastore>>,
    durability: Option<Durability>,
    next: TxOffset,
    _listener: Option<Subscription>,
}

/// How a database is opened.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// Where to replay from, and whether the log must exist, is decided when opening.
    pub durability: Options,
}

/// What recovery of the rows and the log led to.
struct Opened {
    datastore: Box<Datastore>,
    recovered: Recovered,
    group_commit: GroupCommit,
}

impl Store {
    /// Opens the files in `directory`, or makes them if they may be new, and brings the rows back.
    /// `on_durable` is called with
    /// what is durable already, then whenever that changes, on the durability thread.
    pub fn open(
        storage: &Arc<dyn Storage>,
        directory: &Path,
        files: Files,
        on_durable: Option<OnDurable>,
    ) -> Result<Store, OpenStoreError> {
        let options = StoreOptions::default();
        Self::open_with(storage, directory, files, &options, on_durable)
    }

    /// The same with other settings.
    pub fn open_with(
        storage: &Arc<dyn Storage>,
        directory: &Path,
        files: Files,
        options: &StoreOptions,
        on_durable: Option<OnDurable>,
    ) -> Result<Store, OpenStoreError> {
        let opened = open_files(storage, directory, files, options)?;
        let durability = Durability::start(opened.group_commit, &options.durability)
            .map_err(|error| OpenStoreError::Recover(Box::new(RecoverError::Thread(error))))?;
        let next = opened.recovered.next;
        let last = next.0.checked_sub(1).map(TxOffset);
        let listener = on_durable.map(|on_durable| follow_durable(&durability, last, on_durable));
        Ok(Store {
            datastore: Some(opened.datastore),
            durability: Some(durability),
            next,
            _listener: listener,
        })
    }

    /// The same without any thread, for simulations: the log is written by the [`Stepper`]. Close
    /// that before the store.
    pub fn open_stepped(
        storage: &Arc<dyn Storage>,
        directory: &Path,
        files: Files,
        options: &StoreOptions,
    ) -> Result<(Store, Stepper), OpenStoreError> {
        let opened = open_files(storage, directory, files, options)?;
        let (durability, stepper) = Durability::stepped(opened.group_commit, &options.durability);
        let store = Store {
            datastore: Some(opened.datastore),
            durability: Some(durability),
            next: opened.recovered.next,
            _listener: None,
        };
        Ok((store, stepper))
    }

    pub fn datastore(&self) -> &Datastore {
        self.datastore
            .as_deref()
            .expect("the module has given the rows back")
    }

    pub fn datastore_mut(&mut self) -> &mut Datastore {
        self.datastore
            .as_deref_mut()
            .expect("the module has given the rows back")
    }

    /// Lends the rows to the module's instance.
    pub fn take_datastore(&mut self) -> Box<Datastore> {
        self.datastore
            .take()
            .expect("the rows are lent once at a time")
    }

    pub fn put_datastore(&mut self, datastore: Box<Datastore>) {
        assert!(self.datastore.is_none(), "the rows were lent");
        self.datastore = Some(datastore);
    }

    /// Offset of the last logged transaction.
    pub fn last_offset(&self) -> Option<TxOffset> {
        self.next.0.checked_sub(1).map(TxOffset)
    }

    /// Fails if the log has failed: what is written now could never be confirmed.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        let durability = self.durability.as_ref().ok_or(StoreError::Closed)?;
        match durability.durable_offset().get().status {
            Status::Running => Ok(()),
            Status::Closed => Err(StoreError::Closed),
            Status::Failed(failure) => Err(StoreError::Failed(failure.to_string())),
        }
    }

    /// Commits the open transaction and queues it for the log. Waits only if the queue is full.
    pub fn commit(&mut self, inputs: Option<CommitInputs>) -> Result<Committed, StoreError> {
        let delta = self.datastore_mut().commit();
        let always = |inputs: &CommitInputs| ALWAYS_LOGGED.contains(&&*inputs.reducer);
        if delta.consumes_offset || inputs.as_ref().is_some_and(always) {
            let record = TxRecord {
                inputs,
                delta: Arc::clone(&delta),
            };
            let durability = self.durability.as_ref().ok_or(StoreError::Closed)?;
            durability.append(Transaction::new(self.next, record))?;
            self.next = TxOffset(self.next.0 + 1);
        }
        Ok(Committed {
            offset: self.last_offset(),
            delta,
        })
    }

    /// Whether a transaction is on disk already.
    pub fn is_durable(&self, offset: TxOffset) -> bool {
        let durable = self
            .durability
            .as_ref()
            .and_then(|log| log.durable_offset().get().offset);
        durable >= Some(offset)
    }

    /// What is on disk, and whether that can still grow.
    pub fn durable_state(&self) -> Option<DurableState> {
        let durability = self.durability.as_ref()?;
        Some(durability.durable_offset().get())
    }

    /// Waits on another thread.
    pub fn durable_waiter(&self) -> DurableWaiter {
        DurableWaiter {
            durable: self.durability.as_ref().map(Durability::durable_offset),
        }
    }

    /// Waits until a transaction is on disk.
    pub fn wait_durable(&self, offset: Option<TxOffset>) -> Result<(), StoreError> {
        let Some(offset) = offset else { return Ok(()) };
        self.durable_waiter().wait(offset)
    }

    /// Writes what is queued and closes the files. Nothing can be committed after.
    pub fn close(&mut self) {
        if let Some(durability) = self.durability.take()
            && let Err(failure) = durability.close()
        {
            tracing::error!(%failure, "the log could not be closed in good order");
        }
    }
}

/// Waits for the disk without holding the database.
#[derive(Debug)]
pub struct DurableWaiter {
    durable: Option<DurableOffset>,
}

impl DurableWaiter {
    pub fn wait(&self, offset: TxOffset) -> Result<(), StoreError> {
        let durable = self.durable.as_ref().ok_or(StoreError::Closed)?;
        Ok(durable.wait_for(offset, DURABLE_WAIT_MAX)?)
    }
}

fn open_files(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    files: Files,
    options: &StoreOptions,
) -> Result<Opened, OpenStoreError> {
    let started = Instant::now();
    let mut datastore = Box::new(Datastore::new());
    datastore.replay_begin();
    let mut replay = Apply::new(&mut datastore);
    let options = Options {
        must_exist: files == Files::Known,
        ..options.durability.clone()
    };
    let (recovered, group_commit) =
        spacetime_durability::recover(storage, directory, &options, &mut replay)
            .map_err(|error| OpenStoreError::Recover(Box::new(error)))?;
    datastore
        .finish_replay()
        .map_err(OpenStoreError::Inconsistent)?;
    if let Some(cut) = &recovered.cut {
        tracing::warn!(directory = %directory.display(), ?cut, "cut an interrupted write off");
    }
    tracing::info!(
        directory = %directory.display(),
        transactions = recovered.replayed.transactions,
        bytes = recovered.replayed.record_bytes,
        milliseconds = started.elapsed().as_secs_f64() * 1000.0,
        "database opened"
    );
    Ok(Opened {
        datastore,
        recovered,
        group_commit,
    })
}

fn follow_durable(
    durability: &Durability,
    recovered: Option<TxOffset>,
    on_durable: OnDurable,
) -> Subscription {
    if recovered.is_some() {
        on_durable(&DurableState {
            offset: recovered,
            status: Status::Running,
        });
    }
    durability.durable_offset().on_advance(on_durable)
}
