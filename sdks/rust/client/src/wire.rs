//! The messages of the WebSocket protocol, versions 2 and 3.
//!
//! Invariants
//!   * What the server sends is cut up, not copied: row lists are slices of the frame.
//!   * A count is compared with the bytes that are left before anything is allocated for it.
//!   * Every row list says which query set it came for.
//!
//! Not here: frames and compression (`frame`), and what rows mean (`update`).

pub(crate) mod frame;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use server::{ProcedureStatus, ReducerOutcome, ServerMessage};
use spacetime_types::bsatn::{Encode, encode_len};

/// The name of a query set: the client chooses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuerySetId(pub(crate) u32);

/// What generated bindings name of the messages.
pub mod v2 {
    pub use super::server::{
        BsatnRowList, QueryRows, QuerySetUpdate, SingleTableRows, TableUpdate, TableUpdateRows,
        TransactionUpdate,
    };
}

const SUBSCRIBE: u8 = 0;
const UNSUBSCRIBE: u8 = 1;
#[cfg(any(target_arch = "wasm32", test))]
const ONE_OFF_QUERY: u8 = 2;
const CALL_REDUCER: u8 = 3;
const CALL_PROCEDURE: u8 = 4;

/// "Do not send the rows that go": the client knows them.
const WITHOUT_DROPPED_ROWS: u8 = 0;
/// The one kind of call.
const DEFAULT_CALL: u8 = 0;

/// The message that opens a query set.
pub(crate) fn subscribe(request: u32, set: QuerySetId, queries: &[Box<str>]) -> Vec<u8> {
    let mut out = vec![SUBSCRIBE];
    request.encode(&mut out);
    set.0.encode(&mut out);
    queries.encode(&mut out);
    out
}

/// The message that closes one.
pub(crate) fn unsubscribe(request: u32, set: QuerySetId) -> Vec<u8> {
    let mut out = vec![UNSUBSCRIBE];
    request.encode(&mut out);
    set.0.encode(&mut out);
    out.push(WITHOUT_DROPPED_ROWS);
    out
}

/// A message that the server answers at once, and that does nothing: a query without a text.
#[cfg(any(target_arch = "wasm32", test))]
pub(crate) fn knock() -> Vec<u8> {
    let mut out = vec![ONE_OFF_QUERY];
    0_u32.encode(&mut out);
    "".encode(&mut out);
    out
}

/// The message that calls a reducer; `arguments` is their product.
pub(crate) fn call_reducer(request: u32, reducer: &str, arguments: &[u8]) -> Vec<u8> {
    call(CALL_REDUCER, request, reducer, arguments)
}

/// The message that calls a procedure.
pub(crate) fn call_procedure(request: u32, procedure: &str, arguments: &[u8]) -> Vec<u8> {
    call(CALL_PROCEDURE, request, procedure, arguments)
}

fn call(tag: u8, request: u32, function: &str, arguments: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(14 + function.len() + arguments.len());
    out.push(tag);
    request.encode(&mut out);
    out.push(DEFAULT_CALL);
    function.encode(&mut out);
    encode_len(arguments.len(), &mut out);
    out.extend_from_slice(arguments);
    out
}
