//! `spacetime-bench`: measures any server that speaks the protocol, from outside.
//!
//! Two rules: the client must cost little, because it shares the machine with the server; and a
//! figure counts only if the database was right afterwards.

mod args;
mod bulk;
mod commit;
mod connection;
mod fanout;
mod flood;
mod frame;
mod histogram;
mod http;
mod limit;
mod load;
mod memory;
mod message;
mod process;
mod random;
mod reads;
mod report;
mod session;
mod subscriber;
mod workload;
mod zipf;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser as _;

use args::{Command, CommandLine, DiskArgs, OutputArgs, PressureArgs, ServerArgs};
use memory::MemoryFigures;
use report::{LoadFigures, Report};
use session::{Session, Shape};
use workload::Workload;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads it; the exit code says the same.
            let _ = writeln!(std::io::stderr(), "Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (report, output, is_json_wanted) = match CommandLine::parse().command {
        Command::Transfers(args) => {
            let report = with_session(&args.server, |session, report| {
                transfers(session, &args.pressure, &mut report.loads)
            })?;
            (report, args.output, false)
        }
        Command::Empty(args) => {
            let report = with_session(&args.server, |session, report| {
                empty(session, &args.pressure, &mut report.loads)
            })?;
            (report, args.output, false)
        }
        Command::Single(args) => {
            let report = with_session(&args.server, |session, report| {
                single(session, &args.pressure, &mut report.loads)
            })?;
            (report, args.output, false)
        }
        Command::Reads(args) => {
            let report = with_session(&args.server, |session, report| {
                reads::run(session, &args, &mut report.loads)
            })?;
            (report, args.output, false)
        }
        Command::Flood(args) => {
            let report = with_session(&args.server, |session, report| {
                flood::run(session, &args, &mut report.loads)
            })?;
            (report, args.output, false)
        }
        Command::FanOut(args) => {
            let report = with_session(&args.server, |session, report| {
                fanout::run(session, &args, &mut report.fan_out)
            })?;
            (report, args.output, false)
        }
        Command::Bulk(args) => {
            let report = with_session(&args.server, |session, report| {
                say("bulk");
                report.bulk = Some(session.bulk(args.table, args.rows.rows)?);
                Ok(())
            })?;
            (report, args.output, false)
        }
        Command::Commit(args) => {
            let mut report = Report::default();
            commit(&args.disk, &mut report)?;
            (report, args.output, false)
        }
        Command::All(args) => {
            let report = with_session(&args.server, |session, report| {
                // First, while the server's memory holds nothing that rows could be put in.
                say("bulk");
                report.bulk = Some(session.bulk(bulk::Cells::Ordered, args.rows.rows)?);
                single(session, &args.pressure, &mut report.loads)?;
                empty(session, &args.pressure, &mut report.loads)?;
                transfers(session, &args.pressure, &mut report.loads)?;
                commit(&args.disk, report)
            })?;
            (report, args.output, true)
        }
    };
    show(&report, &output, is_json_wanted)?;
    match report.failure() {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}

fn with_session(
    args: &ServerArgs,
    measure: impl FnOnce(&Session, &mut Report) -> Result<()>,
) -> Result<Report> {
    let session = Session::open(args)?;
    let mut report = Report {
        server: Some(args.server.clone()),
        server_pid: session.server_pid,
        ..Report::default()
    };
    let (measured, memory) = MemoryFigures::around(|| measure(&session, &mut report));
    measured?;
    report.memory = Some(memory);
    Ok(report)
}

fn transfers(session: &Session, args: &PressureArgs, loads: &mut Vec<LoadFigures>) -> Result<()> {
    for shape in shapes(args) {
        for alpha in &args.alpha {
            say(&format!(
                "transfers, alpha {alpha}, {} in flight",
                shape.in_flight
            ));
            let workload = Workload::Transfers {
                accounts: args.accounts,
                alpha: *alpha,
            };
            loads.push(session.load(args, workload, shape)?);
        }
    }
    Ok(())
}

fn empty(session: &Session, args: &PressureArgs, loads: &mut Vec<LoadFigures>) -> Result<()> {
    for shape in shapes(args) {
        say(&format!("empty, {} in flight", shape.in_flight));
        loads.push(session.load(args, Workload::Empty, shape)?);
    }
    Ok(())
}

fn single(session: &Session, args: &PressureArgs, loads: &mut Vec<LoadFigures>) -> Result<()> {
    let transfers = Workload::Transfers {
        accounts: args.accounts,
        alpha: 0.0,
    };
    for workload in [Workload::Empty, transfers] {
        for confirmed in [true, false] {
            say("single");
            let shape = Shape {
                connections: 1,
                in_flight: 1,
                confirmed,
            };
            loads.push(session.load(args, workload, shape)?);
        }
    }
    Ok(())
}

fn shapes(args: &PressureArgs) -> impl Iterator<Item = Shape> {
    args.in_flight.iter().map(|in_flight| Shape {
        connections: args.connections,
        in_flight: *in_flight,
        confirmed: args.confirmed,
    })
}

fn commit(args: &DiskArgs, report: &mut Report) -> Result<()> {
    say("commit");
    let sizes = limit::sizes(&args.batch_bytes, &report.loads);
    report.commits = commit::measure(&args.data_dir, &sizes, args.batch_seconds)?;
    report.limits = limit::compare(&report.loads, &report.commits);
    Ok(())
}

/// Progress, for whoever waits.
pub(crate) fn say(text: &str) {
    // Progress that nobody can read is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text} ...");
}

fn show(report: &Report, output: &OutputArgs, is_json_wanted: bool) -> Result<()> {
    let mut json = serde_json::to_string(report)?;
    json.push('\n');
    let mut stdout = std::io::stdout();
    match &output.json {
        Some(path) if path.as_os_str() == "-" => {
            write!(std::io::stderr(), "{}", report.text())?;
            stdout.write_all(json.as_bytes())?;
        }
        Some(path) => {
            write!(stdout, "{}", report.text())?;
            std::fs::write(path, json)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => {
            write!(stdout, "{}", report.text())?;
            if is_json_wanted {
                write!(stdout, "\n{json}")?;
            }
        }
    }
    Ok(())
}
