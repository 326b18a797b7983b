//! The control plane: which databases there are, who owns them, and what they are called.
//!
//! It is a database like any other, kept by the same engine: tables, a commitlog, recovery. Every
//! change is one transaction and is durable before it is reported, so a crash never leaves a name
//! without its owner or half a registration.
//!
//! Not here: the databases' contents, and starting them (see `host`).

mod records;
mod store;

pub use records::DatabaseRecord;
pub use store::{ControlDatabase, ControlError, OpenControlError};
