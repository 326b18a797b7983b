//! What each message does to the cache, and which callbacks it runs.
//!
//! Invariant: of one message, callbacks of subscriptions run first, then those of rows, then that
//! of the reducer.

use super::DbContextImpl;
use super::drive::Driver;
use super::incoming::{Incoming, ReducerEnd, Welcome};
use super::requests::{Command, LostCalls};
use crate::Timestamp;
use crate::cache::ApplyMode;
use crate::error::{Error, InternalError, Result};
use crate::event::{Event, ReducerEvent, Status};
use crate::module::{
    AbstractEventContext as _, AppliedDiff as _, DbConnection as _, DbUpdate as _, SpacetimeModule,
};
use crate::wire::QuerySetId;
use crate::wire::v2::QueryRows;

impl<M: SpacetimeModule> DbContextImpl<M> {
    pub(super) fn apply(&self, driver: &mut Driver<M>, incoming: Incoming<M>) -> Result<()> {
        match incoming {
            Incoming::Connected(welcome) => self.connected(driver, &welcome),
            Incoming::SubscribeApplied { set, update } => {
                let on_applied = self.shared.requests.lock().set_applied(set);
                let event = Event::SubscribeApplied;
                self.change(driver, &update, ApplyMode::Change, event, || {
                    if let Some(on_applied) = on_applied {
                        on_applied(&M::SubscriptionEventContext::new(self.clone(), ()));
                    }
                });
            }
            Incoming::UnsubscribeApplied { set } => {
                let on_ended = self.shared.requests.lock().set_ended(set);
                self.drop_set(driver, set, Event::UnsubscribeApplied, || {
                    if let Some(on_ended) = on_ended {
                        on_ended(&M::SubscriptionEventContext::new(self.clone(), ()));
                    }
                })?;
            }
            Incoming::SubscriptionError { set, error } => {
                self.subscription_failed(driver, set, error)?;
            }
            Incoming::Transaction(update) => {
                self.change(
                    driver,
                    &update,
                    ApplyMode::Change,
                    Event::Transaction,
                    || {},
                );
            }
            Incoming::ReducerResult {
                request,
                timestamp,
                outcome,
            } => self.reducer_ended(driver, request, timestamp, outcome),
            Incoming::ProcedureResult { request, outcome } => {
                let callback = self.shared.requests.lock().take_procedure(request);
                if let Some(callback) = callback {
                    callback(&M::ProcedureEventContext::new(self.clone(), ()), outcome);
                }
            }
            Incoming::Lost { error, written } => self.lost(driver, error, written),
            Incoming::Resumed {
                welcome,
                answers,
                update,
            } => self.resumed(driver, &welcome, answers, &update)?,
            Incoming::Ended(error) => return Err(self.ended(driver, error)),
        }
        Ok(())
    }

    /// Applies an update, runs `before`, and then the callbacks of rows.
    fn change(
        &self,
        driver: &mut Driver<M>,
        update: &M::DbUpdate,
        mode: ApplyMode,
        event: Event<M::Reducer>,
        before: impl FnOnce(),
    ) {
        let (diff, inconsistency) = {
            let mut cache = self.shared.cache.write();
            cache.begin(mode);
            let diff = update.apply_to_client_cache(&mut cache);
            (diff, cache.finish())
        };
        before();
        let context = M::EventContext::new(self.clone(), event);
        diff.invoke_row_callbacks(&context, &mut driver.callbacks);
        if let Some(wrong) = inconsistency {
            let message = format!(
                "the server took a row of {} from subscription {}, which does not have it",
                wrong.table, wrong.set.0
            );
            log::error!("{message}");
            let requests = self.shared.requests.lock();
            requests.command(Command::Fail(InternalError::new(message)));
        }
    }

    /// Takes a set's rows away.
    fn drop_set(
        &self,
        driver: &mut Driver<M>,
        set: QuerySetId,
        event: Event<M::Reducer>,
        before: impl FnOnce(),
    ) -> Result<()> {
        let nothing = M::DbUpdate::parse_initial_rows(QueryRows::default())?;
        self.change(driver, &nothing, ApplyMode::Drop(set), event, before);
        Ok(())
    }

    fn greet(&self, welcome: &Welcome) {
        let mut session = self.shared.session.lock();
        session.identity = Some(welcome.identity);
        session.connection_id = Some(welcome.connection_id);
    }

    fn connected(&self, driver: &mut Driver<M>, welcome: &Welcome) {
        self.greet(welcome);
        driver.has_connected = true;
        if let Some(on_connect) = driver.lifecycle.on_connect.take() {
            let connection = M::DbConnection::new(self.clone());
            on_connect(&connection, welcome.identity, &welcome.token);
        }
    }

    fn subscription_failed(
        &self,
        driver: &mut Driver<M>,
        set: QuerySetId,
        error: String,
    ) -> Result<()> {
        let Some(on_error) = self.shared.requests.lock().set_failed(set) else {
            return Ok(());
        };
        let error = Error::SubscriptionError { error };
        let event = Event::SubscribeError(error.clone());
        self.drop_set(driver, set, event, || {
            if let Some(on_error) = on_error {
                let context = M::ErrorContext::new(self.clone(), Some(error.clone()));
                on_error(&context, error);
            }
        })
    }

    fn reducer_ended(
        &self,
        driver: &mut Driver<M>,
        request: u32,
        timestamp: Timestamp,
        outcome: ReducerEnd<M>,
    ) {
        let pending = self.shared.requests.lock().take_reducer(request);
        let event = |status: Status, reducer: &M::Reducer| ReducerEvent {
            timestamp,
            status,
            reducer: reducer.clone(),
        };
        let (status, result) = match outcome {
            ReducerEnd::Committed(update) => {
                let event = match &pending {
                    Some(call) => Event::Reducer(event(Status::Committed, &call.reducer)),
                    None => Event::Transaction,
                };
                self.change(driver, &update, ApplyMode::Change, event, || {});
                (Status::Committed, Ok(Ok(())))
            }
            ReducerEnd::Err(error) => (Status::Err(error.clone()), Ok(Err(error))),
            ReducerEnd::InternalError(error) => (Status::Panic(error.clone()), Err(error)),
        };
        if let Some(call) = pending {
            let context = M::ReducerEventContext::new(self.clone(), event(status, &call.reducer));
            (call.callback)(&context, result);
        }
    }

    /// Tells callers that nobody knows what became of their calls.
    fn report_lost(&self, lost: LostCalls<M>) {
        let error = InternalError::new(
            "the connection was lost before the answer came: the call may have run or not",
        );
        for call in lost.reducers {
            let event = ReducerEvent {
                timestamp: Timestamp::UNIX_EPOCH,
                status: Status::Panic(error.clone()),
                reducer: call.reducer,
            };
            let context = M::ReducerEventContext::new(self.clone(), event);
            (call.callback)(&context, Err(error.clone()));
        }
        for callback in lost.procedures {
            let context = M::ProcedureEventContext::new(self.clone(), ());
            callback(&context, Err(error.clone()));
        }
    }

    fn lost(&self, driver: &mut Driver<M>, error: InternalError, written: u64) {
        let (lost, sets) = {
            let mut requests = self.shared.requests.lock();
            let lost = requests.lose_calls(written);
            let mut ended = requests.lose_ended_sets(written);
            driver.ended_with_connection.append(&mut ended);
            (lost, requests.sets_to_resume(written))
        };
        self.report_lost(lost);
        if let Some(on_lost) = &mut driver.lifecycle.on_connection_lost {
            let error = Error::Internal(error);
            on_lost(
                &M::ErrorContext::new(self.clone(), Some(error.clone())),
                error,
            );
        }
        self.shared.requests.lock().command(Command::Resume(sets));
    }

    fn resumed(
        &self,
        driver: &mut Driver<M>,
        welcome: &Welcome,
        answers: Vec<(QuerySetId, std::result::Result<(), String>)>,
        update: &M::DbUpdate,
    ) -> Result<()> {
        self.greet(welcome);
        let mut applied = Vec::new();
        let mut failed = Vec::new();
        for (set, answer) in answers {
            match answer {
                Ok(()) => applied.extend(self.shared.requests.lock().set_applied(set)),
                Err(error) => failed.push((set, error)),
            }
        }
        let ended = std::mem::take(&mut driver.ended_with_connection);
        let event = Event::SubscribeApplied;
        self.change(driver, update, ApplyMode::Rebuild, event, || {
            let context = M::SubscriptionEventContext::new(self.clone(), ());
            for callback in ended.into_iter().chain(applied) {
                callback(&context);
            }
        });
        for (set, error) in failed {
            self.subscription_failed(driver, set, error)?;
        }
        if let Some(on_reconnect) = &mut driver.lifecycle.on_reconnect {
            let connection = M::DbConnection::new(self.clone());
            on_reconnect(&connection, welcome.identity, &welcome.token);
        }
        Ok(())
    }

    /// Settles what is still open. Returns what every later attempt to drive gives.
    fn ended(&self, driver: &mut Driver<M>, error: Option<Error>) -> Error {
        self.shared.session.lock().is_over = true;
        let (lost, sets) = {
            let mut requests = self.shared.requests.lock();
            (requests.lose_calls(u64::MAX), requests.end())
        };
        // Its callbacks are dropped, and what they hold may call back: not under the lock.
        drop(sets);
        driver.ended_with_connection.clear();
        self.report_lost(lost);
        let context = M::ErrorContext::new(self.clone(), error.clone());
        if driver.has_connected {
            if let Some(on_disconnect) = driver.lifecycle.on_disconnect.take() {
                on_disconnect(&context, error.clone());
            }
        } else if let (Some(on_error), Some(error)) =
            (driver.lifecycle.on_connect_error.take(), error.clone())
        {
            on_error(&context, error);
        }
        let end = error.unwrap_or(Error::Disconnected);
        driver.end = Some(end.clone());
        end
    }
}
