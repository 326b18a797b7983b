//! `spacetime start`: a server.
//!
//! Needs nothing but a data directory: keys and directories are made. Servers with different data
//! directories do not know of each other.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use spacetime_api::auth::{Authority, KeyPair};
use spacetime_api::{ApiConfig, Tls};
use spacetime_host::{CacheKey, CallLimits, Host, HostConfig, ReadLimits};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::cli_toml::CliToml;
use crate::output::{note, say};
use crate::paths::Paths;
use crate::prompt::yes_or_no;

mod config;
mod memory;
mod replay_bar;

use config::ServerConfig;
use memory::MemoryFolder;
use replay_bar::ReplayBar;

/// What is logged unless `RUST_LOG` or the configuration says otherwise.
const DEFAULT_LOG_LEVEL: &str = "info";
const DEFAULT_LISTEN_ADDR: &str = "0.0.0.0:3000";
/// How long threads of procedures may go on after the databases are closed.
const PROCEDURES_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// How many ports after a busy one are offered.
const OTHER_PORTS: u16 = 100;

/// The flags of `start`.
#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    /// Address to listen on; port 0 takes a free one [default: listen_addr of cli.toml, or
    /// 0.0.0.0:3000]
    #[arg(
        long,
        short = 'l',
        value_name = "HOST:PORT",
        overrides_with = "listen_addr"
    )]
    listen_addr: Option<String>,
    /// Directory for everything that the server keeps
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Directory of the signing keys `id_ecdsa` and `id_ecdsa.pub` [default: that of cli.toml]
    #[arg(long, value_name = "DIR")]
    jwt_key_dir: Option<PathBuf>,
    /// Public signing key
    #[arg(long, value_name = "FILE", requires = "jwt_priv_key_path")]
    jwt_pub_key_path: Option<PathBuf>,
    /// Private signing key
    #[arg(long, value_name = "FILE", requires = "jwt_pub_key_path")]
    jwt_priv_key_path: Option<PathBuf>,
    /// The server's certificate, with those that lead to its authority behind it (PEM): all
    /// connections are encrypted. Files that change are read anew
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Longest time that one call of a module may take, in seconds [default: that of config.toml,
    /// or 10]
    #[arg(long, value_name = "SECONDS")]
    call_time_limit: Option<f64>,
    /// Longest time that one run of a view may take, in seconds; a transaction that changes what a
    /// view reads waits for it [default: that of config.toml, or 1]
    #[arg(long, value_name = "SECONDS")]
    view_time_limit: Option<f64>,
    /// Most memory that one module instance may have, in MiB [default: that of config.toml, or
    /// 1024]
    #[arg(long, value_name = "MIB")]
    module_memory_limit: Option<usize>,
    /// Longest time that a query may take, in seconds
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    query_time_limit: f64,
    /// Queries that take longer are logged with their plans, in seconds
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    slow_query_log: f64,
    /// Do not ask for another port when this one is taken
    #[arg(long)]
    non_interactive: bool,
    /// There is one edition
    #[arg(long, hide = true, value_parser = ["standalone"])]
    edition: Option<String>,
    /// Keep databases in memory only: they are gone when the server ends
    #[arg(long)]
    in_memory: bool,
    /// Accepted for compatibility; memory is not pooled
    #[arg(long = "page_pool_max_size", hide = true, value_name = "SIZE")]
    page_pool_max_size: Option<String>,
    /// Not supported
    #[arg(long, hide = true, value_name = "PORT")]
    pg_port: Option<u16>,
    /// Accepted for compatibility; there is no profiler
    #[arg(long, hide = true)]
    enable_tracy: bool,
}

/// Runs a server until it is told to stop.
pub(crate) fn run(paths: &Paths, arguments: &StartArguments) -> Result<()> {
    refuse_unsupported(arguments)?;
    let data_dir = match &arguments.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => paths.data_dir()?.to_owned(),
    };
    let config = ServerConfig::load(&data_dir)?;
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(config.log_filter(DEFAULT_LOG_LEVEL)));
    tracing_subscriber::fmt()
        .with_env_filter(filter.context("the log filter is not valid")?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let (private, public) = key_paths(paths, arguments, &config)?;
    let mut store = config.store();
    // Removed when the server has ended.
    let memory = match arguments.in_memory {
        true => Some(MemoryFolder::make()?),
        false => None,
    };
    if memory.is_some() {
        MemoryFolder::limit(&mut store);
    }
    let server = Server {
        listen_addr: listen_addr(paths, arguments)?,
        ask_for_port: !arguments.non_interactive && std::io::stdin().is_terminal(),
        host: HostConfig {
            data_dir: match &memory {
                Some(memory) => memory.path().to_owned(),
                None => data_dir,
            },
            call_limits: call_limits(arguments, &config)?,
            compile: config.compile()?,
            logs: config.module_logs()?,
            databases: config.databases()?,
            outbound_http: config.outbound_http()?,
            store,
            read_limits: read_limits(arguments, &config)?,
            client_limits: config.client_limits(),
        },
        api: ApiConfig {
            tls: tls(arguments, &config)?,
            ..config.api()?
        },
        private,
        public,
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let served = runtime.block_on(server.serve());
    // A procedure that computes on is not waited for: what it committed is safe.
    runtime.shutdown_timeout(PROCEDURES_DRAIN_TIMEOUT);
    drop(memory);
    served
}

/// A server that is about to start.
struct Server {
    listen_addr: String,
    ask_for_port: bool,
    host: HostConfig,
    api: ApiConfig,
    private: PathBuf,
    public: PathBuf,
}

impl Server {
    async fn serve(self) -> Result<()> {
        // Signals count from here on: opening a large database takes a while.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // Before anything that takes long, since a busy port ends it.
        let listener = listen(&self.listen_addr, self.ask_for_port).await?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        say(format_args!("spacetime {}", env!("CARGO_PKG_VERSION")));
        say(format_args!(
            "Data directory: {}",
            self.host.data_dir.display()
        ));
        let keys = KeyPair::load_or_generate(&self.private, &self.public)?;
        let mut config = self.host;
        // Compiled modules are only this server's if they carry its mark.
        config.compile.cache_key = Some(CacheKey::from_secret(keys.private_pem().as_bytes()));
        let bar = ReplayBar::for_terminal();
        if let Some(bar) = &bar {
            config.store.durability.progress = bar.progress();
        }
        let opened = Host::open(config).await;
        if let Some(bar) = bar {
            bar.finish();
        }
        let host = opened?;
        let authority = Authority::new(&keys, &[])?;
        if let Some(tls) = &self.api.tls {
            say("Connections are encrypted: clients use https:// or wss://");
            tokio::spawn(reload_on_hangup(
                Arc::clone(tls),
                signal(SignalKind::hangup())?,
            ));
        }
        say(format_args!("Starting spacetime listening on {address}"));

        let stop = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping");
        };
        spacetime_api::serve(host.clone(), authority, self.api, listener, stop).await?;
        host.shutdown().await;
        Ok(())
    }
}

/// Certificate and key are read anew at once when the process is told to (SIGHUP).
async fn reload_on_hangup(tls: Arc<Tls>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        let tls = Arc::clone(&tls);
        // It can only fail by a panic, which has been logged.
        let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
    }
}

fn refuse_unsupported(arguments: &StartArguments) -> Result<()> {
    if arguments.pg_port.is_some() {
        bail!("--pg-port is not supported: this server has no PostgreSQL listener");
    }
    if arguments.page_pool_max_size.is_some() {
        note("WARNING: --page_pool_max_size has no effect");
    }
    if arguments.enable_tracy {
        note("WARNING: --enable-tracy has no effect");
    }
    Ok(())
}

async fn listen(address: &str, ask: bool) -> Result<TcpListener> {
    let cannot = || format!("cannot listen on {address}");
    let error = match TcpListener::bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return Err(error).with_context(cannot);
    }
    if !ask {
        let hint = "; --listen-addr chooses another address, port 0 a free one";
        return Err(error).with_context(|| format!("{}{hint}", cannot()));
    }
    let busy: SocketAddr = tokio::net::lookup_host(address)
        .await
        .with_context(cannot)?
        .next()
        .with_context(cannot)?;
    let others = busy.port().saturating_add(1)..=busy.port().saturating_add(OTHER_PORTS);
    for port in others {
        let Ok(listener) = TcpListener::bind(SocketAddr::new(busy.ip(), port)).await else {
            continue;
        };
        let question = format!(
            "Port {} is already in use. Would you like to use port {port} instead?",
            busy.port()
        );
        if yes_or_no(false, &question)? {
            return Ok(listener);
        }
        break;
    }
    Err(error).with_context(cannot)
}

/// The command line wins over `cli.toml`, and that over the default.
fn listen_addr(paths: &Paths, arguments: &StartArguments) -> Result<String> {
    if let Some(address) = &arguments.listen_addr {
        return Ok(complete_address(address));
    }
    let configured = match paths.cli_toml() {
        Ok(path) => CliToml::load_if_there(&path)?.and_then(|file| file.listen_addr()),
        Err(_) => None,
    };
    let address = configured.as_deref().unwrap_or(DEFAULT_LISTEN_ADDR);
    Ok(complete_address(address))
}

/// A bare port or host is completed.
fn complete_address(text: &str) -> String {
    if text.contains(':') {
        text.to_owned()
    } else if text.parse::<u16>().is_ok() {
        format!("0.0.0.0:{text}")
    } else {
        format!("{text}:3000")
    }
}

/// The pair on the command line, the configured pair, or a pair in the key directory.
fn key_paths(
    paths: &Paths,
    arguments: &StartArguments,
    config: &ServerConfig,
) -> Result<(PathBuf, PathBuf)> {
    if let (Some(private), Some(public)) =
        (&arguments.jwt_priv_key_path, &arguments.jwt_pub_key_path)
    {
        return Ok((private.clone(), public.clone()));
    }
    if let Some(pair) = config.key_paths() {
        return Ok(pair);
    }
    let folder: &Path = match &arguments.jwt_key_dir {
        Some(folder) => folder,
        None => paths.config_dir()?,
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok((folder.join("id_ecdsa"), folder.join("id_ecdsa.pub")))
}

/// The pair on the command line, or the configured pair.
fn tls(arguments: &StartArguments, config: &ServerConfig) -> Result<Option<Arc<Tls>>> {
    let pair = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some((certificate.as_path(), key.as_path())),
        _ => config.tls_paths(),
    };
    let tls = pair.map(|(certificate, key)| Tls::load(certificate, key));
    tls.transpose().context("connections cannot be encrypted")
}

/// The command line wins over `config.toml`.
fn call_limits(arguments: &StartArguments, config: &ServerConfig) -> Result<CallLimits> {
    let mut limits = config.call_limits()?;
    if let Some(seconds) = arguments.call_time_limit {
        limits.call_time_max = Duration::try_from_secs_f64(seconds)
            .context("--call-time-limit is not a number of seconds")?;
    }
    if let Some(seconds) = arguments.view_time_limit {
        limits.view_time_max = Duration::try_from_secs_f64(seconds)
            .context("--view-time-limit is not a number of seconds")?;
    }
    if let Some(mebibytes) = arguments.module_memory_limit {
        limits.memory_bytes_max = mebibytes.saturating_mul(1024 * 1024);
    }
    Ok(limits)
}

fn read_limits(arguments: &StartArguments, config: &ServerConfig) -> Result<ReadLimits> {
    let time = Duration::try_from_secs_f64(arguments.query_time_limit)
        .context("--query-time-limit is not a number of seconds")?;
    let slow = Duration::try_from_secs_f64(arguments.slow_query_log)
        .context("--slow-query-log is not a number of seconds")?;
    Ok(ReadLimits {
        time,
        slow,
        ..config.read_limits()
    })
}

#[cfg(test)]
mod tests {
    use super::complete_address;

    #[test]
    fn addresses_are_completed() {
        for (given, expected) in [
            ("4000", "0.0.0.0:4000"),
            ("localhost", "localhost:3000"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:3000", "[::1]:3000"),
        ] {
            assert_eq!(complete_address(given), expected);
        }
    }
}
