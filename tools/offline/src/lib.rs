//! Tools for the files of a stopped database: what is in them, whether it is whole, and getting
//! it out. Logs of SpacetimeDB are read as well, and so are damaged ones.
//!
//! * [`list`](list::list): the segments of a log.
//! * [`stat`](stat::stat): counts by table, by reducer, by size, over time.
//! * [`show`](show::show): transactions with calls and rows, by what the log says of its tables.
//! * [`verify`](verify::verify): every checksum and invariant, with the exact place of damage.
//! * [`repair`]: cutting a damaged log off, with everything that is cut kept.
//! * [`diff`], [`compare`]: two points of one log, or two logs.
//! * [`state`], [`export`]: the rows as they were, as JSON lines, CSV or SQL.
//! * [`snapshots`]: the same questions about snapshots.
//!
//! Invariants
//!   * Nothing prints, and nothing reads a clock. Functions return reports, or call back.
//!   * Only `repair`, `snapshots::remove` and `export` write, and `export` never into the database.
//!   * No bytes on disk make anything panic, loop for long, or take unbounded memory.
//!
//! ```no_run
//! use spacetime_offline::{NoProgress, Place, verify};
//!
//! let place = Place::open("data/replicas/1".as_ref())?;
//! let report = verify::verify(&place, &verify::VerifyOptions::default(), &NoProgress)?;
//! for finding in &report.findings {
//!     println!("{finding}");
//! }
//! # Ok::<(), spacetime_offline::OfflineError>(())
//! ```

pub mod compare;
pub mod diff;
mod error;
pub mod export;
mod file_view;
pub mod filter;
pub mod finding;
pub mod histogram;
mod index_check;
pub mod list;
mod pass;
mod place;
mod progress;
mod records;
pub mod repair;
pub mod row_text;
mod scan;
mod schemas;
pub mod show;
pub mod snapshots;
pub mod stat;
pub mod state;
pub mod verify;

pub use error::OfflineError;
pub use index_check::{IndexReport, IndexState};
pub use place::{Place, PlaceError};
pub use progress::{NoProgress, Progress};
pub use schemas::{Schemas, TableShape};
