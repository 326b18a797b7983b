//! A database made for the measurements, on a server that is already running.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::args::{PressureArgs, ServerArgs};
use crate::bulk::{self, Cells};
use crate::connection::Target;
use crate::http::Http;
use crate::load::Pressure;
use crate::message::Protocol;
use crate::process;
use crate::report::{BulkFigures, LoadFigures};
use crate::workload::{self, Workload};

/// The repository's module that all loads call.
const MODULE: &str = "transfers";

/// A published database; deleted when dropped, unless it is to be kept.
#[derive(Debug)]
pub(crate) struct Session {
    http: Http,
    database: String,
    is_kept: bool,
    pub server_pid: Option<u32>,
}

impl Session {
    /// Publishes the module, unless told not to.
    pub(crate) fn open(args: &ServerArgs) -> Result<Self> {
        let http = Http::new(&args.server, args.token.as_deref())?;
        let address = http.address()?;
        let found = address
            .ip()
            .is_loopback()
            .then(|| process::listener_on(http.port()))
            .flatten();
        let database = args.database.clone().unwrap_or_else(fresh_name);
        let session = Self {
            is_kept: args.keep || args.no_publish,
            server_pid: args.server_pid.or(found),
            http,
            database,
        };
        if !args.no_publish {
            let path = match &args.module {
                Some(path) => path.clone(),
                None => spacetime_wasm_build::repository_module(MODULE)
                    .context("no module; name one with --module")?,
            };
            let module =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            session.http.publish(&session.database, module)?;
        }
        Ok(session)
    }

    /// Runs one load.
    pub(crate) fn load(
        &self,
        args: &PressureArgs,
        workload: Workload,
        shape: Shape,
    ) -> Result<LoadFigures> {
        let target = self.target(args.protocol, shape.confirmed)?;
        let pressure = Pressure {
            connections: shape.connections,
            in_flight: shape.in_flight,
            warm_up: args.warm_up,
            time: args.seconds,
            seed: args.seed,
            server_pid: self.server_pid,
        };
        workload::run(&self.http, &target, workload, &pressure)
    }

    /// How to reach the database.
    pub(crate) fn target(&self, protocol: Protocol, confirmed: bool) -> Result<Target> {
        Ok(Target {
            address: self.http.address()?,
            host: self.http.host(),
            database: self.database.clone(),
            token: self.http.token().to_owned(),
            protocol,
            confirmed,
        })
    }

    /// Replaces the rows that loads with subscribers change.
    pub(crate) fn fill_items(&self, rows: u32) -> Result<()> {
        let args = format!("[{rows}]");
        self.http.call(&self.database, "fill_items", &args)?;
        Ok(())
    }

    /// Fills the table that no load writes to.
    pub(crate) fn fill_cells(&self, rows: u32) -> Result<()> {
        self.http.call(&self.database, "delete_all", "[]")?;
        for (args, _) in bulk::pieces(0, rows) {
            self.http.call(&self.database, "insert_many", &args)?;
        }
        Ok(())
    }

    /// Runs the operations inside reducers.
    pub(crate) fn bulk(&self, cells: Cells, rows: u32) -> Result<BulkFigures> {
        let clear = cells.reducer("delete_all");
        self.http.call(&self.database, &clear, "[]")?;
        bulk::run(&self.http, &self.database, cells, rows, self.server_pid)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_kept {
            // The figures are there; a database left behind is no reason to lose them.
            let _ = self.http.delete(&self.database);
        }
    }
}

/// What distinguishes the runs of one load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub connections: u32,
    pub in_flight: u32,
    pub confirmed: bool,
}

fn fresh_name() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("bench-{:x}-{:x}", since.as_millis(), std::process::id())
}
