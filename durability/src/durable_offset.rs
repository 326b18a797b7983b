//! The durable offset: published by the durability thread, watched by everybody else.
//!
//! Invariants
//!   * The offset only grows, and a published offset was synced before.
//!   * `Closed` and `Failed` are final.
//!   * Listeners are called without any lock held, after the state has changed, so that what
//!     they read is at least as new as the call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use spacetime_types::TxOffset;

use crate::group_commit::Failure;

/// Whether the durable offset can still grow.
#[derive(Clone, Debug)]
pub enum Status {
    Running,
    /// Shut down cleanly; everything appended is durable.
    Closed,
    /// Nothing more becomes durable. The database must be reopened.
    Failed(Arc<Failure>),
}

/// What is known to be durable.
#[derive(Clone, Debug)]
pub struct DurableState {
    /// The largest durable offset; `None` if there is no transaction yet.
    pub offset: Option<TxOffset>,
    pub status: Status,
}

/// Why waiting ended without the offset being durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WaitError {
    /// The transaction may still become durable.
    #[error("transaction {offset} was not durable within {timeout:?}")]
    TimedOut { offset: TxOffset, timeout: Duration },
    /// The transaction was never appended.
    #[error("the database was closed before transaction {offset}")]
    Closed { offset: TxOffset },
    /// The transaction may be lost. It must not be acknowledged.
    #[error("transaction {offset} did not become durable: {failure}")]
    Failed {
        offset: TxOffset,
        failure: Arc<Failure>,
    },
}

type Listener = Arc<dyn Fn(&DurableState) + Send + Sync>;

/// A handle on the durable offset; clones watch the same one.
#[derive(Clone)]
pub struct DurableOffset {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<DurableState>,
    changed: Condvar,
    listeners: Mutex<Listeners>,
}

#[derive(Default)]
struct Listeners {
    next_id: u64,
    by_id: BTreeMap<u64, Listener>,
}

/// Keeps a listener registered until dropped.
#[must_use = "a listener is removed when its subscription is dropped"]
pub struct Subscription {
    shared: Arc<Shared>,
    id: u64,
}

impl DurableOffset {
    pub(crate) fn new(offset: Option<TxOffset>) -> Self {
        let state = DurableState {
            offset,
            status: Status::Running,
        };
        DurableOffset {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: Condvar::new(),
                listeners: Mutex::default(),
            }),
        }
    }

    /// The state now.
    #[must_use]
    pub fn get(&self) -> DurableState {
        self.shared.state.lock().clone()
    }

    /// Waits until `offset` is durable.
    pub fn wait_for(&self, offset: TxOffset, timeout: Duration) -> Result<(), WaitError> {
        // A timeout beyond what the clock can say is no timeout.
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.shared.state.lock();
        loop {
            if state.offset.is_some_and(|durable| durable >= offset) {
                return Ok(());
            }
            match &state.status {
                Status::Running => {}
                Status::Closed => return Err(WaitError::Closed { offset }),
                Status::Failed(failure) => {
                    let failure = Arc::clone(failure);
                    return Err(WaitError::Failed { offset, failure });
                }
            }
            let Some(deadline) = deadline else {
                self.shared.changed.wait(&mut state);
                continue;
            };
            let waited = self.shared.changed.wait_until(&mut state, deadline);
            let is_durable = state.offset.is_some_and(|durable| durable >= offset);
            if waited.timed_out() && !is_durable && matches!(state.status, Status::Running) {
                return Err(WaitError::TimedOut { offset, timeout });
            }
        }
    }

    /// Calls `listener` on the durability thread after every change, until the subscription is
    /// dropped. It is not called for the state at registration: read that with
    /// [`DurableOffset::get`] *after* registering. It must be quick, and must not wait for
    /// durability.
    pub fn on_advance(
        &self,
        listener: impl Fn(&DurableState) + Send + Sync + 'static,
    ) -> Subscription {
        let mut listeners = self.shared.listeners.lock();
        let id = listeners.next_id;
        listeners.next_id += 1;
        listeners.by_id.insert(id, Arc::new(listener));
        Subscription {
            shared: Arc::clone(&self.shared),
            id,
        }
    }

    /// All transactions before `end` are durable.
    pub(crate) fn advance(&self, end: TxOffset) {
        let last = end.0.checked_sub(1).map(TxOffset);
        self.change(|state| {
            assert!(last >= state.offset, "durable stays durable");
            state.offset = last;
        });
    }

    /// Ends the watch. Only the first call counts.
    pub(crate) fn end(&self, status: Status) {
        self.change(|state| {
            if matches!(state.status, Status::Running) {
                state.status = status;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut DurableState)) {
        let state = {
            let mut state = self.shared.state.lock();
            change(&mut state);
            self.shared.changed.notify_all();
            state.clone()
        };
        let listeners: Vec<Listener> = {
            let listeners = self.shared.listeners.lock();
            listeners.by_id.values().cloned().collect()
        };
        for listener in listeners {
            listener(&state);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let removed = self.shared.listeners.lock().by_id.remove(&self.id);
        // The listener's own drop may do anything; no lock is held here.
        drop(removed);
    }
}

impl fmt::Debug for DurableOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DurableOffset").field(&self.get()).finish()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
