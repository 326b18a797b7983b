//! The writer thread's part in procedures: it starts them, lends them the rows for a transaction,
//! and tells whoever asked how they ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use spacetime_types::bsatn;
use spacetime_types::json::{Flavour, WriteJsonError, write_bsatn};
use spacetime_types::{ConnectionId, Timestamp};
use tokio::sync::oneshot;

use super::Worker;
use super::calls::{Refusal, decode_args};
use crate::counters::add;
use crate::module_log::{Level, Record};
use crate::outbox::{OutboxMessage, ProcedureFault, ProcedureValue, RequestId};
use crate::procedures::{
    BeginTx, End, Lent, Origin, Procedure, ProcedureCall, ProcedureDone, ProcedureError,
};
use crate::request::{CallArgs, CallOutcome, CallReport, Caller, ClientId, Request};

impl Worker {
    /// A connected client calls a procedure. The answer comes when it ends.
    pub(super) fn call_procedure(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        name: &str,
        args: &CallArgs,
    ) {
        let known = self.clients.get(&client);
        let Some(caller) = known.map(|client| client.caller.clone()) else {
            return;
        };
        let as_json = matches!(args, CallArgs::Json(_));
        match self.find_procedure(&caller, name, args) {
            Ok((procedure, args)) => {
                let origin = Origin::Client {
                    client,
                    request_id,
                    as_json,
                };
                self.start_procedure(procedure, Some(&caller), args, origin);
            }
            Err(refusal) => {
                let text = match refusal {
                    Refusal::BadArgs(reason) => {
                        format!("invalid arguments for procedure {name}: {reason}").into()
                    }
                    Refusal::NoSuchReducer | Refusal::Lifecycle(_) => "No such procedure".into(),
                };
                let fault = ProcedureFault {
                    text,
                    out_of_budget: false,
                };
                self.send(client, procedure_failed(request_id, fault));
            }
        }
    }

    /// Whether a name means a procedure and no reducer.
    pub(super) fn is_procedure(&self, name: &str) -> bool {
        self.module.reducer(name).is_none() && self.shared.procedure(name).is_some()
    }

    /// Looks a procedure up as the caller sees it and brings the arguments into BSATN.
    pub(super) fn find_procedure(
        &self,
        caller: &Caller,
        name: &str,
        args: &CallArgs,
    ) -> Result<(Arc<Procedure>, Bytes), Refusal> {
        let is_owner = caller.identity == self.shared.owner;
        let procedure = self.shared.procedure(name);
        let Some(procedure) = procedure.filter(|known| !known.is_private || is_owner) else {
            let text = format!(
                "External attempt to call nonexistent procedure \"{name}\" failed. \
                 Have you run `spacetime generate` recently?"
            );
            self.shared
                .log
                .append(&Record::host_for(Level::Error, name, &text));
            return Err(Refusal::NoSuchReducer);
        };
        let Procedure {
            typespace, params, ..
        } = &*procedure;
        let args = decode_args(typespace, params, name, args)
            .map_err(|reason| Refusal::BadArgs(reason.into()))?;
        Ok((procedure, args))
    }

    /// A procedure call over HTTP: connect, call, and when it ends, disconnect and answer.
    pub(super) fn call_procedure_once(
        &mut self,
        caller: Caller,
        name: &str,
        args: &CallArgs,
        reply: oneshot::Sender<CallReport>,
    ) {
        let refused = |outcome| CallReport {
            outcome,
            duration_micros: 0,
        };
        let outcome = match self.find_procedure(&caller, name, args) {
            Ok((procedure, args)) => match self.run_connected(&caller) {
                Ok(()) => {
                    let as_caller = caller.clone();
                    let origin = Origin::Once { caller, reply };
                    return self.start_procedure(procedure, Some(&as_caller), args, origin);
                }
                Err(error) => CallOutcome::Connect(error),
            },
            Err(Refusal::BadArgs(reason)) => CallOutcome::BadArgs(
                format!("invalid arguments for procedure {name}: {reason}").into(),
            ),
            Err(Refusal::NoSuchReducer | Refusal::Lifecycle(_)) => CallOutcome::NoSuchFunction,
        };
        let _ = reply.send(refused(outcome));
    }

    /// Starts a procedure beside this thread. `caller` is `None` for calls of the database itself.
    pub(super) fn start_procedure(
        &mut self,
        procedure: Arc<Procedure>,
        caller: Option<&Caller>,
        args: Bytes,
        origin: Origin,
    ) {
        let timestamp = self.clock.now();
        let call = ProcedureCall {
            procedure: Arc::clone(&procedure),
            sender: caller.map_or(self.identity(), |caller| caller.identity),
            connection_id: caller.map_or(ConnectionId::default(), |caller| caller.connection_id),
            timestamp,
            args,
            claims: caller.map(|caller| Arc::clone(&caller.claims_json)),
        };
        let pool = self.shared.procedures();
        self.shared.beside.fetch_add(1, Ordering::Relaxed);
        let requests = self.shared.requests.clone();
        self.shared.runtime.spawn(async move {
            let started = Instant::now();
            let (result, immediate) = match pool {
                Some(pool) => pool.call(call).await,
                None => (Err(ProcedureError::Fatal), Vec::new()),
            };
            let micros = started.elapsed().as_micros();
            let done = ProcedureDone {
                origin,
                procedure,
                result,
                immediate,
                timestamp,
                duration_micros: u64::try_from(micros).unwrap_or(u64::MAX),
            };
            // If the database is gone, so are those who wait.
            if let Some(requests) = requests.upgrade() {
                let _ = requests.send(Request::ProcedureDone(Box::new(done))).await;
            }
        });
    }

    /// A procedure ended.
    pub(super) fn procedure_done(&mut self, done: ProcedureDone) {
        self.shared.beside.fetch_sub(1, Ordering::Relaxed);
        self.queue_immediate(done.immediate);
        let ProcedureDone {
            procedure,
            result,
            timestamp,
            duration_micros,
            ..
        } = done;
        match done.origin {
            Origin::Client {
                client,
                request_id,
                as_json,
            } => {
                let message = match result.and_then(|value| shown(&procedure, value, as_json)) {
                    Ok(value) => OutboxMessage::ProcedureResult {
                        request_id,
                        result: Ok(value),
                        timestamp,
                        duration_micros,
                    },
                    Err(error) => procedure_failed(
                        request_id,
                        ProcedureFault {
                            text: error.to_string().into(),
                            out_of_budget: matches!(error, ProcedureError::OutOfTime),
                        },
                    ),
                };
                self.send(client, message);
            }
            Origin::Once { caller, reply } => {
                self.run_disconnected(&caller);
                let outcome = match result {
                    Ok(value) => json_outcome(&procedure, &value),
                    Err(ProcedureError::OutOfTime) => CallOutcome::ProcedureOutOfBudget,
                    Err(error) => CallOutcome::ProcedureFailed(error.to_string().into()),
                };
                let _ = reply.send(CallReport {
                    outcome,
                    duration_micros,
                });
            }
            Origin::Interval {
                table,
                row_id,
                intended,
                every,
            } => {
                let now = self.clock.current();
                self.schedule
                    .run_again((table, row_id), intended, every, now);
            }
            Origin::Module => {}
        }
    }

    /// Lends the rows to a procedure and waits until they are back.
    pub(super) fn lend_rows(&mut self, begin: BeginTx) {
        // What is ready for clients does not wait for the procedure.
        self.hand_out();
        let timestamp = self.clock.now();
        if let Err(error) = self.store.check_writable() {
            let _ = begin.reply.send(Err(error.to_string().into()));
            return;
        }
        self.store.datastore_mut().begin_tx();
        let (back, returned) = oneshot::channel();
        let lent = Lent {
            rows: self.store.take_datastore(),
            timestamp,
            back,
        };
        if let Err(unsent) = begin.reply.send(Ok(lent)) {
            // Whoever asked is gone.
            let lent = unsent.expect("what was sent are rows");
            self.store.put_datastore(lent.rows);
            self.store.datastore_mut().rollback();
            return;
        }
        let returned = returned
            .blocking_recv()
            .expect("a procedure gives the rows back, or its thread died with them");
        self.store.put_datastore(returned.rows);
        self.queue_immediate(returned.immediate);
        match returned.end {
            End::Abort => self.store.datastore_mut().rollback(),
            End::Commit(reply) => {
                let committed = self.commit_procedure_tx();
                let _ = reply.send(committed);
            }
        }
    }

    fn commit_procedure_tx(&mut self) -> Result<(), Box<str>> {
        self.refresh_views();
        self.view.outdate();
        match self.store.commit(None) {
            Ok(committed) => {
                add(&self.shared.counters.transactions, 1);
                self.publish_delta(Some(committed.delta), None);
                Ok(())
            }
            Err(error) => Err(error.to_string().into()),
        }
    }
}

fn procedure_failed(request_id: RequestId, fault: ProcedureFault) -> OutboxMessage {
    OutboxMessage::ProcedureResult {
        request_id,
        result: Err(fault),
        timestamp: Timestamp::from_micros(0),
        duration_micros: 0,
    }
}

fn json_outcome(procedure: &Procedure, value: &[u8]) -> CallOutcome {
    match json(procedure, value) {
        Ok(text) => CallOutcome::Procedure(text),
        Err(error) => CallOutcome::ProcedureFailed(error.to_string().into()),
    }
}

/// The value, as text too if that is wanted.
fn shown(
    procedure: &Procedure,
    value: Bytes,
    as_json: bool,
) -> Result<ProcedureValue, ProcedureError> {
    let json = match as_json {
        true => {
            let unreadable =
                |error: WriteJsonError| ProcedureError::Value(error.to_string().into());
            Some(json(procedure, &value).map_err(unreadable)?)
        }
        false => None,
    };
    Ok(ProcedureValue { bsatn: value, json })
}

/// The value as HTTP shows it, too.
fn json(procedure: &Procedure, value: &[u8]) -> Result<Box<str>, WriteJsonError> {
    let mut text = String::new();
    let mut reader = bsatn::Reader::new(value);
    let (typespace, ty) = (&procedure.typespace, &procedure.return_type);
    write_bsatn(typespace, ty, &mut reader, Flavour::Untyped, &mut text)?;
    Ok(text.into())
}
