//! The commands, one file each.

pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod call;
pub(crate) mod commitlog;
pub(crate) mod database;
pub(crate) mod describe;
pub(crate) mod dev;
pub(crate) mod extract_schema;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod mcp;
pub(crate) mod publish;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod server;
pub(crate) mod shell;
pub(crate) mod snapshot;
pub(crate) mod sql;
pub(crate) mod start;
pub(crate) mod subscribe;
pub(crate) mod top;
pub(crate) mod version;
