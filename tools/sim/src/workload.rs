//! What is done to the database: tables of every kind, transactions of every kind.

mod shape;
mod transaction;

pub use shape::{ACCOUNT, ACCOUNTS, START_BALANCE, Shape, ShapeId, account_row, balance};
pub use transaction::{Done, Target, run_transaction};
