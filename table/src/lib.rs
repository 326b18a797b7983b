//! Schema, tables, constraints, sequences, system tables and transactions.

mod catalogue;
mod commit;
mod datastore;
pub mod definition;
mod delta;
mod describe;
pub mod error;
mod integrity;
pub mod migrate;
mod migration;
mod net;
mod pending;
pub mod planted;
mod read;
mod read_view;
mod recorded;
mod replay;
mod restore;
mod row_list;
mod row_set;
mod schema;
mod sequence;
mod shared;
pub mod system;
mod table;
mod transaction;
mod undo_catalogue;
mod watch;
mod write;

pub use datastore::Datastore;
pub use delta::{TableDelta, TxDelta};
pub use describe::CatalogueError;
pub use integrity::IntegrityError;
pub use read_view::{ReadView, SnapshotBlob, SnapshotTable};
pub use replay::ReplayError;
pub use restore::{RestoreError, RestoredBlob};
pub use row_list::{RowList, RowListBuilder};
pub use schema::{
    ColumnSchema, ConstraintSchema, FIRST_USER_ID, IndexAlgorithm, IndexSchema, Persistence,
    ScheduleId, ScheduleSchema, SequenceSchema, TableAccess, TableKind, TableSchema, ViewId,
};
pub use spacetime_index::{Key, KeyRange};
pub use spacetime_page::{BlobName, LayoutFingerprint, PageRef, RestoredPage, RowPtr};
pub use table::IndexJob;
pub use transaction::Savepoint;
pub use watch::ChangedRow;
pub use write::Inserted;
