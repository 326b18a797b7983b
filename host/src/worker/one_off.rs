//! Statements that are asked once, by connected clients and over HTTP.
//!
//! Invariants
//!   * What visits many rows is read by a reader thread, from the state at the moment when its
//!     request had its turn; changes are made here.
//!   * A client gets its answer in the place where its request stood among its others.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use spacetime_query::{self as query, SelectPlan, Statement, SubscriptionPlan, execute_change};
use spacetime_store::{DurableWaiter, StoreError};
use spacetime_table::{Datastore, RowList, TableSchema};
use spacetime_types::{ConnectionId, ProductType, TxOffset};
use tokio::sync::oneshot;

use super::Worker;
use super::calls::{StepError, Transaction};
use super::queries::micros_since;
use crate::outbox::{About, OutboxMessage, Outgoing, ReducerOutcome, RowType, TableChange};
use crate::questions::{Asked, Question};
use crate::reads::{ReadError, Room};
use crate::request::{Caller, ClientId};
use crate::sql::{SqlError, SqlResult, SqlStats};

type SqlReply = oneshot::Sender<Result<Vec<SqlResult>, SqlError>>;

/// A statement that was looked at.
enum Sql {
    Done(SqlResult),
    /// Rows for a reader thread to find.
    Read(Box<Question>, Room),
}

impl Worker {
    pub(super) fn one_off(&mut self, client: ClientId, message_id: Bytes, sql: &str) {
        let started = Instant::now();
        let Some(known) = self.clients.get(&client) else {
            return;
        };
        let caller = self.query_caller(&known.caller);
        let outbox = known.outbox.clone();
        let id = message_id.clone();
        let answer = move |result| OutboxMessage::OneOffResult {
            message_id: id,
            result,
            duration_micros: micros_since(started),
        };
        let result = self.compile_one_off(sql, &caller);
        let (select, table) = match result {
            Ok(compiled) => compiled,
            Err(error) => return self.send(client, answer(Err(error))),
        };
        if let Err(failure) = self.materialise([&select], caller.identity) {
            return self.send(client, answer(Err(failure.to_string().into())));
        }
        let question = Question::Select(select);
        let database = self.shared.identity;
        let asked = Asked::new(database, caller.identity, sql, started);
        if self.is_small([question.select()]) {
            let rows = self.answer_here(&asked, &question);
            let rows = rows.map_err(|error| error.to_string());
            let result = rows.map(|rows| changed(&table, question.select(), rows));
            return self.send(client, answer(result.map_err(Into::into)));
        }
        let room = match self.shared.readers.reserve() {
            Ok(room) => room,
            Err(error) => return self.send(client, answer(Err(error.to_string().into()))),
        };
        let lost = OutboxMessage::OneOffResult {
            message_id,
            result: Err("the query failed".into()),
            duration_micros: 0,
        };
        let (pending, slot) = outbox.pending(About::OneOff, lost);
        self.send(client, Outgoing::Pending(pending));
        let view = self.read_view();
        let mut allowance = self.shared.readers.allowance_of(&caller);
        self.shared.readers.run(room, move || {
            let is_wanted = || !slot.is_abandoned();
            let rows = allowance.answer(&asked, &question, &view, &is_wanted);
            // Before the answer: the writer pays as long as the view is alive.
            drop(view);
            let result = rows.map(|rows| changed(&table, question.select(), rows));
            slot.fill(answer(result.map_err(|error| error.to_string().into())));
        });
    }

    fn compile_one_off(
        &self,
        sql: &str,
        caller: &query::Caller,
    ) -> Result<(SelectPlan, Arc<TableSchema>), Box<str>> {
        let datastore = self.store.datastore();
        let select = SubscriptionPlan::compile_one_off(sql, datastore, caller)
            .map_err(|error| -> Box<str> { error.to_string().into() })?;
        let tables = select.plan().tables();
        let table = select.returned_table().or(tables.first()).map(Arc::clone);
        let table = table.ok_or("the query names no table")?;
        Ok((select, table))
    }

    /// Reads few rows on this thread.
    fn answer_here(&self, asked: &Asked, question: &Question) -> Result<RowList, ReadError> {
        let mut allowance = self.shared.readers.allowance();
        allowance.answer(asked, question, self.store.datastore(), &|| true)
    }

    /// A statement over HTTP: a client of its own, connected for as long as its turn takes. The
    /// answer waits for the disk on another thread, if it waits.
    pub(super) fn sql(&mut self, caller: &Caller, text: &str, confirmed: bool, reply: SqlReply) {
        if let Err(error) = self.run_connected(caller) {
            let _ = reply.send(Err(SqlError::Connect(error)));
            return;
        }
        self.sql_unconnected(caller, text, confirmed, reply);
        self.run_disconnected(caller);
    }

    /// A statement of whoever is connected, or need not be.
    pub(super) fn sql_unconnected(
        &mut self,
        caller: &Caller,
        text: &str,
        confirmed: bool,
        reply: SqlReply,
    ) {
        let started = Instant::now();
        let result = self.run_sql(caller, text, started);
        let needs = self.store.last_offset().filter(|_| confirmed);
        let release = SqlRelease {
            needs: needs.filter(|offset| !self.store.is_durable(*offset)),
            durable: self.store.durable_waiter(),
            runtime: self.shared.runtime.clone(),
            reply,
        };
        match result {
            Ok(Sql::Read(question, room)) => {
                // The caller sees itself in the state that it reads.
                let view = self.read_view();
                let mut allowance = self.shared.readers.allowance_of(&self.query_caller(caller));
                let asked = Asked::new(self.shared.identity, caller.identity, text, started);
                self.shared.readers.run(room, move || {
                    let is_wanted = || !release.reply.is_closed();
                    let rows = allowance.answer(&asked, &question, &view, &is_wanted);
                    drop(view);
                    release.send(match rows {
                        Ok(rows) => Ok(SqlResult::of(&question, rows, started)),
                        Err(error) => Err(error.into()),
                    });
                });
            }
            Ok(Sql::Done(result)) => release.send(Ok(result)),
            Err(error) => release.send(Err(error)),
        }
    }

    fn run_sql(&mut self, caller: &Caller, text: &str, started: Instant) -> Result<Sql, SqlError> {
        let query_caller = self.query_caller(caller);
        let statement = query::compile(text, self.store.datastore(), &query_caller)?;
        match statement {
            Statement::Select(select) => {
                self.run_question(caller, text, Question::Select(select), started)
            }
            Statement::Explain(explain) => {
                self.run_question(caller, text, Question::Explain(explain), started)
            }
            Statement::Change(change) => {
                if caller.identity != self.shared.owner {
                    return Err(SqlError::NotOwner(caller.identity));
                }
                let stats = self.run_change(caller, &change)?;
                Ok(Sql::Done(SqlResult {
                    columns: ProductType::default(),
                    rows: RowList::default(),
                    stats,
                    duration_micros: micros_since(started),
                }))
            }
        }
    }

    fn run_question(
        &mut self,
        caller: &Caller,
        text: &str,
        question: Question,
        started: Instant,
    ) -> Result<Sql, SqlError> {
        let made = self.materialise([question.select()], caller.identity);
        made.map_err(|failure| SqlError::Execute(failure.to_string().into()))?;
        if question.reads() && !self.is_small([question.select()]) {
            let room = self.shared.readers.reserve()?;
            return Ok(Sql::Read(Box::new(question), room));
        }
        let asked = Asked::new(self.shared.identity, caller.identity, text, started);
        let rows = self.answer_here(&asked, &question)?;
        Ok(Sql::Done(SqlResult::of(&question, rows, started)))
    }

    fn run_change(
        &mut self,
        caller: &Caller,
        change: &query::ChangePlan,
    ) -> Result<SqlStats, SqlError> {
        let mut stats = SqlStats::default();
        let transaction = Transaction {
            sender: caller.identity,
            connection_id: ConnectionId::default(),
            reducer: None,
            args: Bytes::new(),
            log_name: "sql",
        };
        let quota = self.shared.quota.clone();
        let write = |datastore: &mut Datastore| -> Result<(), StepError> {
            let before = quota.bytes_of(datastore);
            let done = execute_change(change, datastore)?;
            quota.check_rows(before, quota.bytes_of(datastore))?;
            stats = SqlStats {
                rows_inserted: done.inserted,
                rows_deleted: done.deleted,
                rows_updated: done.updated,
            };
            Ok(())
        };
        let ran = self.run_transaction(&transaction, write, |_| Ok(()));
        match ran.outcome {
            ReducerOutcome::Committed => {}
            ReducerOutcome::OutOfBudget => unreachable!("no reducer ran"),
            ReducerOutcome::Failed(message)
            | ReducerOutcome::Refused(message)
            | ReducerOutcome::Fatal(message) => return Err(SqlError::Execute(message)),
        }
        self.publish_delta(ran.delta, None);
        Ok(stats)
    }
}

/// The rows of a one-off query as messages hold them.
fn changed(table: &TableSchema, select: &SelectPlan, rows: RowList) -> Arc<TableChange> {
    Arc::new(TableChange::new(
        table.id,
        Arc::clone(&table.name),
        table.is_event,
        RowType::Columns(Arc::new(select.result_type().clone())),
        rows,
        RowList::default(),
    ))
}

/// Gives the result of a statement to whoever asked, when what it tells is durable.
struct SqlRelease {
    /// What has to be durable first, if it was not yet.
    needs: Option<TxOffset>,
    durable: DurableWaiter,
    runtime: tokio::runtime::Handle,
    reply: SqlReply,
}

impl SqlRelease {
    fn send(self, result: Result<SqlResult, SqlError>) {
        let reply = self.reply;
        match (result, self.needs) {
            (Ok(result), Some(offset)) => {
                let durable = self.durable;
                self.runtime.spawn_blocking(move || {
                    let not_durable =
                        |error: StoreError| SqlError::NotDurable(error.to_string().into());
                    let waited = durable.wait(offset).map_err(not_durable);
                    let _ = reply.send(waited.map(|()| vec![result]));
                });
            }
            (result, _) => {
                let _ = reply.send(result.map(|result| vec![result]));
            }
        }
    }
}
