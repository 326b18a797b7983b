//! The commands, one file each.

pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod call;
pub(crate) mod commitlog;
pub(crate) mod database;
pub(crate) mod describe;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod publish;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod sql;
pub(crate) mod start;
pub(crate) mod subscribe;
