//! One client that calls and waits, alone and beside others that flood: what one client can take
//! from another.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::args::{FloodArgs, PressureArgs};
use crate::report::{BesideFigures, LoadFigures};
use crate::say;
use crate::session::{Session, Shape};
use crate::workload::Workload;

/// The flood goes on for so much longer than what is measured beside it.
const LONGER: Duration = Duration::from_secs(2);

/// Runs the victim once alone and once beside the flood.
pub(crate) fn run(session: &Session, args: &FloodArgs, loads: &mut Vec<LoadFigures>) -> Result<()> {
    let pressure = &args.pressure;
    let victim = Shape {
        connections: 1,
        in_flight: 1,
        confirmed: pressure.confirmed,
    };
    let flood = Shape {
        connections: args.flooders,
        in_flight: args.flood_in_flight,
        confirmed: pressure.confirmed,
    };
    let measure = || session.load(pressure, Workload::Empty, victim);
    say("one client alone");
    let alone = measure()?;
    let alone_per_second = alone.transactions_per_second;
    loads.push(alone);
    say("the same beside a flood");
    let longer = PressureArgs {
        seconds: pressure.warm_up + pressure.seconds + LONGER,
        warm_up: Duration::ZERO,
        ..pressure.clone()
    };
    let (flooded, beside) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| session.load(&longer, Workload::Empty, flood));
        let flooded = measure();
        (
            flooded,
            flooding.join().ok().context("the flood has failed"),
        )
    });
    let (mut flooded, beside) = (flooded?, beside??);
    ensure!(0 < beside.transactions, "the flood had no effect");
    let change = flooded.transactions_per_second / alone_per_second - 1.0;
    flooded.beside = Some(BesideFigures {
        name: "flood",
        rows: args.flooders.saturating_mul(args.flood_in_flight),
        reads: beside.transactions,
        mean_ms: beside.latency.mean_us / 1e3,
        max_ms: beside.latency.max_us / 1e3,
        transactions_change: 100.0 * change,
    });
    loads.push(flooded);
    Ok(())
}
