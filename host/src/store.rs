//! A database's rows together with their log: commit, and recovery.
//!
//! Invariants
//!   * Offsets are dense: a transaction takes one exactly if it goes to the log.
//!   * A transaction is handed to the durability thread in commit order, before anybody learns of
//!     it.
//!
//! Not here: running anything inside a transaction (see `worker`).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use spacetime_commitlog::txdata::{self, Call, Changes, Inputs, RowSet, TxVisitor};
use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_durability::{
    Durability, DurableOffset, EnqueueError, Options, Record, RecoverError, Status, Subscription,
    Transaction, WaitError,
};
use spacetime_table::{Datastore, ReplayError, RowList, TxDelta};
use spacetime_types::bsatn::Reader;
use spacetime_types::{ConnectionId, Identity, TableId, Timestamp, TxOffset};

use crate::release::ReleaseQueue;

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
    #[error("cannot create {path}: {cause}")]
    CreateDir { path: String, cause: std::io::Error },
}

/// Why a change could not be made durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Append(#[from] EnqueueError),
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[error("the database takes no more writes: {0}")]
    Failed(String),
    #[error("the database is closed")]
    Closed,
}

/// The call that a transaction came from, for the log.
#[derive(Clone, Debug)]
pub(crate) struct CommitInputs {
    pub(crate) reducer: Arc<str>,
    pub(crate) caller: Identity,
    pub(crate) connection_id: ConnectionId,
    pub(crate) timestamp: Timestamp,
    pub(crate) args: Bytes,
}

/// A committed transaction.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Its offset; that of the transaction before if it changed nothing that is logged.
    pub(crate) offset: Option<TxOffset>,
    pub(crate) delta: Arc<TxDelta>,
}

/// What is known of a database's files before they are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// Something was committed to them. That they are gone is damage, not a new database.
    Known,
    /// There may be none yet.
    MayBeNew,
}

/// Rows and log of one database.
#[derive(Debug)]
pub(crate) struct Store {
    /// `None` only while the module has it.
    datastore: Option<Box<Datastore>>,
    durability: Option<Durability>,
    next: TxOffset,
    _listener: Option<Subscription>,
}

impl Store {
    /// Opens the files in `directory`, or makes them if they may be new, and brings the rows back.
    /// `release` follows the durable offset.
    pub(crate) fn open(
        directory: &Path,
        files: Files,
        release: Option<Arc<ReleaseQueue>>,
    ) -> Result<Store, OpenStoreError> {
        if files == Files::MayBeNew {
            std::fs::create_dir_all(directory).map_err(|cause| OpenStoreError::CreateDir {
                path: directory.display().to_string(),
                cause,
            })?;
        }
        let started = Instant::now();
        let mut datastore = Box::new(Datastore::new());
        datastore.replay_begin();
        let mut replay = Replay {
            datastore: &mut datastore,
        };
        let options = Options {
            must_exist: files == Files::Known,
            ..Options::default()
        };
        let storage: Arc<dyn Storage> = Arc::new(OsStorage);
        let (recovered, durability) =
            spacetime_durability::open(&storage, directory, &options, &mut replay)
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
        let next = recovered.next;
        let last = next.0.checked_sub(1).map(TxOffset);
        let listener = release.map(|release| follow_durable(&durability, release, last));
        Ok(Store {
            datastore: Some(datastore),
            durability: Some(durability),
            next,
            _listener: listener,
        })
    }

    pub(crate) fn datastore(&self) -> &Datastore {
        self.datastore
            .as_deref()
            .expect("the module has given the rows back")
    }

    pub(crate) fn datastore_mut(&mut self) -> &mut Datastore {
        self.datastore
            .as_deref_mut()
            .expect("the module has given the rows back")
    }

    /// Lends the rows to the module's instance.
    pub(crate) fn take_datastore(&mut self) -> Box<Datastore> {
        self.datastore
            .take()
            .expect("the rows are lent once at a time")
    }

    pub(crate) fn put_datastore(&mut self, datastore: Box<Datastore>) {
        assert!(self.datastore.is_none(), "the rows were lent");
        self.datastore = Some(datastore);
    }

    /// Offset of the last logged transaction.
    pub(crate) fn last_offset(&self) -> Option<TxOffset> {
        self.next.0.checked_sub(1).map(TxOffset)
    }

    /// Fails if the log has failed: what is written now could never be confirmed.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        let durability = self.durability.as_ref().ok_or(StoreError::Closed)?;
        match durability.durable_offset().get().status {
            Status::Running => Ok(()),
            Status::Closed => Err(StoreError::Closed),
            Status::Failed(failure) => Err(StoreError::Failed(failure.to_string())),
        }
    }

    /// Commits the open transaction and queues it for the log. Waits only if the queue is full.
    pub(crate) fn commit(&mut self, inputs: Option<CommitInputs>) -> Result<Committed, StoreError> {
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
    pub(crate) fn is_durable(&self, offset: TxOffset) -> bool {
        let durable = self
            .durability
            .as_ref()
            .and_then(|log| log.durable_offset().get().offset);
        durable >= Some(offset)
    }

    /// Waits on another thread.
    pub(crate) fn durable_waiter(&self) -> DurableWaiter {
        DurableWaiter {
            durable: self.durability.as_ref().map(Durability::durable_offset),
        }
    }

    /// Waits until a transaction is on disk.
    pub(crate) fn wait_durable(&self, offset: Option<TxOffset>) -> Result<(), StoreError> {
        let Some(offset) = offset else { return Ok(()) };
        self.durable_waiter().wait(offset)
    }

    /// Writes what is queued and closes the files. Nothing can be committed after.
    pub(crate) fn close(&mut self) {
        if let Some(durability) = self.durability.take()
            && let Err(failure) = durability.close()
        {
            tracing::error!(%failure, "the log could not be closed in good order");
        }
    }
}

/// Waits for the disk without holding the database.
pub(crate) struct DurableWaiter {
    durable: Option<DurableOffset>,
}

impl DurableWaiter {
    pub(crate) fn wait(&self, offset: TxOffset) -> Result<(), StoreError> {
        let durable = self.durable.as_ref().ok_or(StoreError::Closed)?;
        Ok(durable.wait_for(offset, DURABLE_WAIT_MAX)?)
    }
}

fn follow_durable(
    durability: &Durability,
    release: Arc<ReleaseQueue>,
    recovered: Option<TxOffset>,
) -> Subscription {
    if let Some(offset) = recovered {
        release.advance(offset);
    }
    durability.durable_offset().on_advance(move |state| {
        if let Some(offset) = state.offset {
            release.advance(offset);
        }
        if matches!(state.status, Status::Failed(_)) {
            release.fail();
        }
    })
}

/// A transaction on its way to the log; encoded on the durability thread.
struct TxRecord {
    inputs: Option<CommitInputs>,
    delta: Arc<TxDelta>,
}

/// Rows of one table for the log.
struct LoggedRows<'a> {
    table: TableId,
    rows: &'a RowList,
}

impl RowSet for LoggedRows<'_> {
    fn table(&self) -> TableId {
        self.table
    }

    fn row_count(&self) -> usize {
        self.rows.len()
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.rows.bytes());
    }
}

impl Record for TxRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        let (mut inserts, mut deletes, mut truncates) = (Vec::new(), Vec::new(), Vec::new());
        for table in self.delta.logged_tables() {
            let rows = |rows| LoggedRows {
                table: table.table,
                rows,
            };
            if table.truncated {
                truncates.push(table.table);
                continue;
            }
            if !table.inserts.is_empty() {
                inserts.push(rows(&table.inserts));
            }
            if !table.deletes.is_empty() {
                deletes.push(rows(&table.deletes));
            }
        }
        let changes = Changes {
            inserts: &inserts,
            deletes: &deletes,
            truncates: &truncates,
        };
        let arguments = self.inputs.as_ref().map(|inputs| {
            let call = Call {
                caller: inputs.caller.to_le_bytes(),
                connection: inputs.connection_id.0.to_le_bytes(),
                timestamp_micros: inputs.timestamp.micros,
                arguments: &inputs.args,
            };
            call.to_bytes()
        });
        let inputs = self
            .inputs
            .as_ref()
            .zip(arguments.as_ref())
            .map(|(inputs, arguments)| Inputs {
                reducer: &inputs.reducer,
                arguments,
            });
        txdata::encode(inputs, None, Some(changes), out);
    }

    fn byte_len(&self) -> usize {
        let args = self.inputs.as_ref().map_or(0, |inputs| inputs.args.len());
        let tables = self.delta.tables.iter();
        let rows: usize = tables
            .map(|table| table.inserts.bytes().len() + table.deletes.bytes().len())
            .sum();
        256 + args + rows
    }
}

/// Applies a log to the rows.
struct Replay<'a> {
    datastore: &'a mut Datastore,
}

impl Replay<'_> {
    fn step(
        rows: &mut Reader<'_>,
        apply: impl FnOnce(&[u8]) -> Result<usize, ReplayError>,
    ) -> Result<(), ReplayError> {
        let used = apply(rows.rest())?;
        rows.take(used)
            .expect("the datastore used bytes that are there");
        Ok(())
    }
}

impl TxVisitor for Replay<'_> {
    type Error = ReplayError;

    fn begin(&mut self, _offset: TxOffset) -> Result<(), ReplayError> {
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        Self::step(rows, |bytes| self.datastore.replay_insert(table, bytes))
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        Self::step(rows, |bytes| self.datastore.replay_delete(table, bytes))
    }

    fn truncate(&mut self, table: TableId) -> Result<(), ReplayError> {
        self.datastore.replay_truncate(table)
    }

    fn end(&mut self, _offset: TxOffset) -> Result<(), ReplayError> {
        self.datastore.replay_commit()
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        Self::step(rows, |bytes| self.datastore.replay_row_len(table, bytes))
    }
}
