//! Procedures and HTTP handlers: functions of a module that run beside its database, each on an
//! instance and a thread of its own, and take the rows only for the transactions that they open.
//!
//! Invariants
//!   * At most so many calls of one database run at once, and so many wait, each for a bounded
//!     time; one more is refused with a clear error.
//!   * An instance on which a call failed is not used again.
//!   * A call runs to its end on the module that it began on.
//!
//! Not here: who asked and who is told (`worker/procedures`), and the rows (the writer thread).

mod context;
mod done;
mod pool;
mod transaction;

pub(crate) use context::{ProcedureContext, Surroundings};
pub(crate) use done::{Origin, ProcedureDone};
pub(crate) use pool::{Procedure, ProcedureCall, ProcedureError, ProcedurePool};
pub(crate) use transaction::{BeginTx, End, Lent, Writer};
