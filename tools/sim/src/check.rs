//! The checkers: one promise each, and nothing of each other.

mod balances;
mod damage;
mod durable_prefix;
mod integrity;
mod recovery;
mod sequences;
mod snapshot_truth;

pub use balances::Balances;
pub use damage::{DamageCheck, DamageOutcome};
pub use durable_prefix::DurablePrefix;
pub use integrity::check_integrity;
pub use recovery::RecoveryIsIdempotent;
pub use sequences::Sequences;
pub use snapshot_truth::SnapshotTruth;
