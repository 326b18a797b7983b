//! The client's process.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::output::note;

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A running client.
pub(super) struct Client {
    child: Child,
    /// Whether it leads a group of its own.
    leads_group: bool,
    has_ended: bool,
}

impl Client {
    /// Starts a shell command, which is told its database by the environment.
    pub(super) fn start(command: &str, database: &str, url: &str) -> Result<Self> {
        // On a terminal it has to be in the foreground with this program, to be typed to.
        let leads_group = !crate::prompt::can_ask();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .env("SPACETIMEDB_DB_NAME", database)
            .env("SPACETIMEDB_HOST", url);
        if leads_group {
            shell.process_group(0);
        }
        let child = shell.spawn();
        Ok(Client {
            child: child.with_context(|| format!("cannot start the client: {command}"))?,
            leads_group,
            has_ended: false,
        })
    }

    /// Whether it was told that it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Asks it to end, with all that it has started.
    pub(super) fn stop(mut self) {
        if self.has_ended {
            return;
        }
        let pid = self.child.id();
        let whom = match self.leads_group {
            true => format!("-{pid}"),
            false => pid.to_string(),
        };
        let asked = Command::new("kill").args(["-TERM", "--", &whom]).status();
        if !asked.is_ok_and(|status| status.success()) {
            note("the client could not be asked to end; it is killed");
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// Waits for the end of a client; for ever if there is none, or it was told before.
pub(super) async fn ended(client: &mut Option<Client>) -> ExitStatus {
    let Some(client) = client.as_mut().filter(|client| !client.has_ended) else {
        return std::future::pending().await;
    };
    loop {
        if let Ok(Some(status)) = client.child.try_wait() {
            client.has_ended = true;
            return status;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
