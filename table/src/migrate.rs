//! Migrations: from the definition of the module in place to that of its successor.
//!
//! A plan is computed from the two definitions alone (`plan`), can be printed (`print`) and is
//! applied inside the open transaction (`apply`), all of it or nothing.
//!
//! Two kinds of plans: an *automatic* one makes the changes that any SpacetimeDB makes in place,
//! and refuses the rest. An *explicit* one also drops tables and columns that hold data, renames,
//! reorders and widens; whoever asks for it has seen it before.
//!
//! Invariants
//!   * A table whose rows are written anew becomes a table with another id. So the log, and each
//!     snapshot, has rows of one shape under one id, and any reader of the log understands it.
//!   * A plan that fails while it is applied leaves no trace in the transaction.
//!
//! Not here: the program, the clients, views' contents and the rules of row level security, which
//! are the host's.

mod apply;
mod check;
mod columns;
mod conversion;
mod error;
mod hints;
mod model;
mod objects;
mod plan;
mod print;
mod refusal;
mod replace;
mod step;
mod value_text;

pub use apply::Applied;
pub use error::MigrateError;
pub use hints::{Hints, Rename, ValueHint};
pub use model::{ColumnValues, DatabaseDef};
pub use plan::{MigrationPlan, Mode, plan};
pub use print::Style;
pub use refusal::{Refusal, TypeChange};
pub use step::{ColumnSource, Step};
