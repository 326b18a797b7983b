//! One database on disk: its rows in memory, and the log that they are brought back from.
//!
//! * [`Store`] opens a directory, commits transactions and waits for the disk.
//! * [`Apply`] applies the records of a log to rows.
//! * [`restore_foreign`] brings rows back from a snapshot that SpacetimeDB wrote.
//!
//! Everything on disk is reached through the storage seam, so that all of it runs on a simulated
//! disk too.
//!
//! Not here: modules, queries, clients.

mod apply;
mod foreign;
mod record;
mod store;

pub use apply::Apply;
pub use foreign::{RestoreForeignError, restore_foreign};
pub use record::CommitInputs;
pub use spacetime_durability::Stepper;
pub use store::{
    Committed, DurableWaiter, Files, OnDurable, OpenStoreError, Store, StoreError, StoreOptions,
};
