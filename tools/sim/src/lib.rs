//! Seeded simulation of one database: transactions, group commit, snapshots, retention, on a
//! simulated disk that loses, tears, refuses and rots.
//!
//! One seed is one trace. [`run_seed`] runs it; the same seed leads to the same [`TraceHash`].
//!
//! * `simulation` picks what happens next; `scenario` what a seed is made of.
//! * `workload` and `model` do every transaction twice, by different means.
//! * [`check`] has the promises, one checker each.
//! * [`activation`] counts what really happened: a fault that never comes finds nothing.
//! * [`stall`] has a disk that stands still while transactions keep coming.
//! * [`planted`] has the bugs that prove the checkers.
//!
//! Not here: the simulated disk itself, which is in `spacetime-durability`; sockets and modules.

pub mod activation;
mod campaign;
pub mod check;
mod damage;
mod disk;
mod io_loop;
mod model;
pub mod planted;
mod random;
mod replica;
mod scenario;
mod seed;
mod simulation;
pub mod stall;
mod state;
mod trace;
mod violation;
mod workload;

pub use campaign::{Campaign, Report};
pub use io_loop::{IoLoop, fail_every_operation};
pub use scenario::{FaultFamilies, IoFault, NullControl};
pub use seed::{Outcome, Settings, run_seed};
pub use trace::{Keep, TraceHash};
pub use violation::Violation;
