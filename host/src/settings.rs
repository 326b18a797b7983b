//! Settings of a server, and what single databases have otherwise.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use spacetime_store::StoreOptions;
use spacetime_types::Identity;

use crate::limits::ClientLimits;
use crate::module_http::OutboundHttp;
use crate::module_log::{Level, LogSettings};
use crate::reads::ReadLimits;
use crate::wasm::{CallLimits, CompileOptions};

/// Where a server keeps its data and what it allows.
#[derive(Clone, Debug)]
pub struct HostConfig {
    pub data_dir: PathBuf,
    pub call_limits: CallLimits,
    /// How modules are compiled.
    pub compile: CompileOptions,
    /// What modules say.
    pub logs: LogSettings,
    /// What single databases have otherwise. The first one that fits counts.
    pub databases: Vec<DatabaseSettings>,
    /// How databases are kept on disk.
    pub store: StoreOptions,
    pub read_limits: ReadLimits,
    /// How modules send HTTP requests; `None` if they may not.
    pub outbound_http: Option<Arc<dyn OutboundHttp>>,
    pub client_limits: ClientLimits,
}

impl HostConfig {
    /// Everything at its default; modules may not send HTTP requests, and their code is not kept.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> HostConfig {
        HostConfig {
            data_dir,
            call_limits: CallLimits::default(),
            compile: CompileOptions::default(),
            logs: LogSettings::default(),
            databases: Vec::new(),
            store: StoreOptions::default(),
            read_limits: ReadLimits::default(),
            outbound_http: None,
            client_limits: ClientLimits::default(),
        }
    }
}

/// What one database has otherwise than the rest of its server; `None` where it has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// Its identity in hex digits, or one of its names. Names are looked at when it is started.
    pub database: Box<str>,
    pub call_time_max: Option<Duration>,
    pub init_time_max: Option<Duration>,
    pub view_time_max: Option<Duration>,
    pub slow_call: Option<Duration>,
    pub memory_bytes_max: Option<usize>,
    pub memory_bytes_total_max: Option<usize>,
    pub row_bytes_max: Option<usize>,
    pub procedure_time_max: Option<Duration>,
    pub procedures_max: Option<usize>,
    pub log_level: Option<Level>,
}

impl DatabaseSettings {
    fn fits(&self, identity: Identity, names: &[String]) -> bool {
        let database = &*self.database;
        let is_name = names.iter().any(|name| name.eq_ignore_ascii_case(database));
        is_name || identity.to_hex().eq_ignore_ascii_case(database)
    }
}

/// What a server allows its databases.
#[derive(Clone, Debug)]
pub(crate) struct Allowances {
    pub(crate) call_limits: CallLimits,
    pub(crate) logs: LogSettings,
    pub(crate) databases: Vec<DatabaseSettings>,
}

impl Allowances {
    /// Settings that are for none of these databases: a slip, or for one that is still to come.
    pub(crate) fn unused(&self, known: &[(Identity, Vec<String>)]) -> Vec<Box<str>> {
        let is_used = |own: &DatabaseSettings| {
            let mut known = known.iter();
            known.any(|(identity, names)| own.fits(*identity, names))
        };
        let unused = self.databases.iter().filter(|own| !is_used(own));
        unused.map(|own| own.database.clone()).collect()
    }

    /// The limits of one database, and how its log is kept.
    pub(crate) fn of(&self, identity: Identity, names: &[String]) -> (CallLimits, LogSettings) {
        let (all, logs) = (self.call_limits, self.logs);
        let mut databases = self.databases.iter();
        let Some(own) = databases.find(|own| own.fits(identity, names)) else {
            return (all, logs);
        };
        let limits = CallLimits {
            call_time_max: own.call_time_max.unwrap_or(all.call_time_max),
            init_time_max: own.init_time_max.unwrap_or(all.init_time_max),
            view_time_max: own.view_time_max.unwrap_or(all.view_time_max),
            slow_call: own.slow_call.unwrap_or(all.slow_call),
            memory_bytes_max: own.memory_bytes_max.unwrap_or(all.memory_bytes_max),
            memory_bytes_total_max: own
                .memory_bytes_total_max
                .unwrap_or(all.memory_bytes_total_max),
            row_bytes_max: own.row_bytes_max.unwrap_or(all.row_bytes_max),
            procedure_time_max: own.procedure_time_max.unwrap_or(all.procedure_time_max),
            procedures_max: own.procedures_max.unwrap_or(all.procedures_max),
        };
        let level = own.log_level.unwrap_or(logs.level);
        (limits, LogSettings { level, ..logs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_found_by_name_or_identity_and_the_first_one_counts() {
        let identity = Identity::from_be_bytes([0xab; 32]);
        let own = |database: &str, memory| DatabaseSettings {
            database: database.into(),
            memory_bytes_max: Some(memory),
            ..DatabaseSettings::default()
        };
        let allowances = Allowances {
            call_limits: CallLimits::default(),
            logs: LogSettings::default(),
            databases: vec![
                own("Chat", 1),
                own(&identity.to_hex().to_uppercase(), 2),
                DatabaseSettings {
                    log_level: Some(Level::Error),
                    procedures_max: Some(3),
                    ..own("game", 4)
                },
                own("game", 5),
            ],
        };
        let other = Identity::ZERO;
        let memory = |identity, name: &str| {
            let (limits, _) = allowances.of(identity, &[name.to_owned()]);
            limits.memory_bytes_max
        };
        assert_eq!(memory(other, "chat"), 1);
        assert_eq!(memory(identity, "chat"), 1);
        assert_eq!(memory(identity, "else"), 2);
        assert_eq!(
            memory(other, "else"),
            CallLimits::default().memory_bytes_max
        );
        let (limits, logs) = allowances.of(other, &["x".to_owned(), "game".to_owned()]);
        assert_eq!((limits.memory_bytes_max, limits.procedures_max), (4, 3));
        assert_eq!(limits.call_time_max, CallLimits::default().call_time_max);
        assert_eq!(logs.level, Level::Error);
        let known = [
            (other, vec!["chat".to_owned()]),
            (other, vec!["game".to_owned()]),
        ];
        let unused = allowances.unused(&known);
        assert_eq!(unused, [identity.to_hex().to_uppercase().into()]);
    }
}
