//! The rules of rows, of definitions and of replays, one by one.

mod replay;
mod schema;
mod small;
mod writing;
