//! Schema, tables, constraints, sequences, system tables and transactions.

pub mod definition;
mod delta;
mod row_list;
mod schema;
pub mod system;

pub use delta::{TableDelta, TxDelta};
pub use row_list::{RowList, RowListBuilder};
pub use schema::{
    ColumnSchema, ConstraintSchema, FIRST_USER_ID, IndexAlgorithm, IndexSchema, Persistence,
    ScheduleId, ScheduleSchema, SequenceSchema, TableAccess, TableKind, TableSchema, ViewId,
};
