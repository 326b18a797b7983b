//! Server messages of protocol v1 in BSATN.
//!
//! Invariants
//!   * Bodies only: the compression tag in front belongs to `frame`. The inner query updates are
//!     always sent uncompressed; whole messages are compressed instead.
//!   * Deletes come before inserts, unlike in v2.
//!   * Rows are encoded once per change, in `TableChange::encoded[SLOT]`.
//!
//! Not here: the JSON form of the same messages (`server_json`).

use std::sync::Arc;

use bytes::Bytes;
use spacetime_host::{
    CallInfo, ClientUpdate, OutboxMessage, QuerySetId, ReducerOutcome, TableChange,
};

use super::greeting::Greeting;
use super::row_list::{row_list_len_max, write_row_list};
use super::wire::{
    write_bytes, write_i64, write_len, write_option_u32, write_str, write_u32, write_u64,
};

/// Where this protocol keeps its encoding of a change.
const SLOT: usize = 1;

/// In front of a query update: it is not compressed by itself.
const UNCOMPRESSED: u8 = 0;

/// Which way the rows of an answer go: v1 tells dropped rows as deletes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Arriving,
    Leaving,
}

/// Appends `IdentityToken`, the first message.
pub(super) fn write_identity_token(out: &mut Vec<u8>, greeting: &Greeting) {
    out.push(3);
    out.extend_from_slice(&greeting.identity.to_le_bytes());
    write_str(out, &greeting.token);
    out.extend_from_slice(&greeting.connection_id.0.to_le_bytes());
}

/// Appends `message` as the client of `greeting` sees it. `Closed` appends nothing.
pub(super) fn write_message(out: &mut Vec<u8>, message: &OutboxMessage, greeting: &Greeting) {
    match message {
        OutboxMessage::SubscribeApplied {
            request_id,
            query_set,
            rows,
            duration_micros,
        } => {
            let answer = |id| Answer {
                request: request_id.0,
                micros: *duration_micros,
                id,
            };
            match *query_set {
                QuerySetId::Legacy => {
                    out.push(0);
                    write_rows_as_update(out, rows, Direction::Arriving);
                    write_u32(out, request_id.0);
                    write_duration(out, *duration_micros);
                }
                QuerySetId::Single(id) => {
                    answer(id).write_single(out, 5, rows, Direction::Arriving);
                }
                QuerySetId::Multi(id) | QuerySetId::Set(id) => {
                    answer(id).write_multi(out, 8, rows, Direction::Arriving);
                }
            }
        }
        OutboxMessage::UnsubscribeApplied {
            request_id,
            query_set,
            rows,
            duration_micros,
        } => {
            let answer = |id| Answer {
                request: request_id.0,
                micros: *duration_micros,
                id,
            };
            let rows = rows.as_deref().unwrap_or_default();
            match *query_set {
                QuerySetId::Single(id) => {
                    answer(id).write_single(out, 6, rows, Direction::Leaving);
                }
                QuerySetId::Multi(id) | QuerySetId::Set(id) => {
                    answer(id).write_multi(out, 9, rows, Direction::Leaving);
                }
                // The legacy set can only be replaced: there is no request to drop it.
                QuerySetId::Legacy => answer(0).write_multi(out, 9, rows, Direction::Leaving),
            }
        }
        OutboxMessage::SubscriptionError {
            request_id,
            query_set,
            error,
            duration_micros,
        } => {
            out.push(7);
            write_u64(out, *duration_micros);
            write_option_u32(out, request_id.map(|id| id.0));
            write_option_u32(out, query_set.and_then(query_id_of));
            write_option_u32(out, None);
            write_str(out, error);
        }
        OutboxMessage::TransactionUpdate { update } => {
            out.push(2);
            write_u32(out, 0);
            write_update(out, update);
        }
        OutboxMessage::ReducerResult {
            call,
            outcome,
            update,
        } => {
            write_reducer_result(out, call, outcome, update, greeting);
        }
        OutboxMessage::OneOffResult {
            message_id,
            result,
            duration_micros,
        } => {
            let result = result.as_deref().map_err(|error| &**error);
            write_one_off(out, message_id, result, *duration_micros);
        }
        OutboxMessage::ProcedureResult {
            request_id,
            result,
            timestamp,
            duration_micros,
        } => {
            out.push(10);
            match result {
                Ok(value) => {
                    out.push(0);
                    write_bytes(out, &value.bsatn);
                }
                Err(fault) if fault.out_of_budget => out.push(1),
                Err(fault) => {
                    out.push(2);
                    write_str(out, &fault.text);
                }
            }
            write_i64(out, timestamp.micros);
            write_duration(out, *duration_micros);
            write_u32(out, request_id.0);
        }
        OutboxMessage::Closed { .. } => {}
    }
}

/// The query id that an error names; the legacy set has none.
fn query_id_of(set: QuerySetId) -> Option<u32> {
    match set {
        QuerySetId::Single(id) | QuerySetId::Multi(id) | QuerySetId::Set(id) => Some(id),
        QuerySetId::Legacy => None,
    }
}

/// What the answers to v1 subscription requests begin with.
struct Answer {
    request: u32,
    micros: u64,
    id: u32,
}

impl Answer {
    fn write_head(&self, out: &mut Vec<u8>, tag: u8) {
        out.push(tag);
        write_u32(out, self.request);
        write_u64(out, self.micros);
        write_u32(out, self.id);
    }

    /// SubscribeApplied and UnsubscribeApplied: the rows of one query, hence of one table.
    fn write_single(
        &self,
        out: &mut Vec<u8>,
        tag: u8,
        rows: &[Arc<TableChange>],
        direction: Direction,
    ) {
        self.write_head(out, tag);
        let (table_id, name) = rows
            .first()
            .map_or((0, ""), |rows| (rows.table_id.0, &*rows.table_name));
        write_u32(out, table_id);
        write_str(out, name);
        write_table_head(out, table_id, name, row_count(rows.iter()), rows.len());
        for rows in rows {
            write_rows(out, rows, direction);
        }
    }

    /// SubscribeMultiApplied and UnsubscribeMultiApplied.
    fn write_multi(
        &self,
        out: &mut Vec<u8>,
        tag: u8,
        rows: &[Arc<TableChange>],
        direction: Direction,
    ) {
        self.write_head(out, tag);
        write_rows_as_update(out, rows, direction);
    }
}

fn write_reducer_result(
    out: &mut Vec<u8>,
    call: &CallInfo,
    outcome: &ReducerOutcome,
    update: &ClientUpdate,
    greeting: &Greeting,
) {
    out.push(1);
    match outcome {
        ReducerOutcome::Committed => {
            out.push(0);
            write_update(out, update);
        }
        ReducerOutcome::Failed(text)
        | ReducerOutcome::Refused(text)
        | ReducerOutcome::Fatal(text) => {
            out.push(1);
            write_str(out, text);
        }
        ReducerOutcome::OutOfBudget => out.push(2),
    }
    write_i64(out, call.timestamp.micros);
    out.extend_from_slice(&greeting.identity.to_le_bytes());
    out.extend_from_slice(&greeting.connection_id.0.to_le_bytes());
    write_str(out, &call.reducer_name);
    write_u32(out, call.reducer_id);
    // A call that could not be made has no arguments and the request number 0.
    if matches!(outcome, ReducerOutcome::Refused(_)) {
        write_len(out, 0);
        write_u32(out, 0);
    } else {
        write_bytes(out, &call.args);
        write_u32(out, call.request_id.0);
    }
    // Energy is not accounted for: any number will do.
    out.extend_from_slice(&0u128.to_le_bytes());
    write_duration(out, call.duration_micros);
}

fn write_one_off(
    out: &mut Vec<u8>,
    message_id: &Bytes,
    result: Result<&TableChange, &str>,
    duration_micros: u64,
) {
    out.push(4);
    write_bytes(out, message_id);
    match result {
        Ok(rows) => {
            out.push(1);
            write_len(out, 1);
            write_str(out, &rows.table_name);
            write_row_list(out, &rows.inserts);
        }
        Err(error) => {
            out.push(0);
            write_str(out, error);
            write_len(out, 0);
        }
    }
    write_duration(out, duration_micros);
}

/// TimeDuration: a signed number of microseconds.
fn write_duration(out: &mut Vec<u8>, micros: u64) {
    write_i64(out, i64::try_from(micros).unwrap_or(i64::MAX));
}

pub(super) fn row_count<'a>(changes: impl Iterator<Item = &'a Arc<TableChange>>) -> u64 {
    changes
        .map(|change| (change.inserts.len() + change.deletes.len()) as u64)
        .sum()
}

/// What a TableUpdate has before its query updates.
fn write_table_head(out: &mut Vec<u8>, table_id: u32, name: &str, rows: u64, updates: usize) {
    write_u32(out, table_id);
    write_str(out, name);
    write_u64(out, rows);
    write_len(out, updates);
}

/// DatabaseUpdate from rows at one state, one TableUpdate per table.
fn write_rows_as_update(out: &mut Vec<u8>, rows: &[Arc<TableChange>], direction: Direction) {
    write_tables(out, &by_table(rows), |out, rows| {
        write_rows(out, rows, direction);
    });
}

/// DatabaseUpdate from what a transaction changed. A query that several of the client's
/// subscriptions hold is told once: v1 clients do not count per subscription.
fn write_update(out: &mut Vec<u8>, update: &ClientUpdate) {
    if !update.is_shared() {
        return write_changes(out, update);
    }
    let shared = update.encoded.get_or_init(SLOT, || {
        let mut out = Vec::with_capacity(64 + update.row_bytes());
        write_changes(&mut out, update);
        out.into()
    });
    out.extend_from_slice(&shared);
}

fn write_changes(out: &mut Vec<u8>, update: &ClientUpdate) {
    write_tables(out, &distinct_by_table(update), |out, change| {
        out.extend_from_slice(&encoded(change));
    });
}

/// Rows of one table together; queries over one table keep their order.
pub(super) fn by_table(rows: &[Arc<TableChange>]) -> Vec<&Arc<TableChange>> {
    let mut by_table: Vec<&Arc<TableChange>> = rows.iter().collect();
    by_table.sort_by_key(|rows| rows.table_id);
    by_table
}

/// Changes of one table together, each once, in the order of the update.
pub(super) fn distinct_by_table(update: &ClientUpdate) -> Vec<&Arc<TableChange>> {
    let changes = update.iter().map(|(_, change)| change);
    let mut found: Vec<(usize, &Arc<TableChange>)> = changes.enumerate().collect();
    // Equal ones beside each other, the first of them in front. Where a change lies in memory says
    // nothing about its place in the message.
    found.sort_by_key(|(position, change)| (Arc::as_ptr(change).addr(), *position));
    found.dedup_by(|(_, a), (_, b)| Arc::ptr_eq(a, b));
    found.sort_by_key(|(position, change)| (change.table_id, *position));
    found.into_iter().map(|(_, change)| change).collect()
}

fn write_tables(
    out: &mut Vec<u8>,
    by_table: &[&Arc<TableChange>],
    write: impl Fn(&mut Vec<u8>, &TableChange),
) {
    let tables = by_table.chunk_by(|a, b| a.table_id == b.table_id);
    write_len(out, tables.clone().count());
    for changes in tables {
        let first = changes[0];
        let rows = row_count(changes.iter().copied());
        write_table_head(
            out,
            first.table_id.0,
            &first.table_name,
            rows,
            changes.len(),
        );
        for change in changes {
            write(out, change);
        }
    }
}

/// A query's rows as a query update. Arriving rows have the form of an ordinary change.
fn write_rows(out: &mut Vec<u8>, rows: &TableChange, direction: Direction) {
    match direction {
        Direction::Arriving => out.extend_from_slice(&encoded(rows)),
        Direction::Leaving => {
            out.push(UNCOMPRESSED);
            write_row_list(out, &rows.inserts);
            write_row_list(out, &rows.deletes);
        }
    }
}

/// The change as an uncompressed query update.
fn encoded(change: &TableChange) -> Bytes {
    change.encoded.get_or_init(SLOT, || encode_change(change))
}

fn encode_change(change: &TableChange) -> Bytes {
    let mut out = Vec::with_capacity(
        1 + row_list_len_max(&change.inserts) + row_list_len_max(&change.deletes),
    );
    out.push(UNCOMPRESSED);
    write_row_list(&mut out, &change.deletes);
    write_row_list(&mut out, &change.inserts);
    out.into()
}

#[cfg(test)]
mod tests;
