//! Loads of reducer calls: prepare a database, press, check that nothing was lost or invented.
//!
//! Transfers can be applied in any order with the same outcome, so the balances at the end follow
//! from which calls committed. They are compared account by account: a call that was confirmed
//! but did not happen, or happened twice, shows.

use anyhow::{Context, Result, ensure};
use spacetime_types::bsatn::Encode as _;

use crate::connection::Target;
use crate::http::Http;
use crate::load::{self, Calls, Pressure, Seen};
use crate::message::write_call;
use crate::random::Random;
use crate::report::{Latency, LoadFigures};
use crate::zipf::Zipf;

/// What the module gives every account.
const OPENING_BALANCE: i64 = 1_000_000;
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
}

/// Prepares the database, runs the load, checks the balances.
pub(crate) fn run(
    http: &Http,
    target: &Target,
    workload: Workload,
    pressure: &Pressure,
) -> Result<LoadFigures> {
    let context = || format!("while running {}", workload.name());
    let mut pauses = None;
    let (seen, balances_error) = match workload {
        Workload::Empty => {
            let seen = load::run(target, pressure, &mut EmptyCalls).with_context(context)?;
            (seen, None)
        }
        Workload::Transfers { accounts, alpha } => {
            http.call(&target.database, "seed", &format!("[{accounts}]"))?;
            let mut transfers = Transfers::new(accounts, alpha, pressure);
            http.pauses(&target.database)?;
            let seen = load::run(target, pressure, &mut transfers).with_context(context)?;
            pauses = http.pauses(&target.database)?;
            let checked = transfers.check(http, &target.database);
            (seen, Some(checked.err().map(|error| format!("{error:#}"))))
        }
    };
    let mut figures = figures(target, workload, pressure, seen, balances_error);
    figures.pauses = pauses;
    Ok(figures)
}

fn figures(
    target: &Target,
    workload: Workload,
    pressure: &Pressure,
    seen: Seen,
    balances_error: Option<Option<String>>,
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
        longest_pause_us: seen.longest_pause.as_secs_f64() * 1e6,
        pauses: None,
        beside: None,
        errors: seen.error_count,
        first_error: seen.first_error,
        server_cpu_us: server.and_then(|it| it.cpu).and_then(cpu_us),
        client_cpu_us: seen.client.cpu.and_then(cpu_us),
        server_written_bytes: server
            .and_then(|it| it.written_bytes)
            .and_then(|bytes| per_call(bytes as f64)),
        balances_right: balances_error.as_ref().map(Option::is_none),
        balances_error: balances_error.flatten(),
    }
}

struct EmptyCalls;

impl Calls for EmptyCalls {
    fn write(&mut self, _place: usize, request_id: u32, out: &mut Vec<u8>) {
        write_call(request_id, "empty", &[], out);
    }

    fn committed(&mut self, _place: usize) {}
}

/// Transfers between random accounts, and what they should lead to.
struct Transfers {
    zipf: Zipf,
    random: Random,
    /// Source and destination of the call in each place.
    in_flight: Vec<(u32, u32)>,
    /// What each account must hold after all calls that committed.
    balances: Vec<i64>,
    args: Vec<u8>,
}

impl Transfers {
    fn new(accounts: u32, alpha: f64, pressure: &Pressure) -> Self {
        let places = pressure.connections as usize * pressure.in_flight as usize;
        Self {
            zipf: Zipf::new(accounts, alpha),
            random: Random::new(pressure.seed),
            in_flight: vec![(0, 0); places],
            balances: vec![OPENING_BALANCE; accounts as usize],
            args: Vec::new(),
        }
    }

    fn check(&self, http: &Http, database: &str) -> Result<()> {
        let rows = http.select(database, "SELECT id, balance FROM account")?;
        compare(&rows, &self.balances)
    }
}

impl Calls for Transfers {
    fn write(&mut self, place: usize, request_id: u32, out: &mut Vec<u8>) {
        let (source, destination) = self.zipf.sample_two(&mut self.random);
        self.in_flight[place] = (source, destination);
        self.args.clear();
        source.encode(&mut self.args);
        destination.encode(&mut self.args);
        AMOUNT.encode(&mut self.args);
        write_call(request_id, "transfer", &self.args, out);
    }

    fn committed(&mut self, place: usize) {
        let (source, destination) = self.in_flight[place];
        self.balances[source as usize] -= AMOUNT;
        self.balances[destination as usize] += AMOUNT;
    }
}

/// Every account is there once, with the balance that it must have.
fn compare(rows: &[(u32, i64)], expect: &[i64]) -> Result<()> {
    let sum = |balances: &mut dyn Iterator<Item = i64>| balances.map(i128::from).sum::<i128>();
    let found_sum = sum(&mut rows.iter().map(|(_, balance)| *balance));
    let expect_sum = sum(&mut expect.iter().copied());
    let mut found = vec![None; expect.len()];
    for (id, balance) in rows {
        let account = found.get_mut(*id as usize);
        let account = account.with_context(|| format!("there is an account {id}"))?;
        ensure!(account.is_none(), "account {id} is there twice");
        *account = Some(*balance);
    }
    let pairs = || found.iter().zip(expect).enumerate();
    let wrong = pairs()
        .filter(|(_, (found, expect))| **found != Some(**expect))
        .count();
    if let Some((id, (found, expect))) =
        pairs().find(|(_, (found, expect))| **found != Some(**expect))
    {
        let found = found.map_or("nothing".to_owned(), |balance| balance.to_string());
        anyhow::bail!(
            "{wrong} accounts differ: account {id} holds {found}, the confirmed calls make it \
             {expect}; all accounts together hold {found_sum} of {expect_sum}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_balances_pass() {
        let check = |rows: &[(u32, i64)], expect: Option<&str>| {
            let found = compare(rows, &[5, 7]).err().map(|error| error.to_string());
            assert_eq!(found.is_some(), expect.is_some(), "{found:?}");
            assert!(
                found
                    .unwrap_or_default()
                    .contains(expect.unwrap_or_default())
            );
        };
        check(&[(1, 7), (0, 5)], None);
        check(
            &[(0, 6), (1, 6)],
            Some("2 accounts differ: account 0 holds 6"),
        );
        check(&[(0, 5), (1, 8)], Some("together hold 13 of 12"));
        check(&[(0, 5)], Some("account 1 holds nothing"));
        check(&[(0, 5), (0, 5), (1, 7)], Some("twice"));
        check(&[(0, 5), (1, 7), (2, 0)], Some("there is an account 2"));
    }

    #[test]
    fn only_committed_transfers_move_the_expected_balances() {
        let pressure = Pressure {
            connections: 2,
            in_flight: 2,
            warm_up: std::time::Duration::ZERO,
            time: std::time::Duration::ZERO,
            seed: 3,
            server_pid: None,
        };
        let mut transfers = Transfers::new(10, 0.0, &pressure);
        let mut out = Vec::new();
        for place in 0..4 {
            transfers.write(place, 0, &mut out);
        }
        let (source, destination) = transfers.in_flight[2];
        transfers.committed(2);
        let mut expect = vec![OPENING_BALANCE; 10];
        expect[source as usize] -= 1;
        expect[destination as usize] += 1;
        assert_eq!(transfers.balances, expect);
        // Tag, id, flags, name, length, two accounts, amount.
        assert_eq!(out.len(), 4 * (1 + 4 + 1 + 4 + 8 + 4 + 16));
    }
}
