//! `spacetime start`: a server.
//!
//! Needs nothing but a data directory: keys and directories are made. Servers with different data
//! directories do not know of each other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use spacetime_api::ApiConfig;
use spacetime_api::auth::{Authority, KeyPair};
use spacetime_host::{CallLimits, Host, HostConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::output::say;

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_LOG_FILTER: &str = "info";

/// The flags of `start`.
#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(
        long,
        short = 'l',
        default_value = "0.0.0.0:3000",
        value_name = "HOST:PORT"
    )]
    listen_addr: String,
    /// Directory for everything that the server keeps
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Directory of the signing keys `id_ecdsa` and `id_ecdsa.pub`; the data directory if absent
    #[arg(long, value_name = "DIR", conflicts_with_all = ["jwt_pub_key_path", "jwt_priv_key_path"])]
    jwt_key_dir: Option<PathBuf>,
    /// Public signing key
    #[arg(long, value_name = "FILE", requires = "jwt_priv_key_path")]
    jwt_pub_key_path: Option<PathBuf>,
    /// Private signing key
    #[arg(long, value_name = "FILE", requires = "jwt_pub_key_path")]
    jwt_priv_key_path: Option<PathBuf>,
    /// Longest time that one call of a module may take, in seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    call_time_limit: f64,
    /// Most memory that one module instance may have, in MiB
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    module_memory_limit: usize,
    /// Never ask anything (this server never does)
    #[arg(long)]
    non_interactive: bool,
}

/// Runs a server until it is told to stop.
pub(crate) fn start(arguments: &StartArguments, root_dir: Option<&Path>) -> Result<()> {
    let filter =
        EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(DEFAULT_LOG_FILTER));
    tracing_subscriber::fmt()
        .with_env_filter(filter.context("the log filter is not valid")?)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    runtime.block_on(serve(arguments, root_dir))
}

async fn serve(arguments: &StartArguments, root_dir: Option<&Path>) -> Result<()> {
    let data_dir = data_dir(arguments, root_dir)?;
    let config = HostConfig {
        data_dir: data_dir.clone(),
        call_limits: call_limits(arguments)?,
    };
    let host = Host::open(config).await?;
    let (private, public) = key_paths(arguments, &data_dir);
    let keys = KeyPair::load_or_generate(&private, &public)?;
    let authority = Authority::new(&keys, &[])?;

    let address = listen_address(&arguments.listen_addr);
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let address: SocketAddr = listener
        .local_addr()
        .context("the listener has no address")?;
    say(format_args!("Starting spacetime listening on {address}"));

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    };
    spacetime_api::serve(
        host.clone(),
        authority,
        ApiConfig::default(),
        listener,
        stop,
    )
    .await?;
    host.shutdown().await;
    Ok(())
}

fn data_dir(arguments: &StartArguments, root_dir: Option<&Path>) -> Result<PathBuf> {
    if let Some(data_dir) = &arguments.data_dir {
        return Ok(data_dir.clone());
    }
    if let Some(root_dir) = root_dir {
        return Ok(root_dir.join("data"));
    }
    if let Some(data_home) = std::env::var_os("XDG_DATA_HOME") {
        return Ok(Path::new(&data_home).join("spacetime/data"));
    }
    match std::env::var_os("HOME") {
        Some(home) => Ok(Path::new(&home).join(".local/share/spacetime/data")),
        None => bail!("there is no home directory; say where to keep data with --data-dir"),
    }
}

fn key_paths(arguments: &StartArguments, data_dir: &Path) -> (PathBuf, PathBuf) {
    if let (Some(private), Some(public)) =
        (&arguments.jwt_priv_key_path, &arguments.jwt_pub_key_path)
    {
        return (private.clone(), public.clone());
    }
    let folder = arguments.jwt_key_dir.as_deref().unwrap_or(data_dir);
    (folder.join("id_ecdsa"), folder.join("id_ecdsa.pub"))
}

/// A bare port or host is completed.
fn listen_address(text: &str) -> String {
    if text.contains(':') {
        text.to_owned()
    } else if text.parse::<u16>().is_ok() {
        format!("0.0.0.0:{text}")
    } else {
        format!("{text}:3000")
    }
}

fn call_limits(arguments: &StartArguments) -> Result<CallLimits> {
    let call_time_max = Duration::try_from_secs_f64(arguments.call_time_limit)
        .context("--call-time-limit is not a number of seconds")?;
    let memory_bytes_max = arguments.module_memory_limit.saturating_mul(1024 * 1024);
    Ok(CallLimits {
        call_time_max,
        memory_bytes_max,
    })
}
