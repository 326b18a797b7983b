//! A `spacetime` server that lives as long as this chore.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, run};
use crate::target_folder;

/// How long the server may take from its start to its first connection.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to write out everything after it was asked to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    binary: PathBuf,
    config_folder: PathBuf,
    address: SocketAddr,
}

/// Builds the `spacetime` binary for use and returns where it is.
pub fn build_binary() -> Result<PathBuf> {
    let what = ["build", "--locked", "--package", "spacetime-cli"];
    run(cargo().args(what).args(["--bin", "spacetime", "--release"]))?;
    Ok(binary_in("release"))
}

/// The binary that the tests use. Asking for the tests as a whole, rather than for this package,
/// finds every dependency built: another selection has other features and would build them anew.
pub fn build_test_binary() -> Result<PathBuf> {
    run(cargo().args(["test", "--locked", "--workspace", "--no-run"]))?;
    Ok(binary_in("debug"))
}

fn binary_in(profile: &str) -> PathBuf {
    let name = format!("spacetime{}", std::env::consts::EXE_SUFFIX);
    target_folder().join(profile).join(name)
}

/// A loopback address that nothing listens on at the moment.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot open a port on loopback")?;
    Ok(listener.local_addr()?)
}

impl Server {
    /// Starts the server on `address` with its files in `folder`, and waits until it listens.
    pub fn start(binary: &Path, folder: &Path, address: SocketAddr) -> Result<Self> {
        if TcpStream::connect(address).is_ok() {
            bail!("something already listens on {address}; choose another with --listen-addr");
        }
        let data_folder = folder.join("data");
        let config_folder = folder.join("config");
        for folder in [&data_folder, &config_folder] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let child = Command::new(binary)
            .arg("start")
            .arg("--data-dir")
            .arg(&data_folder)
            .arg("--jwt-key-dir")
            .arg(&config_folder)
            .args(["--listen-addr", &address.to_string(), "--non-interactive"])
            .stdin(Stdio::null())
            // A terminal's Ctrl-C then reaches this chore only, which asks the server once.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut server = Self {
            child,
            binary: binary.to_owned(),
            config_folder,
            address,
        };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    /// As clients are given it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes a module under a name.
    pub fn publish(&self, name: &str, wasm: &Path) -> Result<()> {
        run(Command::new(&self.binary)
            .arg("--config-path")
            .arg(self.config_file())
            .args([
                "publish",
                name,
                "--yes",
                "--server",
                &self.url(),
                "--bin-path",
            ])
            .arg(wasm)
            .stdin(Stdio::null()))
    }

    /// The start of a command line that uses this server's login.
    pub fn command_line(&self) -> String {
        format!(
            "{} --config-path {}",
            self.binary.display(),
            self.config_file().display()
        )
    }

    /// How the server ended, if it has.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks the server to stop, as a service manager would, and waits for it.
    pub fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        run(Command::new("kill").args(["-TERM", &id]))?;
        self.wait_until_it_ends()
    }

    fn wait_until_it_ends(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < STOP_TIMEOUT {
            if self.ended()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        bail!(
            "the server did not stop within {} s; it was killed",
            STOP_TIMEOUT.as_secs()
        )
    }

    fn config_file(&self) -> PathBuf {
        self.config_folder.join("cli.toml")
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            if let Some(status) = self.ended()? {
                bail!("the server ended before it listened ({status})");
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        bail!(
            "the server did not listen on {} in {} s",
            self.address,
            START_TIMEOUT.as_secs()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may end by itself in between; either way it is gone after the wait.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
