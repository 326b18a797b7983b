//! Checks what clients of a database are told, message by message.
//!
//! A run makes up tables, a module that declares them, queries, and a schedule of transactions,
//! subscriptions and reconnections for many clients, all from one seed. It drives the server's own
//! code with it. Beside that it keeps a model: the rows without any index, and each query evaluated
//! from scratch after each transaction. Every message that a client gets must be the one that is
//! due, and after every message the client must hold exactly the rows that its queries have at
//! that transaction: none missing, none twice.
//!
//! Requests go into the database's queue and messages come out of the clients' queues; for some of
//! the clients both pass through the protocols' decoders and encoders.
//!
//! Not here: sockets, and what a crash leaves.

pub mod activation;
mod cache;
mod campaign;
mod evaluate;
mod message;
mod model;
mod module;
pub mod planted;
mod query;
mod random;
mod run;
mod schema;
mod script;
mod server;
mod state;
mod value;
mod wire;

pub use campaign::{Campaign, Leak, Report, find_leaks, runtime};
pub use run::{Outcome, Settings, Tamper, run_seed};
pub use server::Server;
