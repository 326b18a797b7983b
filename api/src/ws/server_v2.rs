//! Server messages of protocol v2, which v3 packs several to a frame.
//!
//! Invariants
//!   * Bodies only: the compression tag in front belongs to `frame`.
//!   * Rows are encoded once per change, in `TableChange::encoded[SLOT]`, and shared by every
//!     connection that is told of it. The cached form is a `TableUpdateRows`; the row list of an
//!     initial answer is a slice of it.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_host::{ClientUpdate, OutboxMessage, QuerySetId, ReducerOutcome, TableChange};

use super::greeting::Greeting;
use super::row_list::{self, row_list_len_max, write_row_list};
use super::wire::{write_bytes, write_i64, write_len, write_option_u32, write_str, write_u32};

/// Where this protocol keeps its encoding of a change.
const SLOT: usize = 0;

const PERSISTENT_TABLE: u8 = 0;
const EVENT_TABLE: u8 = 1;

/// Appends `InitialConnection`, the first message.
pub(super) fn write_initial_connection(out: &mut Vec<u8>, greeting: &Greeting) {
    out.push(0);
    out.extend_from_slice(&greeting.identity.to_le_bytes());
    out.extend_from_slice(&greeting.connection_id.0.to_le_bytes());
    write_str(out, &greeting.token);
}

/// Appends `message`. `Closed` has no form in the protocol and appends nothing.
pub(super) fn write_message(out: &mut Vec<u8>, message: &OutboxMessage) {
    match message {
        OutboxMessage::SubscribeApplied {
            request_id,
            query_set,
            rows,
            ..
        } => {
            out.push(1);
            write_u32(out, request_id.0);
            write_u32(out, number_of(*query_set));
            write_query_rows(out, rows);
        }
        OutboxMessage::UnsubscribeApplied {
            request_id,
            query_set,
            rows,
            ..
        } => {
            out.push(2);
            write_u32(out, request_id.0);
            write_u32(out, number_of(*query_set));
            match rows {
                Some(rows) => {
                    out.push(0);
                    write_query_rows(out, rows);
                }
                None => out.push(1),
            }
        }
        OutboxMessage::SubscriptionError {
            request_id,
            query_set,
            error,
            ..
        } => {
            out.push(3);
            write_option_u32(out, request_id.map(|id| id.0));
            write_u32(out, query_set.map_or(0, number_of));
            write_str(out, error);
        }
        OutboxMessage::TransactionUpdate { update } => {
            out.push(4);
            write_update(out, update);
        }
        OutboxMessage::OneOffResult {
            message_id, result, ..
        } => {
            out.push(5);
            out.extend_from_slice(&request_id_of(message_id));
            match result {
                Ok(rows) => {
                    out.push(0);
                    write_query_rows(out, std::slice::from_ref(rows));
                }
                Err(error) => {
                    out.push(1);
                    write_str(out, error);
                }
            }
        }
        OutboxMessage::ReducerResult {
            call,
            outcome,
            update,
        } => {
            out.push(6);
            write_u32(out, call.request_id.0);
            write_i64(out, call.timestamp.micros);
            write_outcome(out, outcome, update);
        }
        OutboxMessage::ProcedureResult {
            request_id,
            result,
            timestamp,
            duration_micros,
        } => {
            out.push(7);
            match result {
                Ok(value) => {
                    out.push(0);
                    write_bytes(out, &value.bsatn);
                    write_i64(out, timestamp.micros);
                    write_i64(out, i64::try_from(*duration_micros).unwrap_or(i64::MAX));
                }
                Err(fault) => {
                    out.push(1);
                    write_str(out, &fault.text);
                    write_i64(out, 0);
                    write_i64(out, 0);
                }
            }
            write_u32(out, request_id.0);
        }
        OutboxMessage::Closed { .. } => {}
    }
}

/// A set's number. Connections of this protocol make sets of one kind only.
fn number_of(set: QuerySetId) -> u32 {
    match set {
        QuerySetId::Set(number) | QuerySetId::Single(number) | QuerySetId::Multi(number) => number,
        QuerySetId::Legacy => 0,
    }
}

/// The four bytes that a v2 one-off query was numbered with.
fn request_id_of(message_id: &Bytes) -> [u8; 4] {
    <[u8; 4]>::try_from(message_id.as_ref()).unwrap_or_default()
}

fn write_outcome(out: &mut Vec<u8>, outcome: &ReducerOutcome, update: &ClientUpdate) {
    match outcome {
        ReducerOutcome::Committed => {
            out.push(0);
            // The return value: always empty, clients insist on it.
            write_len(out, 0);
            write_update(out, update);
        }
        ReducerOutcome::Failed(error) => {
            out.push(2);
            write_len(out, error.len() + 4);
            write_str(out, error);
        }
        ReducerOutcome::Refused(text) | ReducerOutcome::Fatal(text) => {
            out.push(3);
            write_str(out, text);
        }
        ReducerOutcome::OutOfBudget => {
            out.push(3);
            write_str(out, "reducer ran out of energy");
        }
    }
}

/// QueryRows: one entry per query, in the order given.
fn write_query_rows(out: &mut Vec<u8>, rows: &[Arc<TableChange>]) {
    write_len(out, rows.len());
    for rows in rows {
        write_str(out, &rows.table_name);
        out.extend_from_slice(inserts_of(rows, &encoded(rows)));
    }
}

/// The row list of the inserts inside an encoded change.
fn inserts_of<'a>(change: &TableChange, encoded: &'a [u8]) -> &'a [u8] {
    let end = if change.is_event {
        encoded.len()
    } else {
        assert!(
            change.deletes.is_empty(),
            "rows at one state have no deletes"
        );
        encoded.len() - row_list::EMPTY.len()
    };
    &encoded[1..end]
}

/// TransactionUpdate without its tag, made once if several clients are told the same.
fn write_update(out: &mut Vec<u8>, update: &ClientUpdate) {
    if update.is_shared() {
        out.extend_from_slice(&shared_update(update));
    } else {
        write_sets(out, update);
    }
}

fn shared_update(update: &ClientUpdate) -> Bytes {
    update.encoded.get_or_init(SLOT, || {
        let mut out = Vec::with_capacity(64 + update.row_bytes());
        write_sets(&mut out, update);
        out.into()
    })
}

/// Query sets ascending, in each the tables by name, in each one element per changed query.
fn write_sets(out: &mut Vec<u8>, update: &ClientUpdate) {
    let sets = update.chunk_by(|a, b| a.0 == b.0);
    write_len(out, sets.clone().count());
    for changes in sets {
        write_u32(out, number_of(changes[0].0));
        let tables = changes.chunk_by(|a, b| a.1.table_name == b.1.table_name);
        write_len(out, tables.clone().count());
        for changes in tables {
            write_str(out, &changes[0].1.table_name);
            write_len(out, changes.len());
            for (_, change) in changes {
                match update.is_shared() {
                    true => out.extend_from_slice(&encoded(change)),
                    false => write_change(out, change),
                }
            }
        }
    }
}

/// The change as `TableUpdateRows`.
fn encoded(change: &TableChange) -> Bytes {
    change.encoded.get_or_init(SLOT, || encode_change(change))
}

fn encode_change(change: &TableChange) -> Bytes {
    let mut out = Vec::with_capacity(
        1 + row_list_len_max(&change.inserts) + row_list_len_max(&change.deletes),
    );
    write_change(&mut out, change);
    out.into()
}

fn write_change(out: &mut Vec<u8>, change: &TableChange) {
    if change.is_event {
        out.push(EVENT_TABLE);
        write_row_list(out, &change.inserts);
    } else {
        out.push(PERSISTENT_TABLE);
        write_row_list(out, &change.inserts);
        write_row_list(out, &change.deletes);
    }
}

#[cfg(test)]
mod tests;
