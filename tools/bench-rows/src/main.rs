//! What rows cost: nanoseconds of each operation, beside an ordered map of the same rows and, with
//! the feature `sqlite`, SQLite in memory.
//!
//! Rows are (u32 key, i32), in transactions of a thousand. Keys come in order; they are found,
//! updated and deleted in another one.
#![allow(clippy::print_stdout)] // It exists to print.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

mod map;
#[cfg(feature = "sqlite")]
mod sqlite;
mod table;
#[path = "../../../table/benches/tables/mod.rs"]
mod tables;

/// Operations in one transaction.
const TX_ROWS: u32 = 1_000;

const USAGE: &str = "Give numbers of rows: spacetime-bench-rows 1000 1000000 10000000";

fn main() -> Result<(), String> {
    let sizes = std::env::args().skip(1).map(|size| size.parse().ok());
    let sizes: Option<Vec<u32>> = sizes.map(|size| size.filter(|rows| *rows > 0)).collect();
    let sizes = sizes.filter(|sizes| !sizes.is_empty()).ok_or(USAGE)?;
    println!("ns per row           rows     insert       find     update       scan     delete");
    for rows in sizes {
        print_line("table, btree key", rows, table::costs("b", rows));
        print_line("table, hash key", rows, table::costs("h", rows));
        print_line("BTreeMap<u32, i32>", rows, map::costs(rows));
        #[cfg(feature = "sqlite")]
        match sqlite::costs(rows) {
            Ok(costs) => print_line("SQLite in memory", rows, costs),
            Err(error) => return Err(format!("SQLite: {error}")),
        }
    }
    Ok(())
}

/// Insert, find, update, scan, delete.
type Costs = [f64; 5];

fn print_line(name: &str, rows: u32, costs: Costs) {
    print!("{name:<18} {rows:>9}");
    for cost in costs {
        print!(" {cost:>10.1}");
    }
    println!();
}

/// How often all rows are gone through, so that small sizes take measurable time.
fn rounds(rows: u32) -> u32 {
    (1_000_000 / rows).max(1)
}

/// Nanoseconds of one of so many operations, by what this thread had of a processor: others that
/// are busy then count less.
fn measure(count: u64, run: impl FnOnce()) -> f64 {
    let start = processor_seconds();
    run();
    (processor_seconds() - start) * 1e9 / count as f64
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
