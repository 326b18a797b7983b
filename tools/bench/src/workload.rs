//! Loads of reducer calls: prepare a database, press, check that nothing was lost or invented.

use anyhow::{Context, Result};
use spacetime_types::bsatn::Encode as _;

use crate::connection::Target;
use crate::http::Http;
use crate::load::{self, Pressure, Seen};
use crate::message::write_call;
use crate::random::Random;
use crate::report::{Latency, LoadFigures};
use crate::zipf::Zipf;

/// What the module gives every account.
const OPENING_BALANCE: u64 = 1_000_000;
const AMOUNT: i64 = 1;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Workload {
    /// A reducer that does nothing.
    Empty,
    /// Money moves between two random accounts.
    Transfers {
        accounts: u32,
        /// How uneven the choice of accounts is; 0: all alike.
        alpha: f64,
    },
}

impl Workload {
    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Transfers { .. } => "transfers",
        }
    }

    fn alpha(self) -> Option<f64> {
        match self {
            Self::Empty => None,
            Self::Transfers { alpha, .. } => Some(alpha),
        }
    }

    fn press(self, target: &Target, pressure: &Pressure) -> Result<Seen> {
        match self {
            Self::Empty => load::run(target, pressure, |request_id, out| {
                write_call(request_id, "empty", &[], out);
            }),
            Self::Transfers { accounts, alpha } => {
                let zipf = Zipf::new(accounts, alpha);
                let mut random = Random::new(pressure.seed);
                let mut args = Vec::with_capacity(16);
                load::run(target, pressure, |request_id, out| {
                    let (source, destination) = zipf.sample_two(&mut random);
                    args.clear();
                    source.encode(&mut args);
                    destination.encode(&mut args);
                    AMOUNT.encode(&mut args);
                    write_call(request_id, "transfer", &args, out);
                })
            }
        }
    }
}

/// Prepares the database, runs the load, checks the balances.
pub(crate) fn run(
    http: &Http,
    target: &Target,
    workload: Workload,
    pressure: &Pressure,
) -> Result<LoadFigures> {
    if let Workload::Transfers { accounts, .. } = workload {
        http.call(&target.database, "seed", &format!("[{accounts}]"))?;
    }
    let seen = workload
        .press(target, pressure)
        .with_context(|| format!("while running {}", workload.name()))?;
    let total_error = match workload {
        Workload::Empty => None,
        Workload::Transfers { accounts, .. } => {
            let total = u64::from(accounts) * OPENING_BALANCE;
            let checked = http.call(&target.database, "check_total", &format!("[{total}]"));
            Some(checked.err().map(|error| format!("{error:#}")))
        }
    };
    Ok(figures(target, workload, pressure, seen, total_error))
}

fn figures(
    target: &Target,
    workload: Workload,
    pressure: &Pressure,
    seen: Seen,
    total_error: Option<Option<String>>,
) -> LoadFigures {
    let count = seen.latencies.count();
    let per_call = |amount: f64| (count != 0).then(|| amount / count as f64);
    let cpu_us = |cpu: std::time::Duration| per_call(cpu.as_secs_f64() * 1e6);
    let server = seen.server;
    LoadFigures {
        name: workload.name(),
        alpha: workload.alpha(),
        protocol: target.protocol,
        confirmed: target.confirmed,
        connections: pressure.connections,
        in_flight: pressure.in_flight,
        seconds: seen.time.as_secs_f64(),
        transactions: count,
        transactions_per_second: count as f64 / seen.time.as_secs_f64(),
        latency: Latency::of(&seen.latencies),
        errors: seen.error_count,
        first_error: seen.first_error,
        server_cpu_us: server.and_then(|it| it.cpu).and_then(cpu_us),
        client_cpu_us: seen.client.cpu.and_then(cpu_us),
        server_written_bytes: server
            .and_then(|it| it.written_bytes)
            .and_then(|bytes| per_call(bytes as f64)),
        balances_kept: total_error.as_ref().map(Option::is_none),
        balances_error: total_error.flatten(),
    }
}
