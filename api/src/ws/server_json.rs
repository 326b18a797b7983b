//! Server messages of protocol v1 in JSON, for clients of `v1.json.spacetimedb`.
//!
//! Invariants
//!   * The messages and the order of their fields are those of `server_v1`; deletes come first.
//!   * A row is a string that holds an object with the columns' names, in every message.
//!   * Rows are encoded once per change, in `TableChange::encoded[SLOT]`.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use spacetime_host::{
    CallInfo, ClientUpdate, OutboxMessage, ProcedureFault, ProcedureValue, QuerySetId,
    ReducerOutcome, TableChange,
};
use spacetime_table::RowList;
use spacetime_types::bsatn::Reader;
use spacetime_types::json::{Flavour, push_string, write_bsatn};
use spacetime_types::{AlgebraicType, Timestamp, Typespace, hex};

use super::greeting::Greeting;
use super::server_v1::{Direction, by_table, distinct_by_table, row_count};

/// Where this protocol keeps its encoding of a change and of an update.
const SLOT: usize = 2;

/// The text of `IdentityToken`, the first message.
pub(super) fn identity_token(greeting: &Greeting) -> String {
    let mut out = String::from("{\"IdentityToken\":{\"identity\":");
    push_identity(&mut out, greeting);
    out.push_str(",\"token\":");
    push_string(&greeting.token, &mut out);
    out.push_str(",\"connection_id\":");
    push_connection_id(&mut out, greeting);
    out.push_str("}}");
    out
}

/// The text of `message` as the client of `greeting` sees it. `Closed` has none.
pub(super) fn message(message: &OutboxMessage, greeting: &Greeting) -> String {
    let mut out = String::new();
    match message {
        OutboxMessage::SubscribeApplied {
            request_id,
            query_set,
            rows,
            duration_micros,
        } => {
            let head = Head {
                request: request_id.0,
                micros: *duration_micros,
                direction: Direction::Arriving,
            };
            head.push_applied(&mut out, *query_set, rows);
        }
        OutboxMessage::UnsubscribeApplied {
            request_id,
            query_set,
            rows,
            duration_micros,
        } => {
            let head = Head {
                request: request_id.0,
                micros: *duration_micros,
                direction: Direction::Leaving,
            };
            head.push_applied(&mut out, *query_set, rows.as_deref().unwrap_or_default());
        }
        OutboxMessage::SubscriptionError {
            request_id,
            query_set,
            error,
            duration_micros,
        } => {
            let request = option(request_id.map(|id| id.0));
            let query = option(query_set.and_then(number_of));
            let none = option(None);
            push(
                &mut out,
                format_args!(
                    "{{\"SubscriptionError\":{{\"total_host_execution_duration_micros\":\
                     {duration_micros},\"request_id\":{request},\"query_id\":{query},\
                     \"table_id\":{none},\"error\":"
                ),
            );
            push_string(error, &mut out);
            out.push_str("}}");
        }
        OutboxMessage::TransactionUpdate { update } => {
            out.push_str("{\"TransactionUpdateLight\":{\"request_id\":0,\"update\":");
            push_update(&mut out, update);
            out.push_str("}}");
        }
        OutboxMessage::ReducerResult {
            call,
            outcome,
            update,
        } => push_reducer_result(&mut out, call, outcome, update, greeting),
        OutboxMessage::OneOffResult {
            message_id,
            result,
            duration_micros,
        } => {
            let result = result.as_deref().map_err(|error| &**error);
            push_one_off(&mut out, message_id, result);
            push_duration(&mut out, *duration_micros);
            out.push_str("}}");
        }
        OutboxMessage::ProcedureResult {
            request_id,
            result,
            timestamp,
            duration_micros,
        } => {
            out.push_str("{\"ProcedureResult\":{\"status\":");
            push_procedure_status(&mut out, result);
            out.push(',');
            push_timestamp(&mut out, *timestamp);
            out.push(',');
            push_duration(&mut out, *duration_micros);
            push(
                &mut out,
                format_args!(",\"request_id\":{}}}}}", request_id.0),
            );
        }
        OutboxMessage::Closed { .. } => {}
    }
    out
}

fn push_procedure_status(out: &mut String, result: &Result<ProcedureValue, ProcedureFault>) {
    let (variant, text) = match result {
        Ok(value) => match &value.json {
            Some(json) => ("Returned", &**json),
            None => ("InternalError", "the call did not ask for JSON"),
        },
        Err(fault) if fault.out_of_budget => return out.push_str("{\"OutOfEnergy\":[]}"),
        Err(fault) => ("InternalError", &*fault.text),
    };
    push(out, format_args!("{{\"{variant}\":"));
    push_string(text, out);
    out.push('}');
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(arguments);
    assert!(written.is_ok(), "writing into memory does not fail");
}

fn option(number: Option<u32>) -> String {
    match number {
        Some(number) => format!("{{\"some\":{number}}}"),
        None => "{\"none\":[]}".to_owned(),
    }
}

fn number_of(set: QuerySetId) -> Option<u32> {
    match set {
        QuerySetId::Single(id) | QuerySetId::Multi(id) | QuerySetId::Set(id) => Some(id),
        QuerySetId::Legacy => None,
    }
}

fn push_identity(out: &mut String, greeting: &Greeting) {
    let hex = greeting.identity.to_hex();
    push(out, format_args!("{{\"__identity__\":\"0x{hex}\"}}"));
}

fn push_connection_id(out: &mut String, greeting: &Greeting) {
    let number = greeting.connection_id.0;
    push(out, format_args!("{{\"__connection_id__\":{number}}}"));
}

fn push_timestamp(out: &mut String, timestamp: Timestamp) {
    push(
        out,
        format_args!(
            "\"timestamp\":{{\"__timestamp_micros_since_unix_epoch__\":{}}}",
            timestamp.micros
        ),
    );
}

fn push_duration(out: &mut String, micros: u64) {
    push(
        out,
        format_args!("\"total_host_execution_duration\":{{\"__time_duration_micros__\":{micros}}}"),
    );
}

/// What answers to subscription requests have in common.
struct Head {
    request: u32,
    micros: u64,
    direction: Direction,
}

impl Head {
    fn push_applied(&self, out: &mut String, set: QuerySetId, rows: &[Arc<TableChange>]) {
        let (single, multi) = match self.direction {
            Direction::Arriving => ("SubscribeApplied", "SubscribeMultiApplied"),
            Direction::Leaving => ("UnsubscribeApplied", "UnsubscribeMultiApplied"),
        };
        let request = self.request;
        if set == QuerySetId::Legacy && self.direction == Direction::Arriving {
            out.push_str("{\"InitialSubscription\":{\"database_update\":");
            self.push_rows(out, rows);
            push(out, format_args!(",\"request_id\":{request},"));
            push_duration(out, self.micros);
            out.push_str("}}");
            return;
        }
        let name = if matches!(set, QuerySetId::Single(_)) {
            single
        } else {
            multi
        };
        let (micros, id) = (self.micros, number_of(set).unwrap_or_default());
        push(
            out,
            format_args!(
                "{{\"{name}\":{{\"request_id\":{request},\
                 \"total_host_execution_duration_micros\":{micros},\"query_id\":{{\"id\":{id}}},"
            ),
        );
        if let QuerySetId::Single(_) = set {
            let rows: Vec<&Arc<TableChange>> = rows.iter().collect();
            let (table, name) = rows
                .first()
                .map_or((0, ""), |rows| (rows.table_id.0, &*rows.table_name));
            push(
                out,
                format_args!("\"rows\":{{\"table_id\":{table},\"table_name\":"),
            );
            push_string(name, out);
            out.push_str(",\"table_rows\":");
            push_table(out, (table, name), &rows, self.direction);
            out.push('}');
        } else {
            out.push_str("\"update\":");
            self.push_rows(out, rows);
        }
        out.push_str("}}");
    }

    /// DatabaseUpdate from rows at one state.
    fn push_rows(&self, out: &mut String, rows: &[Arc<TableChange>]) {
        push_tables(out, &by_table(rows), self.direction);
    }
}

fn push_reducer_result(
    out: &mut String,
    call: &CallInfo,
    outcome: &ReducerOutcome,
    update: &ClientUpdate,
    greeting: &Greeting,
) {
    out.push_str("{\"TransactionUpdate\":{\"status\":");
    match outcome {
        ReducerOutcome::Committed => {
            out.push_str("{\"Committed\":");
            push_update(out, update);
            out.push('}');
        }
        ReducerOutcome::Failed(text)
        | ReducerOutcome::Refused(text)
        | ReducerOutcome::Fatal(text) => {
            out.push_str("{\"Failed\":");
            push_string(text, out);
            out.push('}');
        }
        ReducerOutcome::OutOfBudget => out.push_str("{\"OutOfEnergy\":[]}"),
    }
    out.push(',');
    push_timestamp(out, call.timestamp);
    out.push_str(",\"caller_identity\":");
    push_identity(out, greeting);
    out.push_str(",\"caller_connection_id\":");
    push_connection_id(out, greeting);
    out.push_str(",\"reducer_call\":{\"reducer_name\":");
    push_string(&call.reducer_name, out);
    push(
        out,
        format_args!(",\"reducer_id\":{},\"args\":", call.reducer_id),
    );
    // A call that could not be made has no arguments and the request number 0.
    let is_refused = matches!(outcome, ReducerOutcome::Refused(_));
    let args = call.args_json.as_deref().filter(|_| !is_refused);
    push_string(args.unwrap_or("[]"), out);
    let request = if is_refused { 0 } else { call.request_id.0 };
    // Energy is not accounted for: any number will do.
    push(
        out,
        format_args!(",\"request_id\":{request}}},\"energy_quanta_used\":{{\"quanta\":0}},"),
    );
    push_duration(out, call.duration_micros);
    out.push_str("}}");
}

fn push_one_off(out: &mut String, message_id: &Bytes, result: Result<&TableChange, &str>) {
    let id = hex::encode(message_id);
    push(
        out,
        format_args!("{{\"OneOffQueryResponse\":{{\"message_id\":\"{id}\",\"error\":"),
    );
    match result {
        Ok(rows) => {
            out.push_str("{\"none\":[]},\"tables\":[{\"table_name\":");
            push_string(&rows.table_name, out);
            out.push_str(",\"rows\":");
            push_list(out, rows, &rows.inserts);
            out.push_str("}],");
        }
        Err(error) => {
            out.push_str("{\"some\":");
            push_string(error, out);
            out.push_str("},\"tables\":[],");
        }
    }
}

/// DatabaseUpdate from what a transaction changed.
fn push_update(out: &mut String, update: &ClientUpdate) {
    let text = |out: &mut String| {
        push_tables(out, &distinct_by_table(update), Direction::Arriving);
    };
    if !update.is_shared() {
        return text(out);
    }
    let shared = update.encoded.get_or_init(SLOT, || {
        let mut out = String::new();
        text(&mut out);
        out.into()
    });
    push_utf8(out, &shared);
}

fn push_utf8(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => out.push_str(text),
        Err(_) => unreachable!("the slot holds text of this protocol only"),
    }
}

fn push_tables(out: &mut String, by_table: &[&Arc<TableChange>], direction: Direction) {
    out.push_str("{\"tables\":[");
    for (position, changes) in by_table
        .chunk_by(|a, b| a.table_id == b.table_id)
        .enumerate()
    {
        if position > 0 {
            out.push(',');
        }
        let table = (changes[0].table_id.0, &*changes[0].table_name);
        push_table(out, table, changes, direction);
    }
    out.push_str("]}");
}

/// TableUpdate: an id and a name, and the changes of each query.
fn push_table(
    out: &mut String,
    (id, name): (u32, &str),
    changes: &[&Arc<TableChange>],
    direction: Direction,
) {
    let rows = row_count(changes.iter().copied());
    push(out, format_args!("{{\"table_id\":{id},\"table_name\":"));
    push_string(name, out);
    push(out, format_args!(",\"num_rows\":{rows},\"updates\":["));
    for (position, change) in changes.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        match direction {
            Direction::Arriving => push_utf8(out, &encoded(change)),
            Direction::Leaving => push_change(out, change, &change.inserts, &change.deletes),
        }
    }
    out.push_str("]}");
}

fn encoded(change: &TableChange) -> Bytes {
    change.encoded.get_or_init(SLOT, || {
        let mut out = String::new();
        push_change(&mut out, change, &change.deletes, &change.inserts);
        out.into()
    })
}

fn push_change(out: &mut String, change: &TableChange, deletes: &RowList, inserts: &RowList) {
    out.push_str("{\"deletes\":");
    push_list(out, change, deletes);
    out.push_str(",\"inserts\":");
    push_list(out, change, inserts);
    out.push('}');
}

/// A row list: an array of strings, each the JSON text of a row.
fn push_list(out: &mut String, change: &TableChange, rows: &RowList) {
    out.push('[');
    if !rows.is_empty() {
        let row_type = AlgebraicType::Product(change.row_type.columns().clone());
        let typespace = Typespace::default();
        let mut text = String::new();
        for (position, row) in rows.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            text.clear();
            let mut reader = Reader::new(row);
            let written = write_bsatn(&typespace, &row_type, &mut reader, Flavour::Row, &mut text);
            if let Err(error) = written {
                tracing::error!(table = %change.table_name, %error, "a row has no JSON form");
                text = "null".to_owned();
            }
            push_string(&text, out);
        }
    }
    out.push(']');
}

#[cfg(test)]
mod tests;
