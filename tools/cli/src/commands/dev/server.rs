//! The server on this machine, started if nothing answers where it should be.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{DevArguments, ask_or_refuse};
use crate::cli_toml::CliToml;
use crate::commands::publish::Job;
use crate::output::say;
use crate::paths::Paths;
use crate::server_address::{is_local, resolve, split_url};
use crate::session::Session;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A server that ends with this program.
pub(super) struct Server {
    child: Child,
}

/// Starts a server if the first database is to be on this machine and nothing answers there.
pub(super) async fn start_if_needed(
    paths: &Paths,
    arguments: &DevArguments,
    jobs: &[Job],
) -> Result<Option<Server>> {
    let Some(job) = jobs.first().filter(|_| !arguments.skip_publish) else {
        return Ok(None);
    };
    let file = CliToml::load(&paths.cli_toml()?)?;
    let url = resolve(&file, job.server.as_deref())?;
    if !is_local(&url) || answers(&url).await {
        return Ok(None);
    }
    let question = format!("No server answers at {url}. Start one?");
    if !arguments.yes && !ask_or_refuse(&question, "--yes to start one, or --server")? {
        bail!("there is no server at {url}; start one with `spacetime start`");
    }
    let mut server = start(paths, &url)?;
    let start = Instant::now();
    while !answers(&url).await {
        if let Some(status) = server.child.try_wait().context("the server is lost")? {
            bail!("the server ended before it answered ({status}); try `spacetime start`");
        }
        if start.elapsed() > START_TIMEOUT {
            server.stop();
            bail!(
                "the server did not answer at {url} in {} s",
                START_TIMEOUT.as_secs()
            );
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(Some(server))
}

async fn answers(url: &str) -> bool {
    let Ok(session) = Session::anonymous(url) else {
        return false;
    };
    session.success(session.get("ping")).await.is_ok()
}

fn start(paths: &Paths, url: &str) -> Result<Server> {
    let (_, address) = split_url(url)?;
    let address = match address.contains(':') {
        true => address.to_owned(),
        false => format!("{address}:80"),
    };
    let data_dir = paths.data_dir()?;
    let logs = data_dir.join("logs");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let log_path = logs.join("spacetime-dev.log");
    let log =
        File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
    let program = std::env::current_exe().context("this program's file is not known")?;
    let child = Command::new(program)
        .arg("start")
        .arg("--data-dir")
        .arg(data_dir)
        .arg("--jwt-key-dir")
        .arg(paths.config_dir()?)
        .args(["--listen-addr", &address, "--non-interactive"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("the log cannot be shared")?)
        .stderr(log)
        // Ctrl-C is for this program, which asks the server once.
        .process_group(0)
        .spawn()
        .context("cannot start a server")?;
    say(format_args!(
        "Started a server; its log is {}",
        log_path.display()
    ));
    Ok(Server { child })
}

impl Server {
    /// Asks it to end, and waits until it has.
    pub(super) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        if !asked.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}
