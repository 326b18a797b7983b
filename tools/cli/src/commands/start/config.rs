//! `config.toml` in the data directory: what an operator sets once and for all.
//!
//! Keys that mean something to another engine only are read over.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use spacetime_api::ws::RateLimit;
use spacetime_api::{ApiConfig, ConnectionLimits, ModuleHttp};
use spacetime_host::{
    Backend, CallLimits, ClientLimits, CompileOptions, DatabaseSettings, LogRetention, LogSettings,
    OutboundHttp, OutboxLimits, ReadLimits, StoreOptions,
};

use self::modules::{Database, ModuleLogs, Wasm};

mod modules;

/// The file as it is made: everything at its default.
const INITIAL: &str = r#"# Settings of this server. What is commented out is the default.

[logs]
# level = "info"
# directives = ["spacetime_host=debug"]

[websocket]
# ping-interval = "15s"
# idle-timeout = "30s"
# close-handshake-timeout = "250ms"

# What clients may have and do (docs/limits.md). 0 is no bound.
[limits]
# connections-per-identity = 16384
# connections-per-address = 0
# messages-per-second = 0
# bytes-per-second = 0
# query-sets-per-client = 4096
# queries-per-set = 1024
# queries-per-client = 32768
# outgoing-messages = 16384
# outgoing-bytes = 268435456
# header-timeout = "30s"
# body-timeout = "30s"
# request-timeout = "600s"
# restore-bytes = 274877906944
# query-visits = 0
# query-rows = 67108864
# query-bytes = 536870912
# first-rows = 67108864

[commitlog]
# max-segment-size = 1073741824
# offset-index-interval-bytes = 4096
# preallocate-segments = false
# What becomes of log that no snapshot needs: "keep", "compress" or "remove".
# retention = "keep"
# How it is written: "std" (system calls), "io-uring", or "auto" (io-uring where the kernel has it).
# io = "std"

[snapshots]
# One is taken when so many bytes, or transactions, went to the log since the last. 0 is never.
# log-bytes = 268435456
# transactions = 1000000
# retain = 2
# on-shutdown = false

[module-http]
# Whether procedures and HTTP handlers of modules may send HTTP requests, and whether these may go
# to addresses that are not public (this machine, its network).
# enabled = true
# allow-private-addresses = false

# What the module of one database may use (docs/modules.md).
[wasm]
# Time of one call of a reducer, of `init`, of one run of a view. The command line wins.
# call-time-limit = "10s"
# init-time-limit = "60s"
# view-time-limit = "1s"
# Calls that take longer are logged.
# slow-call-log = "1s"
# Memory of one instance, and of all instances of one database together.
# memory-limit = "1GiB"
# memory-total-limit = "4GiB"
# Rows, large values and indexes of one database. Without it there is no limit.
# row-memory-limit = "16GiB"
# Procedures and HTTP handlers of one database that run at once [default: cores, at least 16].
# procedure-instance-pool-size = 16
# Time that one of them may compute; waiting does not count.
# procedure-time-limit = "60s"
# How long publishing waits for a module to be compiled.
# compile-time-limit = "120s"
# Most bytes of compiled modules in cache/code of this directory; 0 keeps none.
# code-cache-size = "2GiB"

# What modules say (spacetime logs).
[module-logs]
# Less bad records are not kept: trace, debug, info, warn, error, panic.
# level = "trace"
# file-size = "64MiB"
# total-size = "512MiB"
# Files of more than so many days ago go; 0 keeps them.
# days = 0
# Records of one second beyond so many are left out; 0 is no bound.
# records-per-second = 20000

# Other limits for one database, by its name or identity: the limits of [wasm], and log-level.
# [databases.NAME]
# memory-limit = "256MiB"

# A certificate and its key (PEM), both or none: connections are encrypted. The command line wins.
# [tls]
# certificate-path = "/etc/spacetime/server.pem"
# key-path = "/etc/spacetime/server.key"

# A pair of PEM files, both or none; the command line wins.
# [certificate-authority]
# jwt-priv-key-path = "/etc/spacetime/id_ecdsa"
# jwt-pub-key-path = "/etc/spacetime/id_ecdsa.pub"
"#;

/// What of the file matters here.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct ServerConfig {
    certificate_authority: Option<CertificateAuthority>,
    tls: Option<TlsFiles>,
    logs: Logs,
    websocket: WebSocket,
    limits: Limits,
    commitlog: Commitlog,
    snapshots: Snapshots,
    module_http: ModuleHttpSettings,
    wasm: Wasm,
    module_logs: ModuleLogs,
    databases: BTreeMap<String, Database>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct ModuleHttpSettings {
    enabled: bool,
    allow_private_addresses: bool,
}

impl Default for ModuleHttpSettings {
    fn default() -> Self {
        ModuleHttpSettings {
            enabled: true,
            allow_private_addresses: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CertificateAuthority {
    jwt_priv_key_path: PathBuf,
    jwt_pub_key_path: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TlsFiles {
    certificate_path: PathBuf,
    key_path: PathBuf,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Logs {
    level: Option<String>,
    directives: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct WebSocket {
    ping_interval: Option<String>,
    idle_timeout: Option<String>,
    close_handshake_timeout: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Limits {
    connections_per_identity: Option<usize>,
    connections_per_address: Option<usize>,
    messages_per_second: Option<u32>,
    bytes_per_second: Option<u32>,
    query_sets_per_client: Option<usize>,
    queries_per_set: Option<usize>,
    queries_per_client: Option<usize>,
    outgoing_messages: Option<usize>,
    outgoing_bytes: Option<usize>,
    header_timeout: Option<String>,
    body_timeout: Option<String>,
    request_timeout: Option<String>,
    restore_bytes: Option<u64>,
    query_visits: Option<u64>,
    query_rows: Option<u64>,
    query_bytes: Option<usize>,
    first_rows: Option<u64>,
}

/// A bound where 0 is none.
fn bound(set: Option<usize>, default: usize) -> usize {
    match set {
        Some(0) => usize::MAX,
        Some(max) => max,
        None => default,
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Commitlog {
    max_segment_size: Option<u64>,
    offset_index_interval_bytes: Option<u64>,
    preallocate_segments: Option<bool>,
    retention: Retention,
    io: Io,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Io {
    #[default]
    Std,
    #[serde(rename = "io-uring")]
    Uring,
    Auto,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Retention {
    #[default]
    Keep,
    Compress,
    Remove,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Snapshots {
    log_bytes: Option<u64>,
    transactions: Option<u64>,
    retain: Option<usize>,
    on_shutdown: Option<bool>,
}

impl ServerConfig {
    /// Reads the file of a data directory; makes both if there are none.
    pub(super) fn load(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("config.toml");
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("cannot make {}", data_dir.display()))?;
        let made = std::fs::File::options()
            .write(true)
            .create_new(true)
            .open(&path);
        match made {
            Ok(mut file) => {
                file.write_all(INITIAL.as_bytes())
                    .with_context(|| format!("cannot write {}", path.display()))?;
                return Ok(ServerConfig::default());
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", path.display()));
            }
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is invalid", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let config: ServerConfig = toml::from_str(text)?;
        config.api()?;
        config.call_limits()?;
        config.compile()?;
        config.module_logs()?;
        config.databases()?;
        Ok(config)
    }

    /// Private and public key file.
    pub(super) fn key_paths(&self) -> Option<(PathBuf, PathBuf)> {
        let paths = self.certificate_authority.as_ref()?;
        Some((
            paths.jwt_priv_key_path.clone(),
            paths.jwt_pub_key_path.clone(),
        ))
    }

    /// Certificate and key of the server.
    pub(super) fn tls_paths(&self) -> Option<(&Path, &Path)> {
        let files = self.tls.as_ref()?;
        Some((&files.certificate_path, &files.key_path))
    }

    /// The filter in the notation of `RUST_LOG`.
    pub(super) fn log_filter(&self, default_level: &str) -> String {
        let level = self.logs.level.as_deref().unwrap_or(default_level);
        let parts = std::iter::once(level).chain(self.logs.directives.iter().map(String::as_str));
        parts.collect::<Vec<&str>>().join(",")
    }

    /// How databases are kept on disk.
    pub(super) fn store(&self) -> StoreOptions {
        let mut options = StoreOptions::default();
        let log = &mut options.durability.log;
        let set = &self.commitlog;
        log.segment_bytes_max = set.max_segment_size.unwrap_or(log.segment_bytes_max);
        log.index_interval_bytes = set
            .offset_index_interval_bytes
            .unwrap_or(log.index_interval_bytes);
        log.preallocate = set.preallocate_segments.unwrap_or(log.preallocate);
        options.log_retention = match set.retention {
            Retention::Keep => LogRetention::Keep,
            Retention::Compress => LogRetention::Compress,
            Retention::Remove => LogRetention::Remove,
        };
        options.backend = match set.io {
            Io::Std => Backend::Std,
            Io::Uring => Backend::Uring,
            Io::Auto => Backend::UringIfPossible,
        };
        let (set, snapshots) = (&self.snapshots, &mut options.snapshots);
        snapshots.log_bytes = set.log_bytes.unwrap_or(snapshots.log_bytes);
        snapshots.transactions = set.transactions.unwrap_or(snapshots.transactions);
        snapshots.retain = set.retain.unwrap_or(snapshots.retain);
        snapshots.on_close = set.on_shutdown.unwrap_or(snapshots.on_close);
        options
    }

    /// How modules send HTTP requests.
    pub(super) fn outbound_http(&self) -> Result<Option<Arc<dyn OutboundHttp>>> {
        let set = &self.module_http;
        if !set.enabled {
            return Ok(None);
        }
        Ok(Some(ModuleHttp::new(set.allow_private_addresses)?))
    }

    /// What modules may use.
    pub(super) fn call_limits(&self) -> Result<CallLimits> {
        self.wasm.call_limits()
    }

    /// How modules are compiled; the key for what is kept is not a setting.
    pub(super) fn compile(&self) -> Result<CompileOptions> {
        self.wasm.compile()
    }

    /// How what modules say is kept.
    pub(super) fn module_logs(&self) -> Result<LogSettings> {
        self.module_logs.settings()
    }

    /// What single databases have otherwise.
    pub(super) fn databases(&self) -> Result<Vec<DatabaseSettings>> {
        let sections = self.databases.iter();
        sections.map(|(name, set)| set.settings(name)).collect()
    }

    /// What one client may keep current.
    pub(super) fn client_limits(&self) -> ClientLimits {
        let (set, default) = (&self.limits, ClientLimits::default());
        ClientLimits {
            query_sets: bound(set.query_sets_per_client, default.query_sets),
            queries_per_set: bound(set.queries_per_set, default.queries_per_set),
            queries: bound(set.queries_per_client, default.queries),
            ..default
        }
    }

    /// What queries may cost, beside their time.
    pub(super) fn read_limits(&self) -> ReadLimits {
        let (set, default) = (&self.limits, ReadLimits::default());
        let rows = |set: Option<u64>, default| match set {
            Some(0) => u64::MAX,
            Some(max) => max,
            None => default,
        };
        ReadLimits {
            visits: rows(set.query_visits, default.visits),
            first_rows: rows(set.first_rows, default.first_rows),
            rows: rows(set.query_rows, default.rows),
            bytes: bound(set.query_bytes, default.bytes),
            ..default
        }
    }

    fn connection_limits(&self) -> Result<ConnectionLimits> {
        let (set, default) = (&self.limits, ConnectionLimits::default());
        let header_timeout = match &set.header_timeout {
            Some(text) => duration(text).context("`limits.header-timeout`")?,
            None => default.header_timeout,
        };
        let body_timeout = match &set.body_timeout {
            Some(text) => duration(text).context("`limits.body-timeout`")?,
            None => default.body_timeout,
        };
        let request_timeout = match set.request_timeout.as_deref() {
            Some("0") => None,
            Some(text) => Some(duration(text).context("`limits.request-timeout`")?),
            None => default.request_timeout,
        };
        let per_identity = set.connections_per_identity;
        let per_address = set.connections_per_address;
        Ok(ConnectionLimits {
            connections_per_identity: per_identity.unwrap_or(default.connections_per_identity),
            connections_per_address: per_address.unwrap_or(default.connections_per_address),
            rate: RateLimit {
                messages_per_second: set.messages_per_second.unwrap_or_default(),
                bytes_per_second: set.bytes_per_second.unwrap_or_default(),
            },
            outbox: OutboxLimits {
                messages_max: bound(set.outgoing_messages, default.outbox.messages_max),
                bytes_max: bound(set.outgoing_bytes, default.outbox.bytes_max),
                answer_bytes_max: bound(set.outgoing_bytes, default.outbox.answer_bytes_max),
            },
            header_timeout,
            body_timeout,
            request_timeout,
        })
    }

    /// The settings of the network surface.
    pub(super) fn api(&self) -> Result<ApiConfig> {
        let mut config = ApiConfig {
            limits: self.connection_limits()?,
            ..ApiConfig::default()
        };
        config.restore_bytes_max = match self.limits.restore_bytes {
            Some(0) => u64::MAX,
            Some(max) => max,
            None => config.restore_bytes_max,
        };
        let set = &self.websocket;
        for (key, text, target) in [
            (
                "ping-interval",
                &set.ping_interval,
                &mut config.keep_alive.ping_interval,
            ),
            (
                "idle-timeout",
                &set.idle_timeout,
                &mut config.keep_alive.idle_timeout,
            ),
            (
                "close-handshake-timeout",
                &set.close_handshake_timeout,
                &mut config.keep_alive.close_timeout,
            ),
        ] {
            if let Some(text) = text {
                *target = duration(text).with_context(|| format!("`websocket.{key}`"))?;
            }
        }
        Ok(config)
    }
}

/// `250ms`, `15s`, `1m 30s`: never zero.
fn duration(text: &str) -> Result<Duration> {
    let invalid = || format!("{text:?} is not a duration, such as \"15s\" or \"250ms\"");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .with_context(invalid)?;
        let number: u32 = rest[..digits].parse().with_context(invalid)?;
        let unit = rest[digits..].trim_start();
        let end = unit
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(unit.len());
        let one = match &unit[..end] {
            "ms" | "msec" | "millis" => Duration::from_millis(1),
            "s" | "sec" | "secs" | "second" | "seconds" => Duration::from_secs(1),
            "m" | "min" | "mins" | "minute" | "minutes" => Duration::from_secs(60),
            "h" | "hr" | "hour" | "hours" => Duration::from_secs(3600),
            _ => bail!(invalid()),
        };
        let part = one.checked_mul(number).with_context(invalid)?;
        total = total.checked_add(part).with_context(invalid)?;
        rest = unit[end..].trim_start();
    }
    anyhow::ensure!(!total.is_zero(), invalid());
    Ok(total)
}

#[cfg(test)]
mod tests;
