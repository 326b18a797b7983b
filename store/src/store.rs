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
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spacetime_durability::storage::Storage;
use spacetime_durability::{
    Durability, DurableOffset, DurableState, EnqueueError, Record, RecoverError, Status, Stepper,
    Subscription, Transaction, WaitError,
};
use spacetime_snapshot::{SnapshotRepo, WriteReport};
use spacetime_table::{Datastore, TxDelta};
use spacetime_types::{Timestamp, TxOffset};

use crate::open::{BroughtBack, OpenStoreError, Recovery, open_files};
use crate::options::{LogBehind, StoreOptions};
use crate::record::{CommitInputs, TxRecord};
use crate::restore::identity_of;
use crate::snapshots::{OnTaken, SnapshotJob, Snapshots, TakeSnapshotError};

/// Longest wait for the disk before whoever waits is told.
const DURABLE_WAIT_MAX: Duration = Duration::from_secs(300);

/// Names under which a transaction is logged even if it changed nothing.
const ALWAYS_LOGGED: [&str; 2] = ["__identity_connected__", "__identity_disconnected__"];

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
    /// Goes before the log, whose lock keeps others out.
    snapshots: Snapshots,
    /// Snapshots are taken by themselves, on threads.
    in_background: bool,
    snapshot_on_close: bool,
    recovery: Recovery,
    durability: Option<Durability>,
    next: TxOffset,
    _listener: Option<Subscription>,
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
        let last = opened.rest.recovery.log.next.0.checked_sub(1).map(TxOffset);
        let listener = on_durable.map(|on_durable| follow_durable(&durability, last, on_durable));
        let mut store = Store::new(opened.rest, durability, options);
        store.in_background = true;
        store._listener = listener;
        Ok(store)
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
        Ok((Store::new(opened.rest, durability, options), stepper))
    }

    fn new(brought_back: BroughtBack, durability: Durability, options: &StoreOptions) -> Store {
        let BroughtBack {
            datastore,
            recovery,
            snapshots,
        } = brought_back;
        let replayed = recovery.log.replayed;
        let (bytes, transactions) = (replayed.record_bytes, replayed.transactions);
        Store {
            datastore: Some(datastore),
            snapshots: Snapshots::new(snapshots, options, bytes, transactions),
            in_background: false,
            snapshot_on_close: options.snapshots.on_close,
            next: recovery.log.next,
            recovery,
            durability: Some(durability),
            _listener: None,
        }
    }

    /// How the database came back when it was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The snapshots on disk.
    pub fn snapshots(&self) -> &SnapshotRepo {
        &self.snapshots.files.repo
    }

    /// The state now, to be written as a snapshot on any thread, once it is durable. Nothing is
    /// copied here. No transaction may be open.
    pub fn begin_snapshot(&mut self, now: Timestamp) -> Result<SnapshotJob, TakeSnapshotError> {
        let offset = self.last_offset().ok_or(TakeSnapshotError::NoTransaction)?;
        let durability = self
            .durability
            .as_ref()
            .ok_or(WaitError::Closed { offset })?;
        // Whoever replays from the snapshot begins at a commit.
        durability.end_commit();
        self.snapshots.note_begun();
        let view = self.datastore().view();
        Ok(SnapshotJob {
            identity: identity_of(&view),
            view,
            offset,
            taken_at: now,
            durable: durability.durable_offset(),
            files: self.snapshots.files.clone(),
            cancel: Arc::clone(&self.snapshots.cancel),
        })
    }

    /// Takes a snapshot of the state now and waits for it, and for the one that is being taken.
    pub fn take_snapshot(&mut self) -> Result<WriteReport, TakeSnapshotError> {
        if let Some(Ok(report)) = self.snapshots.wait()
            && Some(report.info.tx_offset) == self.last_offset()
        {
            return Ok(report);
        }
        self.begin_snapshot(now())?.run()
    }

    /// Removes all snapshots and takes one of the state now: for a copy of a database that has just
    /// got an identity of its own, since those before are of the original. Only for files that
    /// nobody else knows of: interrupted, they may be left without any snapshot.
    pub fn retake_snapshot(&mut self) -> Result<WriteReport, TakeSnapshotError> {
        // What is being written is removed with the others.
        let _ = self.snapshots.wait();
        self.snapshots.files.start_over()?;
        self.take_snapshot()
    }

    /// Takes a snapshot in the background if so much was logged since the last one; `on_taken` is
    /// called when it is there, or at once if there is no need. One that is being written will do.
    pub fn snapshot_if_behind(&mut self, least: LogBehind, on_taken: OnTaken) {
        let Some(on_taken) = self.snapshots.join(on_taken) else {
            return;
        };
        let newest = self
            .snapshots()
            .list()
            .last()
            .map(|newest| newest.tx_offset);
        match (self.snapshots.has_logged(least), newest) {
            (false, Some(newest)) => on_taken(Ok(newest)),
            (false, None) => on_taken(Err("there is little log, and no snapshot".to_owned())),
            (true, _) => match self.begin_snapshot(now()) {
                Ok(job) => self.snapshots.start(job, Some(on_taken)),
                Err(error) => on_taken(Err(error.to_string())),
            },
        }
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
            let bytes = u64::try_from(record.byte_len()).unwrap_or(u64::MAX);
            let durability = self.durability.as_ref().ok_or(StoreError::Closed)?;
            durability.append(Transaction::new(self.next, record))?;
            self.next = TxOffset(self.next.0 + 1);
            let is_time = self.snapshots.note_transaction(bytes);
            if is_time && self.in_background {
                self.start_snapshot();
            }
        }
        Ok(Committed {
            offset: self.last_offset(),
            delta,
        })
    }

    fn start_snapshot(&mut self) {
        match self.begin_snapshot(now()) {
            Ok(job) => self.snapshots.start(job, None),
            Err(error) => tracing::error!(%error, "no snapshot was taken"),
        }
    }

    /// Transactions that wait to be written.
    #[must_use]
    pub fn log_queue_len(&self) -> usize {
        self.durability.as_ref().map_or(0, Durability::queue_len)
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

    /// Writes what is queued, and a snapshot if that is wanted, and closes the files. Nothing can
    /// be committed after.
    pub fn close(&mut self) {
        if self.snapshot_on_close && self.durability.is_some() && self.snapshots.is_behind() {
            match self.take_snapshot() {
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "no snapshot was taken at the end"),
            }
        }
        // A snapshot that is being written would keep whoever stops the server waiting.
        self.snapshots.cancel.store(true, Ordering::Relaxed);
        let _ = self.snapshots.wait();
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

/// The time, for people and for retention.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since_epoch.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0));
    Timestamp { micros }
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
