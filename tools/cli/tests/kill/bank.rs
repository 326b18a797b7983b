//! A database under a load of numbered transfers, and what must be true of it after each restart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::Value;
use spacetime_types::Hash;
use spacetime_types::bsatn::Encode as _;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::DATABASE;
use crate::harness::{Login, Server};
use crate::wire::{self, Event, Random, V2, V3, Wire, WireError};

const CLIENTS: u32 = 6;
const ACCOUNTS: u64 = 64;
const TOTAL_BALANCE: i64 = 64_000;
/// Calls of one client that may be unanswered.
const WINDOW_MAX: u64 = 200;

/// What was learned of the database.
pub struct Bank {
    pub committed: u64,
    pub confirmed: u64,
    /// The last transfer of each client that is there.
    applied: BTreeMap<u32, u64>,
    last_id: u64,
    /// The rows that stay: they must come back unchanged.
    kept: Vec<[u64; 4]>,
    opened: u64,
    program: Hash,
}

/// What one client saw of its own calls in one round.
pub struct Report {
    client: u32,
    sent: u64,
    confirmed: u64,
}

impl Bank {
    pub fn new(program: &[u8]) -> Bank {
        Bank {
            committed: 0,
            confirmed: 0,
            applied: BTreeMap::new(),
            last_id: 0,
            kept: Vec::new(),
            opened: 0,
            program: Hash::of(program),
        }
    }

    pub fn start_loads(
        &self,
        runtime: &Runtime,
        address: SocketAddr,
        owner: &Login,
        random: &mut Random,
    ) -> Vec<JoinHandle<Report>> {
        let start = |client: u32| {
            let applied = self.applied.get(&client).copied().unwrap_or(0);
            let load = Load {
                token: owner.token.clone(),
                window: 1 + random.below(WINDOW_MAX),
                random: random.fork(),
                report: Report {
                    client,
                    sent: applied,
                    confirmed: applied,
                },
            };
            runtime.spawn(load.run(address))
        };
        (0..CLIENTS).map(start).collect()
    }

    /// Checks the database against what is known, and takes over what is new. Then deletes all
    /// rows but the new ones.
    pub fn check(&mut self, server: &Server, owner: &Login, reports: &[Report]) -> String {
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value}"));
        let rows = |query: &str| server.rows(owner, DATABASE, query);
        for table in ["st_client", "st_connection_credentials", "presence"] {
            let left = rows(&format!("SELECT * FROM {table}"));
            // The query is a connection of its own while it runs.
            assert_eq!(left.len(), 1, "{table}: nobody else is connected: {left:?}");
        }
        let visits = rows("SELECT opened, closed FROM visits");
        let opened = number(&visits[0][0]);
        let closed = number(&visits[0][1]);
        assert_eq!(opened, closed + 1, "everybody but the query was seen off");
        assert!(opened >= self.opened, "a connection was forgotten");
        self.opened = opened;

        let balances = rows("SELECT balance FROM account");
        let total: i64 = balances.iter().map(|row| row[0].as_i64().unwrap()).sum();
        assert_eq!((balances.len() as u64, total), (ACCOUNTS, TOTAL_BALANCE));

        let committed = number(&rows("SELECT committed FROM counter")[0][0]);
        let mut entries: Vec<[u64; 4]> = rows("SELECT place, id, client, seq FROM entry")
            .iter()
            .map(|row| [0, 1, 2, 3].map(|column| number(&row[column])))
            .collect();
        entries.sort_unstable();
        let kept = self.kept.len();
        assert_eq!(entries[..kept], self.kept, "what was there has changed");
        let new = entries.split_off(kept);
        assert_eq!(
            new.len() as u64,
            committed - self.committed,
            "the counter counts the rows"
        );
        let mut ids = BTreeSet::new();
        for (&[place, id, client, seq], expect) in new.iter().zip(self.committed..) {
            assert_eq!(place, expect, "a transfer is missing");
            assert!(
                id > self.last_id,
                "{id} was given out before, {} was the last",
                self.last_id
            );
            assert!(ids.insert(id), "{id} was given out twice");
            let applied = self.applied.entry(client as u32).or_default();
            assert_eq!(seq, *applied + 1, "client {client}: not a prefix");
            *applied = seq;
        }
        for report in reports {
            let Report {
                client,
                sent,
                confirmed,
            } = *report;
            let applied = self.applied.get(&client).copied().unwrap_or(0);
            assert!(
                applied >= confirmed,
                "client {client}: {confirmed} confirmed, {applied} there"
            );
            assert!(
                applied <= sent,
                "client {client}: {sent} sent, {applied} there"
            );
            self.confirmed += confirmed;
        }
        self.last_id = ids.last().copied().unwrap_or(self.last_id);
        let forget = serde_json::json!([self.committed]);
        server.call(owner, DATABASE, "forget", forget).unwrap();
        // The call over HTTP connects as well; it is the first to be seen off by itself.
        self.opened += 1;
        let summary = format!("{} transfers more, {opened} connections so far", new.len());
        self.committed = committed;
        self.kept = new;
        summary
    }

    pub fn check_program(
        &mut self,
        server: &Server,
        owner: &Login,
        program: &[u8],
        confirmed: bool,
    ) {
        let new = Hash::of(program);
        let found = found_program(server, owner);
        if confirmed || found == number_of(new) {
            self.program = new;
        }
        self.check_program_is_the_same(server, owner);
    }

    pub fn check_program_is_the_same(&self, server: &Server, owner: &Login) {
        assert_eq!(
            found_program(server, owner),
            number_of(self.program),
            "another program"
        );
    }
}

fn found_program(server: &Server, owner: &Login) -> String {
    let rows = server.rows(owner, DATABASE, "SELECT program_hash FROM st_module");
    rows[0][0].to_string().replace('"', "")
}

/// The form of a hash in SQL results.
pub fn number_of(hash: Hash) -> String {
    format!("{:#x}", hash.to_u256())
}

/// One client that sends numbered transfers until the server is gone.
struct Load {
    token: String,
    window: u64,
    random: Random,
    report: Report,
}

impl Load {
    async fn run(mut self, address: SocketAddr) -> Report {
        let protocol = if self.report.client.is_multiple_of(2) {
            V2
        } else {
            V3
        };
        let Ok(mut wire) = Wire::connect(address, DATABASE, protocol, &self.token).await else {
            return self.report;
        };
        while self.step(&mut wire, protocol).await.is_ok() {}
        self.report
    }

    /// Fills the window, then takes one answer.
    async fn step(&mut self, wire: &mut Wire, protocol: &str) -> Result<(), WireError> {
        let mut frame = Vec::new();
        while self.report.sent - self.report.confirmed < self.window {
            // Counted before it is sent: who knows what arrives of an interrupted write.
            self.report.sent += 1;
            let args = self.args();
            wire::write_call(self.report.sent as u32, "transfer", &args, &mut frame);
            if protocol == V2 || self.random.below(8) == 0 {
                wire.send(std::mem::take(&mut frame)).await?;
            }
        }
        if !frame.is_empty() {
            wire.send(frame).await?;
        }
        match wire.next().await? {
            Event::Result { request_id, error } => {
                assert_eq!(error, None, "no transfer fails");
                assert_eq!(
                    request_id,
                    self.report.confirmed as u32 + 1,
                    "answers are in order"
                );
                self.report.confirmed += 1;
                Ok(())
            }
            other => panic!("{other:?} was not asked for"),
        }
    }

    fn args(&mut self) -> Vec<u8> {
        let mut args = Vec::new();
        self.report.client.encode(&mut args);
        self.report.sent.encode(&mut args);
        (self.random.below(ACCOUNTS) as u32).encode(&mut args);
        (self.random.below(ACCOUNTS) as u32).encode(&mut args);
        (self.random.below(100) as i64).encode(&mut args);
        args
    }
}
