//! Rows that are calls to be made later, and calls that a module queued for right after its own.
//!
//! Invariants
//!   * Every committed row of a scheduled table has exactly one entry here, with the time that the
//!     row says (an interval counts from when the row was seen).
//!   * A one-shot row is removed in the transaction of its reducer; if that fails, in one of its
//!     own. It never runs twice, not even across a crash after the commit.
//!   * The runs of an interval keep their distance from the first, however late one of them was
//!     and however long it took; those that were missed are left out. A row begins to count anew
//!     when somebody else writes it, and after a restart.
//!   * Due rows take turns with requests: a row that is always due keeps nobody out.
//!
//! Not here: waiting (the worker's loop sleeps until `next_due`).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use spacetime_table::{Datastore, TableSchema, TxDelta};
use spacetime_types::bsatn::Encode;
use spacetime_types::{ConnectionId, TableId, Timestamp};

use super::Worker;
use super::calls::Transaction;
use crate::limits::BATCH_TIME_MAX;
use crate::module_log::{Level, Record};
use crate::outbox::ReducerOutcome;
use crate::planted::{self, Bug};
use crate::procedures::{Origin, Procedure};
use crate::wasm::ImmediateCall;

/// Immediate calls that wait at most, and bytes of their arguments; a module that queues more loses
/// them, with a log record.
const IMMEDIATE_QUEUE_LEN_MAX: usize = 64 * 1024;
const IMMEDIATE_QUEUE_BYTES_MAX: usize = 256 << 20;
/// Immediate calls run after one request, so that a call that queues itself starves nobody.
const IMMEDIATE_BATCH_LEN_MAX: usize = 64;

/// A row of a scheduled table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    table: TableId,
    row_id: u64,
}

#[derive(Debug, Default)]
pub(super) struct Schedule {
    by_time: BTreeSet<(Timestamp, Key)>,
    by_key: FxHashMap<Key, Timestamp>,
    immediate: VecDeque<ImmediateCall>,
    immediate_bytes: usize,
}

/// When a row wants to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Every so many microseconds.
    Interval(i64),
    /// Once.
    Time(Timestamp),
}

impl At {
    fn of(schema: &TableSchema, row: &[u8]) -> Option<At> {
        let column = schema.schedule.as_ref()?.at_column;
        let bytes = &row[schema.layout.column_range(row, usize::from(column.0))];
        let (tag, micros) = bytes.split_first()?;
        let micros = i64::from_le_bytes(micros.try_into().ok()?);
        Some(match tag {
            0 => At::Interval(micros.checked_abs().unwrap_or(i64::MAX)),
            _ => At::Time(Timestamp::from_micros(micros)),
        })
    }

    fn first_run(self, now: Timestamp) -> Timestamp {
        match self {
            At::Interval(every) => Timestamp::from_micros(now.micros.saturating_add(every)),
            At::Time(time) if time < now && planted::is_on(Bug::PastTimesForgotten) => {
                Timestamp::from_micros(i64::MAX)
            }
            At::Time(time) => time,
        }
    }
}

/// The first tick after `now`, counted from the time that the last run was meant for. Never `now`
/// itself: rows that run as fast as possible take turns with everything else.
fn next_tick(intended: Timestamp, every: i64, now: Timestamp) -> Timestamp {
    let every = every.max(1);
    let passed = now.micros.saturating_sub(intended.micros).max(0);
    let missed = match planted::is_on(Bug::MissedRunsMadeUp) {
        true => 0,
        false => passed / every,
    };
    let ticks = missed + 1;
    Timestamp::from_micros(intended.micros.saturating_add(ticks.saturating_mul(every)))
}

fn row_id_of(schema: &TableSchema, row: &[u8]) -> Option<u64> {
    let key = schema.primary_key?;
    let bytes = &row[schema.layout.column_range(row, usize::from(key.0))];
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

impl Schedule {
    /// Forgets everything and registers all rows anew.
    pub(super) fn reload(&mut self, datastore: &Datastore, now: Timestamp) {
        self.by_time.clear();
        self.by_key.clear();
        let mut row = Vec::new();
        for schema in datastore
            .tables()
            .filter(|schema| schema.schedule.is_some())
        {
            for pointer in datastore.scan(schema.id).into_iter().flatten() {
                row.clear();
                datastore.read_row(schema.id, pointer, &mut row);
                self.register(schema, &row, now);
            }
        }
    }

    /// Follows what a committed transaction did to scheduled tables, whoever wrote it.
    pub(super) fn note_changes(&mut self, delta: &TxDelta, now: Timestamp) {
        for table in delta
            .tables
            .iter()
            .filter(|table| table.schema.schedule.is_some())
        {
            for row in table.deletes.iter() {
                if let Some(row_id) = row_id_of(&table.schema, row) {
                    self.unregister(Key {
                        table: table.table,
                        row_id,
                    });
                }
            }
            for row in table.inserts.iter() {
                self.register(&table.schema, row, now);
            }
        }
    }

    fn register(&mut self, schema: &TableSchema, row: &[u8], now: Timestamp) {
        let (Some(at), Some(row_id)) = (At::of(schema, row), row_id_of(schema, row)) else {
            return;
        };
        self.set(
            Key {
                table: schema.id,
                row_id,
            },
            at.first_run(now),
        );
    }

    fn set(&mut self, key: Key, time: Timestamp) {
        if let Some(old) = self.by_key.insert(key, time) {
            self.by_time.remove(&(old, key));
        }
        self.by_time.insert((time, key));
        assert_eq!(
            self.by_time.len(),
            self.by_key.len(),
            "one time for each key"
        );
    }

    fn unregister(&mut self, key: Key) {
        if let Some(time) = self.by_key.remove(&key) {
            self.by_time.remove(&(time, key));
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// What is planned, the next first: when, the table, the row's key, the row, and for an
    /// interval its length in microseconds.
    pub(super) fn planned<'a>(
        &'a self,
        datastore: &'a Datastore,
    ) -> impl Iterator<Item = (Timestamp, &'a Arc<TableSchema>, u64, Vec<u8>, Option<i64>)> {
        self.by_time.iter().filter_map(|(due, key)| {
            let schema = datastore.schema(key.table)?;
            let row = scheduled_row(datastore, schema, *key)?;
            let every = match At::of(schema, &row)? {
                At::Interval(every) => Some(every),
                At::Time(_) => None,
            };
            Some((*due, schema, key.row_id, row, every))
        })
    }

    fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Key)> {
        let (time, key) = *self.by_time.first().filter(|(time, _)| *time <= now)?;
        self.unregister(key);
        Some((time, key))
    }

    /// Plans the next run of a row whose last one has ended, unless the row is gone or was
    /// registered anew meanwhile; one that is gone is found out when it is due.
    pub(super) fn run_again(
        &mut self,
        (table, row_id): (TableId, u64),
        intended: Timestamp,
        every: i64,
        now: Timestamp,
    ) {
        let key = Key { table, row_id };
        if !self.by_key.contains_key(&key) {
            self.set(key, next_tick(intended, every, now));
        }
    }

    /// Queues calls; returns how many there is no room for.
    fn queue_immediate(&mut self, calls: Vec<ImmediateCall>) -> usize {
        let count = calls.len();
        for (nth, call) in calls.into_iter().enumerate() {
            let bytes = self.immediate_bytes.saturating_add(call.bytes());
            let is_full = self.immediate.len() >= IMMEDIATE_QUEUE_LEN_MAX;
            if is_full || bytes > IMMEDIATE_QUEUE_BYTES_MAX {
                return count - nth;
            }
            self.immediate_bytes = bytes;
            self.immediate.push_back(call);
        }
        0
    }

    fn take_immediate(&mut self) -> Option<ImmediateCall> {
        let call = self.immediate.pop_front()?;
        self.immediate_bytes -= call.bytes();
        Some(call)
    }

    pub(super) fn has_immediate(&self) -> bool {
        !self.immediate.is_empty()
    }
}

impl Worker {
    /// Runs what is due, one row after the other, for as long as a batch of requests may take;
    /// what is left, and what becomes due meanwhile, waits for the next round, after the requests
    /// that came in.
    pub(super) fn run_due(&mut self) {
        let now = self.clock.current();
        let started = Instant::now();
        while let Some((intended, key)) = self.schedule.take_due(now) {
            self.run_scheduled(intended, key);
            if started.elapsed() >= BATCH_TIME_MAX {
                break;
            }
        }
    }

    fn run_scheduled(&mut self, intended: Timestamp, key: Key) {
        let datastore = self.store.datastore();
        let Some(schema) = datastore.schema(key.table).map(Arc::clone) else {
            return;
        };
        let Some(row) = scheduled_row(datastore, &schema, key) else {
            return;
        };
        let (Some(schedule), Some(at)) = (&schema.schedule, At::of(&schema, &row)) else {
            return;
        };
        let reducer = self.module.reducer(&schedule.function).map(Arc::clone);
        let procedure = match reducer {
            None => self.shared.procedure(&schedule.function),
            Some(_) => None,
        };
        if reducer.is_none() && procedure.is_none() {
            let message = "scheduled function not run: the module has none of this name";
            let record = Record::host_for(Level::Error, &schedule.function, message);
            self.shared.log.append(&record);
        }
        let is_one_shot = matches!(at, At::Time(_));
        let remove_row = |datastore: &mut Datastore| {
            if is_one_shot {
                datastore.delete_eq(key.table, &row)?;
            }
            Ok(())
        };
        if let Some(procedure) = procedure {
            self.start_scheduled(procedure, at, &schema, row.into(), (intended, key));
            return;
        }
        let mut transaction = Transaction {
            sender: self.identity(),
            connection_id: ConnectionId::default(),
            reducer: reducer.as_ref(),
            args: Bytes::copy_from_slice(&row),
            log_name: &schedule.function,
        };
        let mut ran = self.run_transaction(&transaction, |_| Ok(()), remove_row);
        let stays = planted::is_on(Bug::FailedRowStays);
        if ran.outcome != ReducerOutcome::Committed && is_one_shot && !stays {
            transaction.reducer = None;
            ran = self.run_transaction(&transaction, |_| Ok(()), remove_row);
        }
        self.publish_delta(ran.delta, None);
        if let At::Interval(every) = at {
            self.plan_next_run(&schema, key, intended, every);
        }
    }

    /// Plans the next run of an interval. If the run has changed when its row is due, that counts
    /// already; whatever else it changed in the row must not make the interval begin anew.
    fn plan_next_run(&mut self, schema: &TableSchema, key: Key, intended: Timestamp, every: i64) {
        let row = scheduled_row(self.store.datastore(), schema, key);
        let at = row.and_then(|row| At::of(schema, &row));
        if at == Some(At::Interval(every)) {
            let now = self.clock.current();
            let intended = match planted::is_on(Bug::IntervalDrifts) {
                true => now,
                false => intended,
            };
            self.schedule.set(key, next_tick(intended, every, now));
        }
    }

    fn start_scheduled(
        &mut self,
        procedure: Arc<Procedure>,
        at: At,
        schema: &TableSchema,
        row: Bytes,
        (intended, key): (Timestamp, Key),
    ) {
        // Its next run is planned when this one has ended: no run overtakes another.
        if let At::Interval(every) = at {
            let origin = Origin::Interval {
                table: key.table,
                row_id: key.row_id,
                intended,
                every,
            };
            self.start_procedure(procedure, None, row, origin);
            return;
        }
        // At most once: the row goes before the procedure starts.
        let removal = Transaction {
            sender: self.identity(),
            connection_id: ConnectionId::default(),
            reducer: None,
            args: Bytes::new(),
            log_name: &procedure.name,
        };
        let remove_row = |datastore: &mut Datastore| {
            datastore.delete_eq(schema.id, &row)?;
            Ok(())
        };
        let ran = self.run_transaction(&removal, |_| Ok(()), remove_row);
        let is_removed = ran.outcome == ReducerOutcome::Committed;
        self.publish_delta(ran.delta, None);
        if is_removed {
            self.start_procedure(procedure, None, row, Origin::Module);
        }
    }

    /// Queues calls that the module asked for.
    pub(super) fn queue_immediate(&mut self, calls: Vec<ImmediateCall>) {
        let lost = self.schedule.queue_immediate(calls);
        if lost > 0 {
            let message = format!("{lost} immediate calls are lost: too many wait already");
            self.shared
                .log
                .append(&Record::host(Level::Error, &message));
        }
    }

    /// Runs calls that the module queued, each in a transaction of its own.
    pub(super) fn run_immediate_calls(&mut self) {
        for _ in 0..IMMEDIATE_BATCH_LEN_MAX {
            let Some(call) = self.schedule.take_immediate() else {
                return;
            };
            if self.is_procedure(&call.reducer)
                && let Some(procedure) = self.shared.procedure(&call.reducer)
            {
                self.start_procedure(procedure, None, call.args, Origin::Module);
                continue;
            }
            let Some(reducer) = self.module.reducer(&call.reducer).map(Arc::clone) else {
                let message = "an immediate call names no reducer of this module";
                self.shared
                    .log
                    .append(&Record::host_for(Level::Error, &call.reducer, message));
                continue;
            };
            let transaction = Transaction {
                sender: self.identity(),
                connection_id: ConnectionId::default(),
                reducer: Some(&reducer),
                args: call.args,
                log_name: &reducer.name,
            };
            let ran = self.run_transaction(&transaction, |_| Ok(()), |_| Ok(()));
            self.publish_delta(ran.delta, None);
        }
    }
}

/// The row as it is now.
fn scheduled_row(datastore: &Datastore, schema: &TableSchema, key: Key) -> Option<Vec<u8>> {
    let index = schema.primary_key_index()?;
    let mut point = Vec::new();
    key.row_id.encode(&mut point);
    let (table, mut rows) = datastore.index_point(index.id, &point).ok()?;
    let mut row = Vec::new();
    datastore.read_row(table, rows.next()?, &mut row);
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_tick_counts_from_the_intended_time_and_skips_missed_ones() {
        let tick = |intended, every, now| {
            let at = Timestamp::from_micros;
            next_tick(at(intended), every, at(now)).micros
        };
        assert_eq!(tick(1000, 100, 1350), 1400);
        assert_eq!(tick(1000, 100, 1300), 1400);
        assert_eq!(tick(1000, 100, 950), 1100);
        assert_eq!(tick(1000, 0, 1300), 1301);
        assert_eq!(tick(1300, 0, 1300), 1301);
        assert_eq!(tick(0, i64::MAX, 5), i64::MAX);
    }

    #[test]
    fn immediate_calls_have_a_bound_in_number_and_in_bytes() {
        let call = |bytes: usize| ImmediateCall {
            reducer: "r".into(),
            args: vec![0; bytes].into(),
        };
        let mut schedule = Schedule::default();
        let many = (0..IMMEDIATE_QUEUE_LEN_MAX + 3).map(|_| call(0));
        assert_eq!(schedule.queue_immediate(many.collect()), 3);
        assert!(schedule.take_immediate().is_some());
        assert_eq!(schedule.queue_immediate(vec![call(1), call(1)]), 1);
        let mut schedule = Schedule::default();
        // Its name is a byte.
        let large = call(IMMEDIATE_QUEUE_BYTES_MAX / 2 - 1);
        let calls = vec![large.clone(), large.clone(), call(1), call(0)];
        assert_eq!(schedule.queue_immediate(calls), 2);
        assert!(schedule.take_immediate().is_some());
        assert_eq!(schedule.queue_immediate(vec![large]), 0);
    }

    #[test]
    fn a_key_has_one_time_and_the_earliest_is_due_first() {
        let mut schedule = Schedule::default();
        let key = |row_id| Key {
            table: TableId(4096),
            row_id,
        };
        let at = Timestamp::from_micros;
        schedule.set(key(1), at(30));
        schedule.set(key(2), at(20));
        schedule.set(key(1), at(10));
        assert_eq!(schedule.next_due(), Some(at(10)));
        assert_eq!(schedule.take_due(at(15)), Some((at(10), key(1))));
        assert_eq!(schedule.take_due(at(15)), None);
        schedule.unregister(key(2));
        assert_eq!(schedule.next_due(), None);
    }
}
