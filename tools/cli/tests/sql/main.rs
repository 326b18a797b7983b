//! SQL through a real server: every case of the language's table, by the way it is meant for (HTTP,
//! a subscription, a one-off query), and what only a server has: limits, framing, the past.
//!
//! What a query is told of a transaction is in `deltas`, rules over time are in `rules`, views over
//! time in the tests of views.
//!
//! The cases and their fixtures are those of the query crate. Identities of callers are the
//! server's own; they replace the ones that the cases are written with.

#[path = "../harness/mod.rs"]
mod harness;

mod cases;
mod deltas;
mod framing;
mod program;
mod rules;
