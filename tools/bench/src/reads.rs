//! A load of calls, alone and beside one reader that reads in a loop: what reading costs writing.
//!
//! The reader does as little as it can with what it gets, because it shares the machine with the
//! server: it counts a scan's rows and skips those of a subscription.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use spacetime_types::bsatn::{self, Encode as _};

use crate::args::ReadsArgs;
use crate::connection::{Target, open_stream};
use crate::frame;
use crate::histogram::Histogram;
use crate::http::Http;
use crate::message::Protocol;
use crate::report::{BesideFigures, LoadFigures};
use crate::say;
use crate::session::{Session, Shape};
use crate::workload::Workload;

/// Bytes of a row of the table that is subscribed to.
const CELL_BYTES: u64 = 8;
const SUBSCRIBE: u8 = 0;
const SUBSCRIBE_APPLIED: u8 = 1;
/// How long the first rows may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What is read in a loop.
#[derive(Debug, Clone, Copy)]
enum Reader {
    /// Every row of a table is visited; one number comes back.
    Scan { table: &'static str, rows: u32 },
    /// A new connection, and all rows of the other table.
    Subscription { rows: u32 },
}

impl Reader {
    fn name(self) -> &'static str {
        match self {
            Reader::Scan { table, .. } => table,
            Reader::Subscription { .. } => "subscription",
        }
    }

    fn rows(self) -> u32 {
        match self {
            Reader::Scan { rows, .. } | Reader::Subscription { rows } => rows,
        }
    }
}

/// Runs the load once alone and once beside every reader.
pub(crate) fn run(session: &Session, args: &ReadsArgs, loads: &mut Vec<LoadFigures>) -> Result<()> {
    let pressure = &args.pressure;
    let rows = args.rows.rows;
    session.fill_cells(rows)?;
    let first = |values: &[u32]| values.first().copied().unwrap_or(1);
    let shape = Shape {
        connections: pressure.connections,
        in_flight: first(&pressure.in_flight),
        confirmed: pressure.confirmed,
    };
    let workload = Workload::Transfers {
        accounts: pressure.accounts,
        alpha: pressure.alpha.first().copied().unwrap_or(0.0),
    };
    say("transfers alone");
    let alone = session.load(pressure, workload, shape)?;
    let alone_per_second = alone.transactions_per_second;
    loads.push(alone);
    let accounts = pressure.accounts;
    for reader in [
        Reader::Scan {
            table: "account",
            rows: accounts,
        },
        Reader::Scan {
            table: "cell",
            rows,
        },
        Reader::Subscription { rows },
    ] {
        say(&format!("transfers beside {}", reader.name()));
        let target = session.target(Protocol::V2, false)?;
        let stop = AtomicBool::new(false);
        let (load, read) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| read(&target, reader, &stop));
            let load = session.load(pressure, workload, shape);
            stop.store(true, Ordering::Relaxed);
            let read = reading.join().ok().context("the reader has failed");
            (load, read)
        });
        let (mut load, times) = (load?, read??);
        let change = load.transactions_per_second / alone_per_second - 1.0;
        load.beside = Some(BesideFigures {
            name: reader.name(),
            rows: reader.rows(),
            reads: times.count(),
            mean_ms: times.mean() / 1e6,
            max_ms: times.max() as f64 / 1e6,
            transactions_change: 100.0 * change,
        });
        loads.push(load);
    }
    Ok(())
}

/// Reads until told to stop; how long each read took, in nanoseconds.
fn read(target: &Target, reader: Reader, stop: &AtomicBool) -> Result<Histogram> {
    let http = Http::new(&format!("http://{}", target.host), Some(&target.token))?;
    let mut times = Histogram::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        match reader {
            Reader::Scan { table, rows } => scan(&http, target, table, rows)?,
            Reader::Subscription { rows } => subscribe(target, rows)?,
        }
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        times.record(nanos);
    }
    Ok(times)
}

/// Visits every row of the table. The accounts are made anew at the beginning of a load.
fn scan(http: &Http, target: &Target, table: &str, rows: u32) -> Result<()> {
    let (column, is_stable) = match table {
        "account" => ("balance", false),
        _ => ("value", true),
    };
    let sql = format!("SELECT COUNT(*) AS n FROM {table} WHERE {column} <> -1");
    let found: Vec<(u64,)> = http.select(&target.database, &sql)?;
    let count = found.first().map_or(0, |row| row.0);
    ensure!(
        !is_stable || count.abs_diff(u64::from(rows)) <= 1,
        "{count} rows of {table} were found, not {rows}"
    );
    Ok(())
}

/// Connects, subscribes, and takes the first rows.
fn subscribe(target: &Target, rows: u32) -> Result<()> {
    let (mut stream, mut inbox) = open_stream(target)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut request = vec![SUBSCRIBE];
    1u32.encode(&mut request);
    1u32.encode(&mut request);
    bsatn::encode_len(1, &mut request);
    "SELECT * FROM cell".encode(&mut request);
    let mut framed = Vec::new();
    frame::write_binary(&request, [1, 2, 3, 4], &mut framed);
    stream.write_all(&framed)?;
    loop {
        match inbox.next()? {
            Some(frame::Event::Message(message)) => {
                ensure!(
                    message.get(1) == Some(&SUBSCRIBE_APPLIED),
                    "not the answer to a subscription"
                );
                let expected = u64::from(rows) * CELL_BYTES;
                ensure!(
                    message.len() as u64 >= expected,
                    "{} bytes of rows, not {expected}",
                    message.len()
                );
                break;
            }
            Some(_) => {}
            None => {
                let len = stream.read(inbox.space()).context("waiting for rows")?;
                ensure!(len != 0, "the server closed the connection");
                inbox.received(len);
            }
        }
    }
    framed.clear();
    frame::write_close([1, 2, 3, 4], &mut framed);
    stream.write_all(&framed)?;
    Ok(())
}
