//! One database on disk: its rows in memory, the log that they are brought back from, and
//! snapshots that make that quick.
//!
//! * [`Store`] opens a directory, commits transactions, waits for the disk, takes snapshots.
//! * [`StoreOptions`] say when snapshots are taken, how many are kept, and what becomes of the log.
//! * [`open_at`] and [`open_at_time`] bring the past back, read-only, beside a running database.
//! * [`Apply`] applies the records of a log to rows.
//! * [`restore_foreign`] brings rows back from a snapshot that SpacetimeDB wrote.
//!
//! Everything on disk is reached through the storage seam, so that all of it runs on a simulated
//! disk too.
//!
//! Not here: modules, queries, clients.

mod apply;
mod background;
mod foreign;
mod history;
mod indexing;
mod open;
mod options;
pub mod planted;
mod record;
mod restore;
mod snapshots;
mod store;

pub use apply::Apply;
pub use background::give_way;
pub use foreign::{RestoreForeignError, restore_foreign};
pub use history::{Past, PastError, datastore_at, offset_at, open_at, open_at_time};
pub use open::{OpenStoreError, Recovery, UnusedSnapshot};
pub use options::{LogBehind, LogRetention, SnapshotSettings, StoreOptions};
pub use record::CommitInputs;
pub use restore::{BadSnapshot, restore_snapshot};
pub use snapshots::{OnTaken, SNAPSHOTS_DIR, SnapshotJob, TakeSnapshotError};
pub use spacetime_durability::Stepper;
pub use store::{Committed, DurableWaiter, Files, OnDurable, Store, StoreError};
