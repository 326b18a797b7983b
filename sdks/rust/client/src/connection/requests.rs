//! Calls and subscriptions that are under way.
//!
//! Invariants
//!   * A message is put into the queue of the socket's task under the same lock that gives it its
//!     sequence number: numbers rise in the order of sending.
//!   * A set is in `sets` from `subscribe` to its end; a call is in its map until it is answered.
//!   * What waits to be sent is bounded in bytes; a call that does not fit is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;

use crate::error::{Error, InternalError, Result};
use crate::module::{Reducer as _, SpacetimeModule};
use crate::subscription::{OnAppliedCallback, OnEndedCallback, OnErrorCallback};
use crate::wire::{self, QuerySetId};

/// Most bytes of messages that wait to be sent.
const QUEUED_BYTES_MAX: usize = 64 << 20;

type Outcome<T> = std::result::Result<T, InternalError>;

/// A callback for the end of a reducer call.
pub(super) type ReducerCallback<M> = Box<
    dyn FnOnce(
            &<M as SpacetimeModule>::ReducerEventContext,
            Outcome<std::result::Result<(), String>>,
        ) + Send,
>;

/// A callback for the end of a procedure call; decodes what it returned.
pub(super) type ProcedureCallback<M> =
    Box<dyn FnOnce(&<M as SpacetimeModule>::ProcedureEventContext, Outcome<Bytes>) + Send>;

/// The texts of a set's queries.
pub(super) type Queries = Arc<[Box<str>]>;

/// What the socket's task is to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Send a message.
    Send { sequence: u64, message: Vec<u8> },
    /// After a loss: connect again, and open these sets.
    Resume(Vec<(QuerySetId, Queries)>),
    /// Give the socket up: what came over it cannot be right.
    Fail(InternalError),
    /// Send what was put in before, and end.
    Close,
}

pub(super) struct PendingReducer<M: SpacetimeModule> {
    sequence: u64,
    pub(super) reducer: M::Reducer,
    pub(super) callback: ReducerCallback<M>,
}

struct PendingProcedure<M: SpacetimeModule> {
    sequence: u64,
    callback: ProcedureCallback<M>,
}

struct QuerySet<M: SpacetimeModule> {
    queries: Queries,
    is_applied: bool,
    subscribed: u64,
    unsubscribed: Option<u64>,
    on_applied: Option<OnAppliedCallback<M>>,
    on_error: Option<OnErrorCallback<M>>,
    on_ended: Option<OnEndedCallback<M>>,
}

/// Calls whose end nobody will ever report.
pub(super) struct LostCalls<M: SpacetimeModule> {
    pub(super) reducers: Vec<PendingReducer<M>>,
    pub(super) procedures: Vec<ProcedureCallback<M>>,
}

pub(super) struct Requests<M: SpacetimeModule> {
    /// `None` once the connection has ended or is about to.
    commands: Option<UnboundedSender<Command>>,
    queued_bytes: Arc<AtomicUsize>,
    next_sequence: u64,
    next_set: u32,
    reducers: BTreeMap<u32, PendingReducer<M>>,
    procedures: BTreeMap<u32, PendingProcedure<M>>,
    sets: BTreeMap<QuerySetId, QuerySet<M>>,
    /// Procedure calls that could not be sent: their callbacks still have to run.
    refused: Vec<(ProcedureCallback<M>, InternalError)>,
}

impl<M: SpacetimeModule> Requests<M> {
    pub(super) fn new(commands: UnboundedSender<Command>, queued_bytes: Arc<AtomicUsize>) -> Self {
        Requests {
            commands: Some(commands),
            queued_bytes,
            next_sequence: 1,
            next_set: 1,
            reducers: BTreeMap::new(),
            procedures: BTreeMap::new(),
            sets: BTreeMap::new(),
            refused: Vec::new(),
        }
    }

    /// Sends the message that `make` makes of its request id. Returns its place in the order.
    fn send(&mut self, make: impl FnOnce(u32) -> Vec<u8>) -> Result<(u64, u32)> {
        let Some(commands) = &self.commands else {
            return Err(Error::Disconnected);
        };
        if self.queued_bytes.load(Ordering::Relaxed) > QUEUED_BYTES_MAX {
            let message = format!("more than {QUEUED_BYTES_MAX} bytes wait to be sent");
            return Err(InternalError::new(message).into());
        }
        let sequence = self.next_sequence;
        let request = request_id(sequence);
        let message = make(request);
        let bytes = message.len();
        commands
            .send(Command::Send { sequence, message })
            .map_err(|_| Error::Disconnected)?;
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.next_sequence += 1;
        Ok((sequence, request))
    }

    /// Hands the socket's task something else. It may have ended, which is no harm.
    pub(super) fn command(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }

    /// Ends the connection. False if it has ended already.
    pub(super) fn close(&mut self) -> bool {
        let Some(commands) = self.commands.take() else {
            return false;
        };
        commands.send(Command::Close).is_ok()
    }

    pub(super) fn call_reducer(
        &mut self,
        reducer: M::Reducer,
        arguments: &[u8],
        callback: ReducerCallback<M>,
    ) -> Result<()> {
        let name = reducer.reducer_name();
        let (sequence, request) =
            self.send(|request| wire::call_reducer(request, name, arguments))?;
        let pending = PendingReducer {
            sequence,
            reducer,
            callback,
        };
        self.reducers.insert(request, pending);
        Ok(())
    }

    pub(super) fn call_procedure(
        &mut self,
        name: &str,
        arguments: &[u8],
        callback: ProcedureCallback<M>,
    ) {
        match self.send(|request| wire::call_procedure(request, name, arguments)) {
            Ok((sequence, request)) => {
                let pending = PendingProcedure { sequence, callback };
                self.procedures.insert(request, pending);
            }
            Err(error) => {
                let message = format!("the call of {name} was not sent");
                let error = InternalError::new(message).with_cause(error);
                self.refused.push((callback, error));
            }
        }
    }

    pub(super) fn take_refused(&mut self) -> Vec<(ProcedureCallback<M>, InternalError)> {
        std::mem::take(&mut self.refused)
    }

    pub(super) fn take_reducer(&mut self, request: u32) -> Option<PendingReducer<M>> {
        self.reducers.remove(&request)
    }

    pub(super) fn take_procedure(&mut self, request: u32) -> Option<ProcedureCallback<M>> {
        let pending = self.procedures.remove(&request)?;
        Some(pending.callback)
    }

    pub(super) fn subscribe(
        &mut self,
        queries: Queries,
        on_applied: Option<OnAppliedCallback<M>>,
        on_error: Option<OnErrorCallback<M>>,
    ) -> QuerySetId {
        let set = QuerySetId(self.next_set);
        self.next_set = self.next_set.wrapping_add(1);
        let sent = self.send(|request| wire::subscribe(request, set, &queries));
        if let Ok((subscribed, _)) = sent {
            let state = QuerySet {
                queries,
                is_applied: false,
                subscribed,
                unsubscribed: None,
                on_applied,
                on_error,
                on_ended: None,
            };
            self.sets.insert(set, state);
        }
        set
    }

    pub(super) fn unsubscribe(
        &mut self,
        set: QuerySetId,
        on_ended: Option<OnEndedCallback<M>>,
    ) -> Result<()> {
        match self.sets.get(&set) {
            None => return Err(Error::AlreadyEnded),
            Some(state) if state.unsubscribed.is_some() => return Err(Error::AlreadyUnsubscribed),
            Some(_) => {}
        }
        let (sequence, _) = self.send(|request| wire::unsubscribe(request, set))?;
        if let Some(state) = self.sets.get_mut(&set) {
            state.unsubscribed = Some(sequence);
            state.on_ended = on_ended;
        }
        Ok(())
    }

    pub(super) fn set_is_ended(&self, set: QuerySetId) -> bool {
        !self.sets.contains_key(&set)
    }

    pub(super) fn set_is_active(&self, set: QuerySetId) -> bool {
        let state = self.sets.get(&set);
        state.is_some_and(|state| state.is_applied && state.unsubscribed.is_none())
    }

    /// The first rows are there. Returns the callback for that.
    pub(super) fn set_applied(&mut self, set: QuerySetId) -> Option<OnAppliedCallback<M>> {
        let state = self.sets.get_mut(&set)?;
        state.is_applied = true;
        state.on_applied.take()
    }

    /// The set is over because the program wanted it.
    pub(super) fn set_ended(&mut self, set: QuerySetId) -> Option<OnEndedCallback<M>> {
        self.sets.remove(&set)?.on_ended
    }

    /// The set is over because the server refused it or gave it up. `None` if it is unknown.
    pub(super) fn set_failed(&mut self, set: QuerySetId) -> Option<Option<OnErrorCallback<M>>> {
        Some(self.sets.remove(&set)?.on_error)
    }

    /// Takes out the calls up to `written`: they were sent, and their answers will not come.
    pub(super) fn lose_calls(&mut self, written: u64) -> LostCalls<M> {
        let lost = self
            .reducers
            .extract_if(.., |_, pending| pending.sequence <= written);
        let reducers = lost.map(|(_, pending)| pending).collect();
        let lost = self
            .procedures
            .extract_if(.., |_, pending| pending.sequence <= written);
        let procedures = lost.map(|(_, pending)| pending.callback).collect();
        LostCalls {
            reducers,
            procedures,
        }
    }

    /// Takes out the sets whose end was asked for up to `written`: they will not come back.
    pub(super) fn lose_ended_sets(&mut self, written: u64) -> Vec<OnEndedCallback<M>> {
        let lost = self.sets.extract_if(.., |_, state| {
            state.unsubscribed.is_some_and(|sent| sent <= written)
        });
        lost.filter_map(|(_, state)| state.on_ended).collect()
    }

    /// The sets that the server knew, and has to be told again.
    pub(super) fn sets_to_resume(&self, written: u64) -> Vec<(QuerySetId, Queries)> {
        let known = self.sets.iter();
        known
            .filter(|(_, state)| state.subscribed <= written)
            .map(|(set, state)| (*set, state.queries.clone()))
            .collect()
    }

    /// The connection is over: nothing can be sent, and no set is left.
    pub(super) fn end(&mut self) -> impl Sized + use<M> {
        self.commands = None;
        std::mem::take(&mut self.sets)
    }
}

/// Ids on the wire may repeat after 2^32 requests; no call waits that long.
fn request_id(sequence: u64) -> u32 {
    u32::try_from(sequence & u64::from(u32::MAX)).expect("masked to 32 bits")
}
