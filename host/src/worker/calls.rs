//! Running functions of the module in transactions, and telling everybody what they changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use spacetime_query::ExecuteError;
use spacetime_table::error::{SchemaError, WriteError};
use spacetime_table::migrate::MigrateError;
use spacetime_table::{Datastore, TxDelta};
use spacetime_types::module_def::Lifecycle;
use spacetime_types::{
    AlgebraicType, ConnectionId, Identity, ProductType, Timestamp, Typespace, bsatn, json,
};

use super::Worker;
use crate::before_call::CommittedState;
use crate::counters::add;
use crate::module::Reducer;
use crate::module_log::{Level, Record};
use crate::outbox::{CallInfo, ClientUpdate, OutboxMessage, ReducerOutcome, RequestId};
use crate::reads::micros_of;
use crate::request::{CallArgs, CallOutcome, CallReport, Caller, ClientId, ReducerCall};
use crate::visibility::RuleError;
use crate::wasm::{CallEnd, ReducerInvocation, TooManyRows};
use spacetime_store::CommitInputs;

/// What clients are told when the module broke; the module's log has the details.
const FATAL: &str = "The instance encountered a fatal error.";

/// One transaction to run.
pub(super) struct Transaction<'a> {
    pub(super) sender: Identity,
    pub(super) connection_id: ConnectionId,
    /// The reducer to run, if any, and its arguments.
    pub(super) reducer: Option<&'a Arc<Reducer>>,
    pub(super) args: Bytes,
    /// The name under which the transaction is logged.
    pub(super) log_name: &'a str,
}

/// How a transaction ended.
pub(super) struct Ran {
    pub(super) outcome: ReducerOutcome,
    pub(super) delta: Option<Arc<TxDelta>>,
    pub(super) timestamp: Timestamp,
    pub(super) duration_micros: u64,
}

/// Why a write that a transaction makes beside its reducer's did not work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct StepError(Box<str>);

impl StepError {
    pub(super) fn new(text: String) -> StepError {
        StepError(text.into())
    }
}

impl From<WriteError> for StepError {
    fn from(error: WriteError) -> Self {
        StepError(error.to_string().into())
    }
}

impl From<SchemaError> for StepError {
    fn from(error: SchemaError) -> Self {
        StepError(error.to_string().into())
    }
}

impl From<RuleError> for StepError {
    fn from(error: RuleError) -> Self {
        StepError(error.to_string().into())
    }
}

impl From<MigrateError> for StepError {
    fn from(error: MigrateError) -> Self {
        StepError(error.to_string().into())
    }
}

impl From<TooManyRows> for StepError {
    fn from(error: TooManyRows) -> Self {
        StepError(error.to_string().into())
    }
}

impl From<ExecuteError> for StepError {
    fn from(error: ExecuteError) -> Self {
        StepError(error.to_string().into())
    }
}

type Step = Result<(), StepError>;

impl Worker {
    /// Runs one transaction: `before`, the reducer, `after`. It commits if all succeed and leaves
    /// no trace if one does not. Subscribers are not told yet: see `publish_delta`.
    pub(super) fn run_transaction(
        &mut self,
        transaction: &Transaction<'_>,
        before: impl FnOnce(&mut Datastore) -> Step,
        after: impl FnOnce(&mut Datastore) -> Step,
    ) -> Ran {
        let is_shown = self.show_state_before(transaction.reducer.map(|reducer| &**reducer));
        let timestamp = self.clock.now();
        let started = Instant::now();
        let outcome = self.run_in_transaction(transaction, timestamp, before, after);
        let (outcome, delta) = match outcome {
            ReducerOutcome::Committed => self.commit(transaction, timestamp),
            failed => {
                self.store.datastore_mut().rollback();
                (failed, None)
            }
        };
        if let (ReducerOutcome::Failed(message), Some(reducer)) = (&outcome, transaction.reducer) {
            self.shared
                .log
                .append(&Record::host_for(Level::Error, &reducer.name, message));
        }
        let took = started.elapsed();
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        add(&self.shared.counters.transaction_nanos, nanos);
        if let Some(reducer) = transaction.reducer {
            self.quick_reducers.note(reducer.id, took);
            self.note_slow_call(reducer, took);
        }
        if is_shown {
            self.hide_state_before();
        }
        let duration_micros = micros_of(took);
        Ran {
            outcome,
            delta,
            timestamp,
            duration_micros,
        }
    }

    /// Queries may be answered while a call that may take long runs, unless whoever asks has to be
    /// let in by the module first. Tells whether there is a state for them.
    fn show_state_before(&mut self, reducer: Option<&Reducer>) -> bool {
        let is_quick = |reducer: &Reducer| self.quick_reducers.contains(reducer.id);
        if reducer.is_none_or(is_quick) || self.module.greets_clients() {
            return false;
        }
        let state = CommittedState {
            view: self.read_view(),
            last: self.store.last_offset(),
            durable: self.store.durable_waiter(),
        };
        self.shared.before_call.show(state);
        true
    }

    fn hide_state_before(&self) {
        if let Some(state) = self.shared.before_call.hide() {
            self.shared.readers.drop_there(state);
        }
    }

    /// Everybody else has waited for a call that took long.
    fn note_slow_call(&self, reducer: &Reducer, took: Duration) {
        if took < self.shared.quota.limits.slow_call {
            return;
        }
        let message = format!("the call took {:.3} s", took.as_secs_f64());
        let record = Record::host_for(Level::Warn, &reducer.name, &message);
        self.shared.log.append(&record);
        let database = self.identity().to_hex();
        tracing::warn!(%database, reducer = %reducer.name, ?took, "slow call");
    }

    fn run_in_transaction(
        &mut self,
        transaction: &Transaction<'_>,
        timestamp: Timestamp,
        before: impl FnOnce(&mut Datastore) -> Step,
        after: impl FnOnce(&mut Datastore) -> Step,
    ) -> ReducerOutcome {
        self.store.datastore_mut().begin_tx();
        if let Err(error) = self.store.check_writable() {
            return ReducerOutcome::Fatal(error.to_string().into());
        }
        if let Err(error) = before(self.store.datastore_mut()) {
            return ReducerOutcome::Fatal(error.to_string().into());
        }
        if let Some(reducer) = transaction.reducer {
            let outcome = self.run_reducer(transaction, reducer, timestamp);
            if outcome != ReducerOutcome::Committed {
                return outcome;
            }
        }
        match after(self.store.datastore_mut()) {
            Ok(()) => ReducerOutcome::Committed,
            Err(error) => ReducerOutcome::Fatal(error.to_string().into()),
        }
    }

    fn run_reducer(
        &mut self,
        transaction: &Transaction<'_>,
        reducer: &Reducer,
        timestamp: Timestamp,
    ) -> ReducerOutcome {
        if let Err(error) = self.module.prepare() {
            let message = error.to_string();
            self.shared
                .log
                .append(&Record::host(Level::Error, &message));
            return ReducerOutcome::Fatal(FATAL.into());
        }
        let invocation = ReducerInvocation {
            id: reducer.id,
            name: Arc::clone(&reducer.name),
            sender: transaction.sender,
            connection_id: transaction.connection_id,
            timestamp,
            args: transaction.args.clone(),
            time_max: self.module.time_max(reducer),
        };
        let datastore = self.store.take_datastore();
        let (end, datastore, immediate) = self.module.call(&invocation, datastore);
        self.store.put_datastore(datastore);
        self.queue_immediate(immediate);
        if let Some(point) = &self.shared.panic_point {
            point.pass(&reducer.name);
        }
        match end {
            CallEnd::Returned => ReducerOutcome::Committed,
            CallEnd::UserError(message) => ReducerOutcome::Failed(message),
            CallEnd::BadReturn(code) => {
                let message = format!("the reducer returned {code}, which is not a result");
                self.shared
                    .log
                    .append(&Record::host_for(Level::Error, &reducer.name, &message));
                ReducerOutcome::Fatal(FATAL.into())
            }
            CallEnd::Trapped { out_of_time: true } => ReducerOutcome::OutOfBudget,
            CallEnd::Trapped { .. } => ReducerOutcome::Fatal(FATAL.into()),
        }
    }

    /// Commits the open transaction, with the views that depend on what it changed.
    pub(super) fn commit(
        &mut self,
        transaction: &Transaction<'_>,
        timestamp: Timestamp,
    ) -> (ReducerOutcome, Option<Arc<TxDelta>>) {
        let inputs = CommitInputs {
            reducer: transaction.log_name.into(),
            caller: transaction.sender,
            connection_id: transaction.connection_id,
            timestamp,
            args: transaction.args.clone(),
        };
        self.refresh_views();
        self.view.outdate();
        match self.store.commit(Some(inputs)) {
            Ok(committed) => {
                add(&self.shared.counters.transactions, 1);
                (ReducerOutcome::Committed, Some(committed.delta))
            }
            Err(error) => (ReducerOutcome::Fatal(error.to_string().into()), None),
        }
    }

    /// Tells every subscriber what a transaction changed, all but `caller`, whose part is returned.
    pub(super) fn publish_delta(
        &mut self,
        delta: Option<Arc<TxDelta>>,
        caller: Option<ClientId>,
    ) -> Arc<ClientUpdate> {
        self.end_failed_readers();
        let Some(delta) = delta else {
            return Arc::default();
        };
        let now = self.clock.current();
        self.schedule.note_changes(&delta, now);
        self.tell_subscribers(&delta, caller)
    }

    /// A connected client calls a reducer.
    pub(super) fn call_reducer(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        call: &ReducerCall,
    ) {
        let Some(caller) = self
            .clients
            .get(&client)
            .map(|client| client.caller.clone())
        else {
            return;
        };
        let (reducer, args) = match self.find_reducer(&caller, &call.reducer, &call.args) {
            Ok(found) => found,
            Err(refusal) => {
                let info = self.refused_call(&caller, call, request_id);
                let outcome = ReducerOutcome::Refused(refusal.client_text(&call.reducer));
                self.send_result(client, info, outcome, Arc::default());
                return;
            }
        };
        let ran = self.run_transaction(
            &Transaction {
                sender: caller.identity,
                connection_id: caller.connection_id,
                reducer: Some(&reducer),
                args: args.clone(),
                log_name: &reducer.name,
            },
            |_| Ok(()),
            |_| Ok(()),
        );
        if call.quiet {
            self.publish_delta(ran.delta, None);
            return;
        }
        let update = self.publish_delta(ran.delta, Some(client));
        let is_json = self.clients.get(&client).is_some_and(|client| client.json);
        let info = CallInfo {
            args_json: is_json.then(|| args_text(&reducer, &call.args)),
            reducer_name: Arc::clone(&reducer.name),
            reducer_id: reducer.id,
            args,
            request_id,
            caller: caller.identity,
            connection_id: caller.connection_id,
            timestamp: ran.timestamp,
            duration_micros: ran.duration_micros,
        };
        self.send_result(client, info, ran.outcome, update);
    }

    fn send_result(
        &mut self,
        client: ClientId,
        call: CallInfo,
        outcome: ReducerOutcome,
        update: Arc<ClientUpdate>,
    ) {
        let call = Box::new(call);
        self.send(
            client,
            OutboxMessage::ReducerResult {
                call,
                outcome,
                update,
            },
        );
    }

    fn refused_call(
        &mut self,
        caller: &Caller,
        call: &ReducerCall,
        request_id: RequestId,
    ) -> CallInfo {
        let known = self.module.reducer(&call.reducer);
        CallInfo {
            reducer_name: call.reducer.as_ref().into(),
            reducer_id: known.map_or(u32::MAX, |reducer| reducer.id),
            args: Bytes::new(),
            args_json: None,
            request_id,
            caller: caller.identity,
            connection_id: caller.connection_id,
            timestamp: self.clock.now(),
            duration_micros: 0,
        }
    }

    /// Looks a reducer up as the caller sees it and brings the arguments into BSATN.
    fn find_reducer(
        &self,
        caller: &Caller,
        name: &str,
        args: &CallArgs,
    ) -> Result<(Arc<Reducer>, Bytes), Refusal> {
        let is_owner = caller.identity == self.shared.owner;
        let reducer = self
            .module
            .reducer(name)
            .filter(|reducer| !reducer.is_private || is_owner || reducer.lifecycle.is_some());
        let Some(reducer) = reducer else {
            let text = format!(
                "External attempt to call nonexistent reducer \"{name}\" failed. \
                 Have you run `spacetime generate` recently?"
            );
            self.shared
                .log
                .append(&Record::host_for(Level::Error, name, &text));
            return Err(Refusal::NoSuchReducer);
        };
        if let Some(lifecycle) = reducer.lifecycle {
            return Err(Refusal::Lifecycle(lifecycle));
        }
        match decode_args(&reducer.typespace, &reducer.params, &reducer.name, args) {
            Ok(args) => Ok((Arc::clone(reducer), args)),
            Err(reason) => {
                let text = format!(
                    "External attempt to call reducer \"{name}\" failed, invalid arguments.\n\
                     This is likely due to a mismatched client schema, \
                     have you run `spacetime generate` recently?\n{reason}"
                );
                self.shared
                    .log
                    .append(&Record::host_for(Level::Error, name, &text));
                Err(Refusal::BadArgs(reason.into()))
            }
        }
    }

    /// A call over HTTP: connect, call, disconnect.
    pub(super) fn call_once(&mut self, caller: &Caller, name: &str, args: &CallArgs) -> CallReport {
        let report = |outcome| CallReport {
            outcome,
            duration_micros: 0,
        };
        let (reducer, args) = match self.find_reducer(caller, name, args) {
            Ok(found) => found,
            Err(refusal) => return report(refusal.call_outcome(name)),
        };
        if let Err(error) = self.run_connected(caller) {
            return report(CallOutcome::Connect(error));
        }
        let ran = self.run_transaction(
            &Transaction {
                sender: caller.identity,
                connection_id: caller.connection_id,
                reducer: Some(&reducer),
                args,
                log_name: &reducer.name,
            },
            |_| Ok(()),
            |_| Ok(()),
        );
        self.publish_delta(ran.delta, None);
        self.run_disconnected(caller);
        CallReport {
            outcome: CallOutcome::Reducer(ran.outcome),
            duration_micros: ran.duration_micros,
        }
    }
}

/// Why a call is not made at all.
pub(super) enum Refusal {
    NoSuchReducer,
    BadArgs(Box<str>),
    Lifecycle(Lifecycle),
}

impl Refusal {
    fn client_text(&self, name: &str) -> Box<str> {
        match self {
            Refusal::NoSuchReducer => "no such reducer".into(),
            Refusal::BadArgs(reason) => {
                format!("invalid arguments for reducer {name}: {reason}").into()
            }
            Refusal::Lifecycle(event) => {
                format!("can't directly call special {event:?} lifecycle reducer").into()
            }
        }
    }

    fn call_outcome(&self, name: &str) -> CallOutcome {
        match self {
            Refusal::NoSuchReducer => CallOutcome::NoSuchFunction,
            Refusal::BadArgs(_) => CallOutcome::BadArgs(self.client_text(name)),
            Refusal::Lifecycle(_) => CallOutcome::Lifecycle(self.client_text(name)),
        }
    }
}

/// The arguments as a JSON array.
fn args_text(reducer: &Reducer, args: &CallArgs) -> Box<str> {
    let text = match args {
        CallArgs::Json(text) => std::str::from_utf8(text).map(str::to_owned).ok(),
        CallArgs::Bsatn(bytes) => {
            let params = AlgebraicType::Product(reducer.params.clone());
            let mut text = String::new();
            let mut reader = bsatn::Reader::new(bytes);
            let flavour = json::Flavour::Untyped;
            json::write_bsatn(&reducer.typespace, &params, &mut reader, flavour, &mut text)
                .is_ok()
                .then_some(text)
        }
    };
    // They were decoded before the call.
    text.unwrap_or_else(|| "[]".to_owned()).into()
}

/// The arguments as BSATN, checked against the parameters: a module must never see bytes that do
/// not decode.
pub(super) fn decode_args(
    typespace: &Typespace,
    params: &ProductType,
    name: &str,
    args: &CallArgs,
) -> Result<Bytes, String> {
    match args {
        CallArgs::Bsatn(bytes) => {
            let mut reader = bsatn::Reader::new(bytes);
            for param in &params.elements {
                bsatn::skip_value(typespace, &param.algebraic_type, &mut reader)
                    .map_err(|error| error.to_string())?;
            }
            reader.finish().map_err(|error| error.to_string())?;
            Ok(bytes.clone())
        }
        CallArgs::Json(text) => {
            let args = {
                let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
                json::product_args_from_json(typespace, params, name, text)
                    .map_err(|error| error.to_string())?
            };
            Ok(args.into())
        }
    }
}
